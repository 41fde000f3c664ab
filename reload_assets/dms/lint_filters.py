"""Lints source filters, which are the usual reason why a load brings the wrong rows."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reload_assets.dms.findings import Finding, Fix, locator, rule_id, unknown_word
from reload_assets.dms.patterns import is_wild, reads_right_to_left
from reload_assets.dms.ranges import covers_everything
from reload_assets.dms.vocabulary import NEGATIVE_OPERATORS, OPERATORS

_DATE_LITERAL = re.compile(r"\d{4}-\d\d-\d\d( \d\d:\d\d:\d\d)?")
_LOOKS_LIKE_A_DATE = re.compile(r"\d{4}-\d\d-\d\d.*")


def filter_findings(rule: Mapping[str, Any]) -> Iterator[Finding]:
    """Return the mistakes in the filters of one rule, whose members are of the right kinds."""
    filters = rule.get("filters")
    if not filters:
        return
    number = rule_id(rule)
    if rule.get("rule-type") != "selection" or rule.get("rule-action") != "include":
        said = "DMS applies filters in selection rules with rule-action include only; move them there."
        yield Finding(number, "filter-without-include", said)
    for key in ("schema-name", "table-name"):
        name = str(locator(rule).get(key, ""))
        if is_wild(name):
            said = (
                f"The {key} {name!r} has a wildcard, which DMS does not support with filters; write one rule for each "
                "table, with its exact name."
            )
            yield Finding(number, "wildcard-in-filtered-selection", said)
    for column, count in Counter(str(one.get("column-name")) for one in filters).items():
        if count > 1:
            said = f"{count} filters are on the column {column}, which was seen to load every row; use one between."
            yield Finding(number, "several-filters-on-column", said)
    for position, one in enumerate(filters):
        yield from _one_filter(rule, position, one)


def _one_filter(rule: Mapping[str, Any], position: int, one: Mapping[str, Any]) -> Iterator[Finding]:
    number, column, conditions = rule_id(rule), str(one.get("column-name") or ""), one.get("filter-conditions")
    if one.get("filter-type") != "source" or not column or not conditions:
        said = "A filter needs filter-type source, a column-name and filter-conditions; add what is missing."
        yield Finding(number, "malformed-filter", said)
        return
    if reads_right_to_left(column):
        said = f"DMS does not filter on {column}, whose name is written from right to left; filter on another column."
        yield Finding(number, "untransformable-column", said)
    table = str(locator(rule).get("table-name", ""))
    if column == column.lower() != column.upper() and table == table.upper() != table.lower():
        said = (
            f"The column {column} of {table} is in lower case, and Oracle's are in upper case; write {column.upper()}."
        )
        fix = Fix(f"filters.{position}.column-name", column.upper())
        yield Finding(number, "lowercase-filter-column", said, fix)
    complete = True
    for place, condition in enumerate(conditions):
        found = [*_condition(number, column, condition, f"filters.{position}.filter-conditions.{place}")]
        complete = complete and not {"unknown-operator", "missing-value"} & {finding.code for finding in found}
        yield from found
    if complete and len(conditions) > 1:
        yield from _company(number, column, conditions)


def _company(number: str | None, column: str, conditions: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    """Return what is wrong with several conditions in one filter, which DMS joins with OR."""
    operators = [str(condition["filter-operator"]) for condition in conditions]
    if negative := next((one for one in operators if one in NEGATIVE_OPERATORS), None):
        said = (
            f"The filter on {column} has {negative} beside other conditions, and DMS takes it alone only; split them."
        )
        yield Finding(number, "negative-in-company", said)
        return
    if covers_everything([one for one in conditions if one["filter-operator"] != "null"]):
        said = (
            f"The filter on {column} has {len(conditions)} conditions, and DMS joins them with OR, so that they select "
            "every row; use one between with start-value and end-value."
        )
        yield Finding(number, "or-ed-conditions", said)


def _condition(number: str | None, column: str, condition: Mapping[str, Any], place: str) -> Iterator[Finding]:
    operator = str(condition.get("filter-operator"))
    if operator not in OPERATORS:
        yield unknown_word(number, "unknown-operator", f"{place}.filter-operator", operator, OPERATORS)
        return
    if missing := [key for key in OPERATORS[operator] if condition.get(key) in (None, "")]:
        said = f"The operator {operator} on {column} needs {' and '.join(missing)}; add it."
        yield Finding(number, "missing-value", said)
    if operator == "eq":
        # Its value may be a text that looks like a date.
        return
    for key in OPERATORS[operator]:
        value = str(condition.get(key, ""))
        if value.endswith("23:59:59") and key != "start-value" and operator != "gte":
            said = (
                f"The {key} {value!r} loses the rows of the last second's fractions; end at 00:00:00 of the next day "
                "and trim after the load."
            )
            yield Finding(number, "end-loses-fractions", said)
        elif _LOOKS_LIKE_A_DATE.fullmatch(value) and not _DATE_LITERAL.fullmatch(value):
            said = (
                f"The {key} {value!r} is not in DMS's form for dates; write YYYY-MM-DD HH:MM:SS without zone or "
                "fraction."
            )
            yield Finding(number, "undocumented-date-literal", said)
