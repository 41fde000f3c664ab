"""The rules of a table mapping, checked as the service checks them when a task is created."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from psycopg import sql

from reload_assets.local.dms.protocol import ApiError, invalid

_OPERATORS = {
    "eq": "{column} = {value}",
    "noteq": "{column} <> {value}",
    "gte": "{column} >= {value}",
    "lte": "{column} <= {value}",
    "ste": "{column} <= {value}",
    "between": "{column} BETWEEN {start} AND {end}",
    "notbetween": "{column} NOT BETWEEN {start} AND {end}",
    "null": "{column} IS NULL",
    "notnull": "{column} IS NOT NULL",
}
_NAMING = {"rename", "convert-lowercase", "convert-uppercase"} | {
    f"{verb}-{part}" for verb in ("add", "remove", "replace") for part in ("prefix", "suffix")
}
_COLUMNS_ONLY = {"add-column", "include-column", "remove-column", "change-data-type"}
# Known to the service, without an effect on what this stand-in loads.
_IGNORED = {
    "define-primary-key",
    "add-before-image-columns",
    "data-masking-digits-mask",
    "data-masking-digits-randomize",
    "data-masking-hash-mask",
}
_TARGETS = ("schema", "table", "column", "table-tablespace", "index-tablespace")


def name_matches(pattern: str, name: str) -> bool:
    """Return whether a name fits a locator's pattern: ``%`` any text, ``_`` one character, ``[_]``, ``[ab]``,
    ``[a-d]``.
    """
    return _regex(pattern).fullmatch(name) is not None


@lru_cache(maxsize=1024)
def _regex(pattern: str) -> re.Pattern[str]:
    parts = []
    for token in re.findall(r"\[[^\]]+\]|.", pattern, re.DOTALL):
        if token == "%":
            parts.append(".*")
        elif token == "_":
            parts.append(".")
        elif len(token) > 1:
            parts.append("[" + re.sub(r"([\\^\[&~|])", r"\\\1", token[1:-1]) + "]")
        else:
            parts.append(re.escape(token))
    return re.compile("".join(parts), re.DOTALL)


@dataclass(frozen=True)
class Locator:
    """Which source objects a rule is for; an absent name matches every object."""

    schema: str
    table: str = "%"
    column: str = "%"
    table_type: str = "table"

    def matches(self, schema: str, table: str | None = None, column: str | None = None) -> bool:
        return (
            name_matches(self.schema, schema)
            and (table is None or name_matches(self.table, table))
            and (column is None or name_matches(self.column, column))
        )


@dataclass(frozen=True)
class Filter:
    """One source filter: the conditions inside it are OR-ed (and the filters of a rule are AND-ed)."""

    column: str
    conditions: tuple[dict[str, Any], ...]

    def condition(self) -> sql.Composed:
        parts = [
            sql.SQL(_OPERATORS[one["filter-operator"]]).format(
                column=sql.Identifier(self.column),
                value=sql.Literal(one.get("value")),
                start=sql.Literal(one.get("start-value")),
                end=sql.Literal(one.get("end-value")),
            )
            for one in self.conditions
        ]
        return sql.SQL("({})").format(sql.SQL(" OR ").join(parts))


@dataclass(frozen=True)
class SelectionRule:
    id: int
    action: str
    locator: Locator
    filters: tuple[Filter, ...]
    load_order: int


@dataclass(frozen=True)
class TransformationRule:
    id: int
    action: str
    target: str
    locator: Locator
    value: str
    old_value: str
    expression: str
    data_type: dict[str, Any]

    def renamed(self, name: str) -> str:
        """Return the object's new name; the name itself where the action does not rename."""
        if self.action == "rename":
            return self.value
        if self.action == "convert-lowercase":
            return name.lower()
        if self.action == "convert-uppercase":
            return name.upper()
        verb, _, part = self.action.partition("-")
        if part not in ("prefix", "suffix"):
            return name
        changes = {"add": ("", self.value), "remove": (self.value, ""), "replace": (self.old_value, self.value)}
        old, new = changes[verb]
        if part == "prefix":
            return new + name.removeprefix(old) if name.startswith(old) else name
        return name.removesuffix(old) + new if name.endswith(old) else name


@dataclass(frozen=True)
class TableSettingsRule:
    """LOB settings of some tables, over those of the task: ``mode`` limited | unlimited | none, size in KB."""

    id: int
    locator: Locator
    lob_mode: str | None
    lob_size: int


Rule = SelectionRule | TransformationRule | TableSettingsRule


