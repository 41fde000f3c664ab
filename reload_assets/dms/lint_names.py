"""Lints names: wildcards that match too much, names that stay in upper case, and rules that another one overrides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

from reload_assets.dms.findings import Finding, Fix, locator, rule_id, whole_number
from reload_assets.dms.patterns import escaped, has_underscore_wildcard, is_wild, matches, narrower, overlap
from reload_assets.dms.vocabulary import MASKING_ACTIONS, RENAMING_ACTIONS

_NAME_KEYS = ("schema-name", "table-name", "column-name")
_TARGET_KEYS = {
    "schema": _NAME_KEYS[:1],
    "table": _NAME_KEYS[:2],
    "column": _NAME_KEYS,
    "table-tablespace": (*_NAME_KEYS[:2], "table-tablespace-name"),
    "index-tablespace": (*_NAME_KEYS[:2], "index-tablespace-name"),
}
# A special case with one of these actions may precede the general rule, because it is meant to win.
_OVERRIDES = ("rename", "remove-column")
_MAY_MATCH = ("selection", "transformation")
_WANT_EXACT_NAMES = ("explicit", "define-primary-key")
# Applied by two rules, these come to the same.
_SAME_TWICE = ("convert-lowercase", "convert-uppercase", "remove-column")
_COMPETING = (*RENAMING_ACTIONS, "change-data-type", "remove-column")

Rule = Mapping[str, Any]


def name_findings(rules: Sequence[Rule], target_schema: str) -> Iterator[Finding]:
    """Return the mistakes in the names of all rules. Some can only be seen in two rules together."""
    selections = [rule for rule in rules if rule.get("rule-type") == "selection" and locator(rule)]
    transformations = [rule for rule in rules if rule.get("rule-type") == "transformation" and locator(rule)]
    for rule in rules:
        yield from _underscores(rule, selections)
    yield from _case(selections, transformations, target_schema)
    yield from _conflicts(transformations)
    yield from _two_into_one(transformations)


def _underscores(rule: Rule, selections: Sequence[Rule]) -> Iterator[Finding]:
    """Return the names in which ``_`` is, or may be, a wildcard.

    In AWS's own examples of filtered selections, exact names have plain underscores, so there they are fine. Elsewhere
    a name counts as exact if it is the name of a filtered selection and matches no other one. A column name without
    another wildcard counts as exact, because the columns are not known here.
    """
    if rule.get("rule-type") not in _MAY_MATCH or rule.get("rule-action") in _WANT_EXACT_NAMES:
        return
    if rule.get("filters"):
        return
    for key in _NAME_KEYS:
        name = str(locator(rule).get(key, ""))
        if not has_underscore_wildcard(name):
            continue
        if not is_wild(name):
            if key == "column-name":
                continue
            exact = {_plain(locator(one).get(key)) for one in selections if one.get("filters")}
            if name in exact and not any(matches(name, other) for other in exact - {name}):
                continue
        fixed = name.replace("[_]", "_").replace("_", "[_]")
        said = f"The _ in the {key} {name!r} matches any character ({_example(name)} too); write {fixed!r}."
        yield Finding(rule_id(rule), "underscore-wildcard", said, Fix(f"object-locator.{key}", fixed))


def _plain(name: object) -> str:
    return str(name or "").replace("[_]", "_")


def _example(name: str) -> str:
    return name.replace("[_]", "_").replace("_", "X").replace("%", "...")


def _case(selections: Sequence[Rule], transformations: Sequence[Rule], target_schema: str) -> Iterator[Finding]:
    for rule in selections:
        schema, table = (_plain(locator(rule).get(key)) for key in _NAME_KEYS[:2])
        if rule.get("rule-action") == "exclude" or not schema or not table:
            continue
        missing = []
        for target, name in (("schema", schema), ("table", table), ("column", schema + table)):
            if target == "schema" and target_schema:
                continue
            if _may_be_uppercase(name, schema) and not any(
                _gives_case(one, target, schema, table) for one in transformations
            ):
                missing.append(target)
        if missing:
            yield Finding(
                rule_id(rule),
                "missing-case-rule",
                f"No rule sets the case of the {_listed(missing)} of {schema}.{table}: uppercase names of Oracle would "
                'arrive as quoted uppercase names ("ORDERS", not orders); add convert-lowercase or a rename for each.',
            )


def _may_be_uppercase(name: str, schema: str) -> bool:
    """Return whether a name may be in upper case. One without letters (``%``) counts as written like its schema."""
    letters = "".join(filter(str.isalpha, name)) or "".join(filter(str.isalpha, schema))
    return letters != letters.lower() or not letters


def _gives_case(rule: Rule, target: str, schema: str, table: str) -> bool:
    if rule.get("rule-target") != target:
        return False
    names = locator(rule)
    wanted = {"schema-name": schema, "table-name": table, "column-name": "%"}
    if not all(_covers(str(names.get(key) or "%"), wanted[key]) for key in _TARGET_KEYS[target]):
        return False
    if rule.get("rule-action") == "convert-lowercase":
        return True
    value = str(rule.get("value", ""))
    return rule.get("rule-action") == "rename" and target != "column" and value == value.lower()


def _covers(pattern: str, name: str) -> bool:
    return pattern == name or matches(pattern, name) or pattern == escaped(name)


def _conflicts(transformations: Sequence[Rule]) -> Iterator[Finding]:
    """Return the rules that conflict: of two actions on one object DMS applies only that of the lower rule-id.

    Masking goes together with any other action.
    """
    numbered = [rule for rule in transformations if whole_number(rule.get("rule-id")) is not None]
    ordered = [(rule, _names(rule)) for rule in sorted(numbered, key=lambda rule: int(rule["rule-id"]))]
    for (first, names), (second, others) in combinations(ordered, 2):
        if first.get("rule-target") != second.get("rule-target") or not _overlap(names, others):
            continue
        actions = first.get("rule-action"), second.get("rule-action")
        if actions[0] in MASKING_ACTIONS and actions[1] == "change-data-type":
            said = (
                f"Rule {first['rule-id']} masks the column before this rule changes its type; give this one a lower id."
            )
            yield Finding(rule_id(second), "masking-before-data-type", said)
        is_once_more = actions[0] == actions[1] and actions[0] in _SAME_TWICE
        if is_once_more or not all(action in _COMPETING for action in actions):
            continue
        both = f"{actions[1]} and rule {first['rule-id']}'s {actions[0]} act on the same {second['rule-target']}"
        if _covers_all(first, second):
            said = (
                f"{both}, and DMS applies only the lower rule-id, {first['rule-id']}, so this rule is never applied; "
            )
            yield Finding(rule_id(second), "shadowed-action", said + _advice(actions))
        elif not (first["rule-action"] in _OVERRIDES and _is_special_case(first, second)):
            said = f"{both}, and DMS applies only the lower rule-id, {first['rule-id']}; "
            yield Finding(rule_id(second), "conflicting-actions", said + _advice(actions))


def _advice(actions: tuple[Any, Any]) -> str:
    if set(actions) == {"convert-lowercase", "change-data-type"}:
        return "drop change-data-type and create the target table with its types before the load."
    return "keep one, or narrow its object-locator."


def _two_into_one(transformations: Sequence[Rule]) -> Iterator[Finding]:
    """Return the renames that give several tables of a schema one name."""
    renames = [
        rule for rule in transformations if rule.get("rule-target") == "table" and rule.get("rule-action") == "rename"
    ]
    for rule in renames:
        table = str(locator(rule).get("table-name") or "%")
        if is_wild(table) and not rule.get("expression"):
            said = f"Every table like {table!r} is renamed to {rule.get('value')}; write one rule for each table."
            yield Finding(rule_id(rule), "two-tables-into-one", said)
    for first, second in combinations(renames, 2):
        schemas = [locator(rule).get("schema-name") for rule in (first, second)]
        if (
            first.get("value")
            and first["value"] == second.get("value")
            and schemas[0] == schemas[1]
            and not _overlap(_names(first), _names(second))
        ):
            said = f"Rule {first.get('rule-id')} gives another table the name {first['value']} too; give each its own."
            yield Finding(rule_id(second), "two-tables-into-one", said)


def _names(rule: Rule) -> list[str]:
    keys = _TARGET_KEYS.get(str(rule.get("rule-target")), _NAME_KEYS)
    return [str(locator(rule).get(key) or "%") for key in keys]


def _overlap(names: Sequence[str], others: Sequence[str]) -> bool:
    """Return whether some object has names that match both, which are those of one rule-target."""
    return all(overlap(one, other) for one, other in zip(names, others, strict=True))


def _covers_all(first: Rule, second: Rule) -> bool:
    """Return whether the first rule is for every object that the second one is for."""
    return all(_covers(one, other) for one, other in zip(_names(first), _names(second), strict=True))


def _is_special_case(first: Rule, second: Rule) -> bool:
    pairs = list(zip(_names(first), _names(second), strict=True))
    return any(narrower(one, other) for one, other in pairs) and all(
        one == other or narrower(one, other) for one, other in pairs
    )


def _listed(words: list[str]) -> str:
    plural = {"schema": "schema", "table": "table", "column": "columns"}
    return ", ".join(plural[word] for word in words)
