"""Table mappings as the service reads them when a task is created: what it refuses, in its own words."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from reload_assets.dms import vocabulary
from reload_assets.dms.shapes import misshapen
from reload_assets.local.dms.protocol import ApiError, invalid
from reload_assets.local.dms.rules import (
    Filter,
    IdleRule,
    Locator,
    Rule,
    SelectionRule,
    TableSettingsRule,
    TransformationRule,
)

_IDLE_ACTIONS = {
    "object-mapping": vocabulary.OBJECT_MAPPING_ACTIONS,
    "post-processing": vocabulary.POST_PROCESSING_ACTIONS,
    "validation": vocabulary.VALIDATION_ACTIONS,
}
_MALFORMED = "Invalid table mappings document."


def parse_rules(text: str) -> list[Rule]:
    """Return every rule in ascending order of rule-id, so that the first that matches an object wins.

    Raises ApiError with the service's texts.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise invalid(f"Invalid Table Mappings document. Invalid json {error}") from None
    rules = document.get("rules") if isinstance(document, dict) else None
    if not isinstance(rules, list) or not rules:
        raise invalid("Valid Table mappings is required")
    parsed: dict[int, Rule] = {}
    for rule in rules:
        if not isinstance(rule, dict) or any(misshapen(rule)) or (number := _whole(rule.get("rule-id"))) is None:
            raise invalid(_MALFORMED)
        if number in parsed:
            raise invalid(f"Error in mapping rules. Duplicate ruleid {number}")
        # Null is as good as no member.
        parsed[number] = _Parser(number, {name: value for name, value in rule.items() if value is not None}).rule()
    if not any(isinstance(rule, SelectionRule) for rule in parsed.values()):
        raise invalid("Error in mapping rules. At least one selection rule is required.")
    return [parsed[number] for number in sorted(parsed)]