def parse_rules(text: str) -> list[Rule]:
    """Return every rule in ascending order of rule-id, so that the first that matches an object wins.

    Raises ApiError with the service's texts.
    """
    try:
        document = json.loads(text)
    except ValueError as error:
        raise invalid(f"Invalid Table Mappings document. Invalid json {error}") from None
    rules = document.get("rules") if isinstance(document, dict) else None
    if not isinstance(rules, list) or not rules:
        raise invalid("Valid Table mappings is required")
    parsed: dict[int, Rule] = {}
    for rule in rules:
        if not isinstance(rule, dict) or not str(rule.get("rule-id", "")).isdigit():
            raise _malformed()
        number = int(rule["rule-id"])
        if number in parsed:
            raise invalid(f"Error in mapping rules. Duplicate ruleid {number}")
        parsed[number] = _parse(number, rule)
    if not any(isinstance(rule, SelectionRule) for rule in parsed.values()):
        raise invalid("Error in mapping rules. At least one selection rule is required.")
    return [parsed[number] for number in sorted(parsed)]


def _parse(number: int, rule: dict[str, Any]) -> Rule:
    kind = rule.get("rule-type")
    if kind not in ("selection", "transformation", "table-settings"):
        raise _malformed()
    where = rule.get("object-locator")
    if not isinstance(where, dict) or not where.get("schema-name"):
        raise _failed(number, "object locator cannot be null")
    locator = Locator(
        schema=where["schema-name"],
        table=where.get("table-name") or "%",
        column=where.get("column-name") or "%",
        table_type=where.get("table-type", "table"),
    )
    if kind == "selection":
        return _selection(number, rule, locator, where)
    if kind == "transformation":
        return _transformation(number, rule, locator, where)
    lobs = rule.get("lob-settings") or {}
    if lobs.get("mode") not in (None, "limited", "unlimited", "none"):
        raise _failed(number, f"lob-settings mode {lobs['mode']} is not valid")
    return TableSettingsRule(number, locator, lobs.get("mode"), int(lobs.get("bulk-max-size", 32)))


def _selection(number: int, rule: dict[str, Any], locator: Locator, where: dict[str, Any]) -> SelectionRule:
    action = rule.get("rule-action")
    if action not in ("include", "exclude", "explicit"):
        raise _malformed()
    if not where.get("table-name"):
        raise _failed(number, "table name cannot be null")
    if locator.table_type not in ("table", "view", "all"):
        raise _failed(number, f"table type {locator.table_type} is not valid")
    wild = re.search(r"%|\[(?!_\])", locator.schema + locator.table)
    if action == "explicit" and wild:
        raise _failed(number, "an explicit selection needs exact names")
    filters = tuple(_filters(number, rule.get("filters") or []))
    if filters and (action == "exclude" or wild):
        raise _failed(number, "filters need rule action include and an exact table name")
    return SelectionRule(number, action, locator, filters, int(rule.get("load-order") or 0))


def _filters(number: int, filters: list[dict[str, Any]]) -> Iterator[Filter]:
    for one in filters:
        conditions = one.get("filter-conditions")
        if one.get("filter-type") != "source" or not one.get("column-name") or not conditions:
            raise _failed(number, "a filter needs filter-type source, column-name and filter-conditions")
        for condition in conditions:
            operator = condition.get("filter-operator")
            if operator not in _OPERATORS:
                raise _failed(number, f"filter operator {operator} is not valid")
            needed = {"between": ("start-value", "end-value"), "null": ()}.get(operator.removeprefix("not"), ("value",))
            if missing := [name for name in needed if condition.get(name) is None]:
                raise _failed(number, f"filter operator {operator} needs {' and '.join(missing)}")
        yield Filter(one["column-name"], tuple(conditions))


def _transformation(number: int, rule: dict[str, Any], locator: Locator, where: dict[str, Any]) -> TransformationRule:
    action, target = rule.get("rule-action"), rule.get("rule-target")
    if action not in _NAMING | _COLUMNS_ONLY | _IGNORED or target not in _TARGETS:
        raise _malformed()
    if action in _COLUMNS_ONLY and target != "column":
        raise _failed(number, f"rule action {action} needs rule target column")
    if target in ("table", "column") and not where.get("table-name"):
        raise _failed(number, "table name cannot be null")
    if target == "column" and action not in ("add-column", "define-primary-key") and not where.get("column-name"):
        raise _failed(number, "column name cannot be null")
    needed = []
    if action in _NAMING | {"add-column"} and not action.startswith("convert-"):
        needed.append("value")
    if action.startswith("replace-"):
        needed.append("old-value")
    if action == "change-data-type":
        needed.append("data-type")
    if missing := [name for name in needed if not rule.get(name)]:
        raise _failed(number, f"rule action {action} needs {' and '.join(missing)}")
    return TransformationRule(
        id=number,
        action=action,
        target=target,
        locator=locator,
        value=str(rule.get("value") or ""),
        old_value=str(rule.get("old-value") or ""),
        expression=str(rule.get("expression") or ""),
        data_type=rule.get("data-type") or {},
    )


def _malformed() -> ApiError:
    return invalid("Invalid table mappings document.")


def _failed(number: int, why: str) -> ApiError:
    return invalid(f"Error in mapping rules. Rule with ruleId = {number} failed validation. {why}")
