"""A linter for DMS table mappings and task settings, ours or a user's.

It names mistakes that DMS silently understands as something else, or refuses without saying where. Each finding has a
stable code, the rule-id, and the fix. The facts come from the AWS DMS user guide ("Using source filters", "Wildcards in
table mapping", "Transformation rules and actions").
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from reload_assets.dms.findings import Finding, did_you_mean, locator, rule_id
from reload_assets.dms.lint_filters import filter_findings
from reload_assets.dms.lint_names import name_findings
from reload_assets.dms.lint_settings import lint_settings
from reload_assets.dms.vocabulary import RULE_TARGETS, RULE_TYPES, SELECTION_ACTIONS, TRANSFORMATION_ACTIONS

__all__ = ["Finding", "lint_mapping", "lint_settings"]


def lint_mapping(mapping: str | Mapping[str, Any], *, target_schema: str = "") -> list[Finding]:
    """Return every mistake of a table mapping, in the order of its rules; empty for a clean one.

    ``target_schema`` is TargetMetadata.TargetSchema of the task's settings. If it is set, schemas need no case rule.
    """
    if isinstance(mapping, str):
        try:
            mapping = json.loads(mapping)
        except ValueError as error:
            return [Finding(None, "invalid-json", f"The table mapping is not JSON: {error}.")]
    rules = mapping.get("rules") if isinstance(mapping, Mapping) else None
    if not isinstance(rules, list) or not rules or not all(isinstance(rule, Mapping) for rule in rules):
        return [Finding(None, "no-rules", 'The table mapping has no rules; write {"rules": [{...}]}.')]
    findings = [*_document_findings(rules)]
    for rule in rules:
        findings += _rule_findings(rule)
        findings += filter_findings(rule)
    findings += name_findings(rules, target_schema)
    return findings


def _document_findings(rules: list[Mapping[str, Any]]) -> Iterator[Finding]:
    if not any(rule.get("rule-type") == "selection" for rule in rules):
        yield Finding(None, "no-selection", "No rule selects a table; add a rule of rule-type selection.")
    for number, count in Counter(rule_id(rule) for rule in rules).items():
        if number is not None and count > 1:
            yield Finding(number, "duplicate-rule-id", f"{count} rules have this rule-id; give each its own number.")
    for name, count in Counter(str(rule["rule-name"]) for rule in rules if rule.get("rule-name")).items():
        if count > 1:
            ids = [rule_id(rule) for rule in rules if str(rule.get("rule-name")) == name]
            yield Finding(ids[-1], "duplicate-rule-name", f"{count} rules are named {name!r}; give each its own name.")


def _rule_findings(rule: Mapping[str, Any]) -> Iterator[Finding]:
    number = rule_id(rule)
    if number is None:
        name = rule.get("rule-name", "without a name")
        yield Finding(None, "missing-rule-id", f"The rule {name} has no rule-id; give it a number of its own.")
    elif not number.isdecimal():
        yield Finding(number, "non-numeric-rule-id", f"The rule-id {number!r} is not a number; give it one.")
    kind, action = rule.get("rule-type"), rule.get("rule-action")
    if kind not in RULE_TYPES:
        fix = did_you_mean(kind, RULE_TYPES)
        yield Finding(number, "unknown-rule-type", f"DMS knows no rule-type {kind!r}; {fix}")
    yield from _locator_findings(rule)
    if kind in ("selection", "transformation"):
        actions = SELECTION_ACTIONS if kind == "selection" else TRANSFORMATION_ACTIONS
        if action not in actions:
            fix = did_you_mean(action, actions)
            yield Finding(number, "unknown-action", f"DMS knows no {kind} rule-action {action!r}; {fix}")
    if kind == "transformation" and rule.get("rule-target") not in RULE_TARGETS:
        target = rule.get("rule-target")
        fix = did_you_mean(target, RULE_TARGETS)
        yield Finding(number, "unknown-rule-target", f"DMS knows no rule-target {target!r}; {fix}")


def _locator_findings(rule: Mapping[str, Any]) -> Iterator[Finding]:
    names = locator(rule)
    if not names:
        yield Finding(
            rule_id(rule), "missing-object-locator", "The rule has no object-locator; name schema-name and table-name."
        )
        return
    needed = ["schema-name"]
    if rule.get("rule-type") == "selection" or rule.get("rule-target") in ("table", "column"):
        needed.append("table-name")
    for key in needed:
        if not names.get(key):
            yield Finding(
                rule_id(rule), "incomplete-object-locator", f"The object-locator has no {key}; add it (% for all)."
            )
