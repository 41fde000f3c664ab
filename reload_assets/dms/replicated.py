"""What a running task's table mapping does with one table: whether the task carries it, whole, and under which names.

The rules are read as DMS evaluates them. A table is selected if an include or explicit rule matches it and no exclude
rule does. If several rules transform one object, that of the lower rule-id applies.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reload_assets.dms.findings import locator, rule_id
from reload_assets.dms.patterns import matches, transforms
from reload_assets.errors.dms import MappingUnreadable

Rule = Mapping[str, Any]

# Actions that do not change names or values of the source's own columns.
_BESIDE = ("add-column", "include-column", "remove-column", "define-primary-key", "add-before-image-columns")


@dataclass(frozen=True)
class Replicated:
    """One table as a mapping carries it; ``schema`` and ``table`` are its names on the target.

    ``columns`` gives each source column's name on the target, None if it is left out. ``masked`` gives the rule that
    masks a column's values, ``retyped`` the rule that changes its type, ``added`` the target columns that rules add.
    ``lob_mode`` and ``lob_kb`` are the table's own LOB settings, None if those of the task apply.
    """

    selected: bool
    filtered_by: str | None
    schema: str
    table: str
    columns: Mapping[str, str | None]
    masked: Mapping[str, str]
    retyped: Mapping[str, str]
    added: tuple[str, ...]
    lob_mode: str | None
    lob_kb: int | None


def replicated(mapping: str, target_schema: str, schema: str, table: str, columns: Sequence[str]) -> Replicated:
    """Return what the mapping document does with a table of the source.

    ``target_schema`` is TargetMetadata.TargetSchema, which applies if no rule names the schema. Raises MappingError for
    a document that is not a table mapping.
    """
    rules = _rules(mapping)
    selecting = [rule for rule in rules if rule.get("rule-type") == "selection" and _selects(rule, schema, table)]
    including = [rule for rule in selecting if rule.get("rule-action") in ("include", "explicit")]
    excluded = any(rule.get("rule-action") == "exclude" for rule in selecting)
    changes = [rule for rule in rules if rule.get("rule-type") == "transformation"]
    there = [rule for rule in changes if rule.get("rule-target") == "column" and _matches(rule, schema, table)]
    lobs = next(_lob_settings(rules, schema, table), {})
    schema_rule = _naming([rule for rule in changes if rule.get("rule-target") == "schema"], schema)
    table_rule = _naming([rule for rule in changes if rule.get("rule-target") == "table"], schema, table)
    return Replicated(
        selected=bool(including) and not excluded,
        filtered_by=next((str(rule_id(rule)) for rule in including if rule.get("filters")), None),
        schema=_renamed(schema_rule, schema) if schema_rule else target_schema or schema,
        table=_renamed(table_rule, table) if table_rule else table,
        columns={name: _column(there, schema, table, name) for name in columns},
        masked=_by([rule for rule in there if _is_masking(rule)], schema, table, columns),
        retyped=_by([rule for rule in there if rule.get("rule-action") == "change-data-type"], schema, table, columns),
        added=tuple(_added(there)),
        lob_mode=_lob_mode(lobs),
        lob_kb=int(lobs["bulk-max-size"]) if str(lobs.get("bulk-max-size", "")).isdigit() else None,
    )


def _rules(mapping: str) -> list[Rule]:
    try:
        document = json.loads(mapping)
    except (TypeError, ValueError) as error:
        raise MappingUnreadable(f"is not JSON: {error}") from None
    rules = document.get("rules") if isinstance(document, Mapping) else None
    if not isinstance(rules, list) or not all(isinstance(rule, Mapping) for rule in rules):
        raise MappingUnreadable("has no list of rules")
    return sorted(rules, key=lambda rule: _number(rule_id(rule)))


def _number(text: str | None) -> int:
    return int(text) if text and text.isdigit() else 0


def _matches(rule: Rule, schema: str, table: str | None = None, column: str | None = None) -> bool:
    where = locator(rule)
    pairs = (("schema-name", schema), ("table-name", table), ("column-name", column))
    return all(name is None or matches(str(where.get(member) or "%"), name) for member, name in pairs)


def _selects(rule: Rule, schema: str, table: str) -> bool:
    return locator(rule).get("table-type", "table") in ("table", "all") and _matches(rule, schema, table)


def _lob_settings(rules: Sequence[Rule], schema: str, table: str) -> Iterator[Mapping[str, Any]]:
    for rule in rules:
        found = rule.get("lob-settings")
        if rule.get("rule-type") == "table-settings" and isinstance(found, Mapping) and _matches(rule, schema, table):
            yield found


def _lob_mode(lobs: Mapping[str, Any]) -> str | None:
    """Return limited or unlimited; None where the table has no settings of its own, or leaves it to the task's."""
    mode = lobs.get("mode") or ("limited" if lobs else None)
    return None if mode == "none" else mode


def _is_masking(rule: Rule) -> bool:
    return str(rule.get("rule-action", "")).startswith("data-masking")


def _naming(rules: Sequence[Rule], schema: str, table: str | None = None, column: str | None = None) -> Rule | None:
    for rule in rules:
        if rule.get("rule-action") not in _BESIDE and not _is_masking(rule) and _matches(rule, schema, table, column):
            return rule
    return None


def _column(rules: Sequence[Rule], schema: str, table: str, name: str) -> str | None:
    if not transforms(name):
        return name
    only = [rule for rule in rules if rule.get("rule-action") == "include-column"]
    if only and not any(_matches(rule, schema, table, name) for rule in only):
        return None
    if any(rule.get("rule-action") == "remove-column" and _matches(rule, schema, table, name) for rule in rules):
        return None
    rule = _naming(rules, schema, table, name)
    return _renamed(rule, name) if rule else name


def _by(rules: Sequence[Rule], schema: str, table: str, columns: Sequence[str]) -> dict[str, str]:
    """Return, for each column that has one, the first rule that matches it, as its action and number."""
    changed = filter(transforms, columns)
    found = ((name, next((r for r in rules if _matches(r, schema, table, name)), None)) for name in changed)
    return {name: f"{rule['rule-action']} of rule {rule_id(rule)}" for name, rule in found if rule is not None}


def _added(rules: Sequence[Rule]) -> Iterator[str]:
    for rule in rules:
        if rule.get("rule-action") == "add-column":
            yield str(rule.get("value", ""))


def _renamed(rule: Rule, name: str) -> str:
    action, value, old = (str(rule.get(member) or "") for member in ("rule-action", "value", "old-value"))
    if action == "rename":
        return value
    if action in ("convert-lowercase", "convert-uppercase"):
        return name.lower() if action == "convert-lowercase" else name.upper()
    verb, _, part = action.partition("-")
    before, after = {"add": ("", value), "remove": (value, ""), "replace": (old, value)}.get(verb, ("", ""))
    if part == "prefix" and name.startswith(before):
        return after + name.removeprefix(before)
    if part == "suffix" and name.endswith(before):
        return name.removesuffix(before) + after
    return name
