"""Lints names: wildcards that match too much, names that stay in upper case, and actions that another one overrides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

from reload_assets.dms.findings import Finding, locator, rule_id
from reload_assets.dms.patterns import escaped, has_underscore_wildcard, is_wild, matches, narrower, overlap
from reload_assets.dms.vocabulary import RENAMING_ACTIONS

_NAME_KEYS = ("schema-name", "table-name", "column-name")
_TARGET_KEYS = {"schema": _NAME_KEYS[:1], "table": _NAME_KEYS[:2], "column": _NAME_KEYS}
# A special case with one of these actions may precede the general rule, because it is meant to win.
_OVERRIDES = ("rename", "remove-column")
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


def _underscores(rule: Rule, selections: Sequence[Rule]) -> Iterator[Finding]:
    """Return the names in which ``_`` is, or may be, a wildcard.

    In AWS's own examples of filtered selections, exact names have plain underscores, so there they are fine. Elsewhere
    a name counts as exact if it is the name of a filtered selection and matches no other one. A column name without
    another wildcard counts as exact, because the columns are not known here.
    """
    if rule.get("rule-action") == "explicit":
        return
    for key in _NAME_KEYS:
        name = str(locator(rule).get(key, ""))
        if not has_underscore_wildcard(name):
            continue
        if not is_wild(name):
            if key == "column-name" or (rule.get("rule-type") == "selection" and rule.get("filters")):
                continue
            exact = {str(locator(one).get(key)) for one in selections if one.get("filters")}
            if name in exact and not any(matches(name, other) for other in exact - {name}):
                continue
        fixed = name.replace("[_]", "_").replace("_", "[_]")
        yield Finding(
            rule_id(rule),
            "underscore-wildcard",
            f"The _ in the {key} {name!r} matches any character ({_example(name)} too); write {fixed!r}.",
        )


def _example(name: str) -> str:
    return name.replace("[_]", "_").replace("_", "X").replace("%", "...")


def _case(selections: Sequence[Rule], transformations: Sequence[Rule], target_schema: str) -> Iterator[Finding]:
    for rule in selections:
        if rule.get("rule-action") == "exclude":
            continue
        schema, table = (str(locator(rule).get(key, "")) for key in _NAME_KEYS[:2])
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
    """Return the rules that conflict: of two actions on one object DMS applies only that of the lower rule-id."""
    numbered = [rule for rule in transformations if str(rule.get("rule-id", "")).isdecimal()]
    competing = [rule for rule in numbered if rule.get("rule-action") in _COMPETING]
    for first, second in combinations(sorted(competing, key=lambda rule: int(rule["rule-id"])), 2):
        if first.get("rule-target") != second.get("rule-target") or not _overlap(first, second):
            continue
        actions = {first["rule-action"], second["rule-action"]}
        if actions == {"convert-lowercase", "change-data-type"}:
            yield Finding(
                str(second["rule-id"]),
                "lowercase-with-data-type",
                f"convert-lowercase and change-data-type (rules {first['rule-id']} and {second['rule-id']}) meet on "
                "one column, which may fail; drop change-data-type and make the staging table with the right types.",
            )
        elif not (first["rule-action"] in _OVERRIDES and _is_special_case(first, second)):
            yield Finding(
                str(second["rule-id"]),
                "conflicting-actions",
                f"{second['rule-action']} and rule {first['rule-id']}'s {first['rule-action']} act on the same "
                f"{second['rule-target']}, and DMS applies only the lower rule-id, {first['rule-id']}; keep one, or "
                "narrow its object-locator.",
            )


def _names(rule: Rule) -> list[str]:
    keys = _TARGET_KEYS.get(str(rule.get("rule-target")), _NAME_KEYS)
    return [str(locator(rule).get(key) or "%") for key in keys]


def _overlap(first: Rule, second: Rule) -> bool:
    return all(overlap(one, other) for one, other in zip(_names(first), _names(second), strict=True))


def _is_special_case(first: Rule, second: Rule) -> bool:
    pairs = list(zip(_names(first), _names(second), strict=True))
    return any(narrower(one, other) for one, other in pairs) and all(
        one == other or narrower(one, other) for one, other in pairs
    )


def _listed(words: list[str]) -> str:
    plural = {"schema": "schema", "table": "table", "column": "columns"}
    return ", ".join(plural[word] for word in words)
