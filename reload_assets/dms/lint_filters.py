"""Lints source filters, which are the usual reason why a load brings the wrong rows."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from reload_assets.dms.findings import Finding, did_you_mean, locator, rule_id
from reload_assets.dms.patterns import is_wild
from reload_assets.dms.vocabulary import OPERATORS

# DMS joins the conditions of a filter with OR. That suits alternatives for one column; any other operator beside
# another condition selects more rows than it seems to.
_ALTERNATIVES = ("between", "eq", "null")
_DATE_LITERAL = re.compile(r"\d{4}-\d\d-\d\d( \d\d:\d\d:\d\d)?")
_LOOKS_LIKE_A_DATE = re.compile(r"\d{4}-\d\d-\d\d.*")


def filter_findings(rule: Mapping[str, Any]) -> Iterator[Finding]:
    """Return the mistakes in the filters of one rule."""
    filters = rule.get("filters")
    if not filters:
        return
    number = rule_id(rule)
    if not isinstance(filters, list) or not all(isinstance(one, Mapping) for one in filters):
        yield Finding(number, "malformed-filter", "The filters are not a list of objects; write [{...}].")
        return
    if rule.get("rule-type") != "selection" or rule.get("rule-action") != "include":
        yield Finding(
            number,
            "filter-without-include",
            "Filters work in selection rules with rule-action include; move them there.",
        )
    for key in ("schema-name", "table-name"):
        name = str(locator(rule).get(key, ""))
        if is_wild(name):
            yield Finding(
                number,
                "wildcard-in-filtered-selection",
                f"The {key} {name!r} has a wildcard, which DMS does not support with filters; write one rule for each "
                "table, with its exact name (underscores as they are, not [_]).",
            )
    for column, count in Counter(str(one.get("column-name")) for one in filters).items():
        if count > 1:
            yield Finding(
                number,
                "several-filters-on-column",
                f"{count} filters are on the column {column}, which was seen to load every row; use one between.",
            )
    for one in filters:
        yield from _one_filter(number, one)


def _one_filter(number: str | None, one: Mapping[str, Any]) -> Iterator[Finding]:
    column = str(one.get("column-name") or "")
    conditions: Any = one.get("filter-conditions")
    complete = one.get("filter-type") == "source" and column and conditions and isinstance(conditions, list)
    if not complete or not all(isinstance(condition, Mapping) for condition in conditions):
        yield Finding(
            number, "malformed-filter", "A filter needs filter-type source, a column-name and filter-conditions."
        )
        return
    operators = [condition.get("filter-operator") for condition in conditions]
    if len(conditions) > 1 and any(operator not in _ALTERNATIVES for operator in operators):
        yield Finding(
            number,
            "or-ed-conditions",
            f"The filter on {column} has {len(conditions)} conditions, and DMS joins them with OR, so that it selects "
            "too much; use one between with start-value and end-value.",
        )
    for condition in conditions:
        yield from _condition(number, column, condition)


def _condition(number: str | None, column: str, condition: Mapping[str, Any]) -> Iterator[Finding]:
    operator = str(condition.get("filter-operator"))
    if operator not in OPERATORS:
        fix = did_you_mean(operator, OPERATORS)
        yield Finding(number, "unknown-operator", f"DMS knows no filter-operator {operator!r}; {fix}")
        return
    if missing := [key for key in OPERATORS[operator] if condition.get(key) in (None, "")]:
        yield Finding(
            number, "missing-value", f"The operator {operator} on {column} needs {' and '.join(missing)}; add it."
        )
    if operator == "eq":
        # Its value may be a text that looks like a date.
        return
    for key in OPERATORS[operator]:
        value = str(condition.get(key, ""))
        if value.endswith("23:59:59") and key != "start-value" and operator != "gte":
            yield Finding(
                number,
                "end-loses-fractions",
                f"The {key} {value!r} loses the rows of the last second's fractions; end at 00:00:00 of the next day "
                "and trim after the load.",
            )
        elif _LOOKS_LIKE_A_DATE.fullmatch(value) and not _DATE_LITERAL.fullmatch(value):
            yield Finding(
                number,
                "undocumented-date-literal",
                f"The {key} {value!r} is not in DMS's form for dates; write YYYY-MM-DD HH:MM:SS without zone or "
                "fraction.",
            )