class _Parser:
    """One rule, all of whose members are of the right kinds."""

    def __init__(self, number: int, rule: Mapping[str, Any]) -> None:
        self._number, self._rule = number, rule
        self._action, self._target = rule.get("rule-action", ""), rule.get("rule-target", "")
        self._where: Mapping[str, Any] = rule.get("object-locator", {})

    def rule(self) -> Rule:
        kind = self._rule.get("rule-type")
        if kind not in vocabulary.RULE_TYPES:
            raise invalid(_MALFORMED)
        self._require(self._where.get("schema-name"), "object locator cannot be null")
        if kind != "transformation":
            self._require(self._where.get("table-name"), "table name cannot be null")
        if kind == "selection":
            return self._selection()
        if kind == "transformation":
            return self._transformation()
        if kind == "table-settings":
            return self._table_settings()
        if self._action not in _IDLE_ACTIONS[kind]:
            raise invalid(_MALFORMED)
        if kind == "validation":
            functions = self._rule.get("source-function") or self._rule.get("target-function")
            self._require(functions, "a validation function is needed")
        return IdleRule(self._number)

    def _locator(self) -> Locator:
        where = self._where
        return Locator(
            schema=where["schema-name"],
            table=where.get("table-name") or "%",
            column=where.get("column-name") or "%",
            table_type=where.get("table-type") or "table",
            data_type=where.get("data-type") or "",
        )

    def _selection(self) -> SelectionRule:
        locator = self._locator()
        if self._action not in vocabulary.SELECTION_ACTIONS:
            raise invalid(_MALFORMED)
        self._require(locator.table_type in vocabulary.TABLE_TYPES, f"table type {locator.table_type} is not valid")
        if self._action == "explicit":
            self._require(self._is_exact(), "an explicit selection needs exact names")
        order = self._rule.get("load-order")
        number = _whole(order) if order is not None else 0
        in_range = number is not None and (order is None or 1 <= number <= vocabulary.HIGHEST_LOAD_ORDER)
        self._require(in_range, f"load order {order} is not valid")
        filters = tuple(self._filters(self._rule.get("filters", ())))
        # Filters are only applied when rule-action is include.
        kept = filters if self._action == "include" else ()
        self._require(not kept or self._has_no_wildcard(), "filters need an exact table name")
        return SelectionRule(self._number, self._action, locator, kept, number or 0)

    def _filters(self, filters: list[dict[str, Any]]) -> Iterator[Filter]:
        for one in filters:
            conditions = one.get("filter-conditions")
            complete = one.get("filter-type") == "source" and one.get("column-name") and conditions
            self._require(complete, "a filter needs filter-type source, column-name and filter-conditions")
            for condition in conditions or []:
                operator = condition.get("filter-operator")
                self._require(operator in vocabulary.OPERATORS, f"filter operator {operator} is not valid")
                missing = [name for name in vocabulary.OPERATORS[operator] if condition.get(name) in (None, "")]
                self._require(not missing, f"filter operator {operator} needs {' and '.join(missing)}")
            negative = [c for c in conditions or [] if c["filter-operator"] in vocabulary.NEGATIVE_OPERATORS]
            self._require(
                not negative or len(conditions or []) == 1,
                "a filter can have no more than one filter condition with a negative operator",
            )
            yield Filter(one["column-name"], tuple(conditions or []))

    def _transformation(self) -> TransformationRule:
        action, target = self._action, self._target
        if action not in vocabulary.ACTION_TARGETS or target not in vocabulary.RULE_TARGETS:
            raise invalid(_MALFORMED)
        self._require(
            target in vocabulary.ACTION_TARGETS[action], f"rule action {action} is not valid for rule target {target}"
        )
        if target in ("table", "column"):
            self._require(self._where.get("table-name"), "table name cannot be null")
        if target == "column" and action not in vocabulary.WITHOUT_COLUMN_NAME:
            self._require(self._where.get("column-name"), "column name cannot be null")
        if target.endswith("-tablespace"):
            self._require(self._where.get(f"{target}-name"), f"{target} name cannot be null")
        both = self._where.get("table-tablespace-name") and self._where.get("index-tablespace-name")
        self._require(not both, "either a table tablespace or an index tablespace can be named")
        self._members()
        if action == "define-primary-key":
            self._primary_key(self._rule["primary-key-def"])
        self._before_image(self._rule.get("before-image-def", {}))
        existing = self._where.get("data-type")
        self._require(existing in (None, *vocabulary.DATA_TYPES), f"data type {existing} is not valid")
        return TransformationRule(
            id=self._number,
            action=action,
            target=target,
            locator=self._locator(),
            value=str(self._rule.get("value", "")),
            old_value=str(self._rule.get("old-value", "")),
            expression=self._rule.get("expression", ""),
            data_type=self._rule.get("data-type", {}),
        )

    def _members(self) -> None:
        action, rule = self._action, self._rule
        needed = () if action == "rename" and rule.get("expression") else vocabulary.NEEDED_MEMBERS.get(action, ())
        missing = [name for name in needed if rule.get(name) in (None, "", {})]
        self._require(not missing, f"rule action {action} needs {' and '.join(missing)}")
        if action == "data-masking-digits-mask":
            mask = str(rule["value"])
            self._require(len(mask) == 1 and "!" <= mask <= "~", "the mask must be one printable ASCII character")
        if action not in vocabulary.DATA_TYPE_ACTIONS:
            return
        wanted = rule.get("data-type", {})
        self._require(wanted.get("type"), f"rule action {action} needs data-type")
        self._require(wanted["type"] in vocabulary.DATA_TYPES, f"data type {wanted['type']} is not valid")
        for name in ("precision", "length"):
            size = wanted.get(name)
            self._require(size in (None, "") or _whole(size) is not None, f"{name} {size} is not valid")

    def _primary_key(self, key: Mapping[str, Any]) -> None:
        self._require(key.get("name") and key.get("columns"), "a primary key needs a name and columns")
        self._require(key.get("origin") in (None, *vocabulary.KEY_ORIGINS), f"origin {key.get('origin')} is not valid")
        self._require(self._is_exact(), "Exact schema and table name required when using define primary key rule.")

    def _before_image(self, image: Mapping[str, Any]) -> None:
        if self._action != "add-before-image-columns":
            return
        named = image.get("column-prefix") != "" or image.get("column-suffix")
        self._require(named, "before image columns need a prefix or a suffix")
        chosen = image.get("column-filter")
        self._require(chosen in (None, *vocabulary.BEFORE_IMAGE_FILTERS), f"column filter {chosen} is not valid")

    def _table_settings(self) -> TableSettingsRule:
        self._require(self._is_exact(), "Exact schema and table name required when using table settings rule.")
        load = self._rule.get("parallel-load")
        if load is not None:
            self._parallel_load(load)
        lobs = self._rule.get("lob-settings")
        if lobs is None:
            return TableSettingsRule(self._number, self._locator(), None, 0)
        mode = lobs.get("mode") or "limited"
        self._require(mode in vocabulary.LOB_MODES, f"lob-settings mode {mode} is not valid")
        size = lobs.get("bulk-max-size")
        kilobytes = 0 if size is None else _whole(size)
        fits = mode != "limited" or 1 <= (kilobytes or 0) <= vocabulary.LONGEST_LIMITED_LOB_KB
        self._require(kilobytes is not None and fits, f"bulk-max-size {size} is not valid")
        return TableSettingsRule(self._number, self._locator(), None if mode == "none" else mode, kilobytes or 0)

    def _parallel_load(self, load: Mapping[str, Any]) -> None:
        kind = load.get("type")
        self._require(kind in vocabulary.PARALLEL_LOADS, f"parallel-load type {kind} is not valid")
        columns, boundaries = load.get("columns") or [], load.get("boundaries") or []
        fit = boundaries and all(len(one) == len(columns) for one in boundaries)
        if kind == "ranges":
            most = vocabulary.MOST_RANGE_COLUMNS
            self._require(1 <= len(columns) <= most and fit, f"ranges need 1 to {most} columns and a value for each")

    def _is_exact(self) -> bool:
        return "[_]" not in self._names() and self._has_no_wildcard()

    def _has_no_wildcard(self) -> bool:
        """Return whether the names have no wildcard but ``_`` and ``[_]``, which stand for an underscore here."""
        return re.search(r"%|\[(?!_\])[^\]]+\]", self._names()) is None

    def _names(self) -> str:
        return f"{self._where.get('schema-name', '')}\n{self._where.get('table-name', '')}"

    def _require(self, condition: object, why: str) -> None:
        if not condition:
            raise _failed(self._number, why)


def _whole(value: object) -> int | None:
    """Return a whole number, or a text of ASCII digits, as a number."""
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _failed(number: int, why: str) -> ApiError:
    return invalid(f"Error in mapping rules. Rule with ruleId = {number} failed validation. {why}")
