"""A linter for DMS table mappings and task settings, ours or a user's.

It names mistakes that DMS refuses without saying where, ignores, or silently understands as something else. Each
finding has a stable code, the rule-id, and the fix. ``lint_codes`` says how grave a code is and which chapter of the
AWS DMS user guide it comes from.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reload_assets.dms.findings import (
    Finding,
    did_you_mean,
    inexact_names,
    locator,
    rule_id,
    unknown_word,
    whole_number,
)
from reload_assets.dms.lint_filters import filter_findings
from reload_assets.dms.lint_names import name_findings
from reload_assets.dms.lint_settings import lint_settings
from reload_assets.dms.lint_tables import table_settings_findings
from reload_assets.dms.lint_transformations import transformation_findings
from reload_assets.dms.shapes import KNOWN_MEMBERS, misshapen
from reload_assets.dms.vocabulary import (
    HIGHEST_LOAD_ORDER,
    OBJECT_MAPPING_ACTIONS,
    POST_PROCESSING_ACTIONS,
    RULE_TYPES,
    SELECTION_ACTIONS,
    TABLE_TYPES,
    TRANSFORMATION_ACTIONS,
    VALIDATION_ACTIONS,
)

__all__ = ["Finding", "lint_mapping", "lint_settings"]

_ACTIONS: Mapping[str, Sequence[str]] = {
    "selection": SELECTION_ACTIONS,
    "transformation": TRANSFORMATION_ACTIONS,
    "object-mapping": OBJECT_MAPPING_ACTIONS,
    "post-processing": POST_PROCESSING_ACTIONS,
    "validation": VALIDATION_ACTIONS,
}

_OF_OTHER_TARGETS = {"object-mapping": "streams and document stores", "post-processing": "files in Amazon S3"}

Rule = Mapping[str, Any]


def lint_mapping(mapping: object, *, target_schema: str = "") -> list[Finding]:
    """Return every mistake of a table mapping, in the order of its rules; empty for a clean one.

    ``mapping`` is the document or its text. ``target_schema`` is TargetMetadata.TargetSchema of the task's settings:
    with one, schemas need no case rule.
    """
    if isinstance(mapping, str):
        try:
            mapping = json.loads(mapping)
        except (ValueError, RecursionError) as error:
            return [Finding(None, "invalid-json", f"The table mapping is not JSON: {error}.")]
    if bare := _bare_rules(mapping):
        said = 'The document is a rule without its frame, which DMS refuses; write {"rules": [...]} around it.'
        return [Finding(None, "bare-rule", said), *lint_mapping({"rules": bare}, target_schema=target_schema)]
    rules = mapping.get("rules") if isinstance(mapping, Mapping) else None
    if not isinstance(rules, list) or not rules or not all(isinstance(rule, Mapping) for rule in rules):
        return [Finding(None, "no-rules", 'The table mapping has no rules; write {"rules": [{...}]}.')]
    findings = [*_document_findings(rules)]
    shaped: list[Rule] = []
    for rule in rules:
        wrong = [
            Finding(rule_id(rule), "malformed-member", f"{text}, so DMS refuses the document; write it as one.")
            for text in misshapen(rule)
        ]
        findings += wrong or _rule_findings(rule)
        shaped += [] if wrong else [rule]
    findings += name_findings(shaped, target_schema)
    return findings


def _bare_rules(document: object) -> list[Any]:
    """Return the rules of a document that is a rule, or a list of rules, and not a mapping."""
    if isinstance(document, Mapping) and "rule-type" in document and "rules" not in document:
        return [document]
    if isinstance(document, list) and document and all(isinstance(one, Mapping) for one in document):
        return document
    return []


def _document_findings(rules: list[Rule]) -> Iterator[Finding]:
    if not any(rule.get("rule-type") == "selection" for rule in rules):
        yield Finding(None, "no-selection", "No rule selects a table; add a rule of rule-type selection.")
    for number, count in Counter(rule_id(rule) for rule in rules).items():
        if number is not None and count > 1:
            yield Finding(number, "duplicate-rule-id", f"{count} rules have this rule-id; give each its own number.")
    for name, count in Counter(str(rule["rule-name"]) for rule in rules if rule.get("rule-name")).items():
        if count > 1:
            ids = [rule_id(rule) for rule in rules if str(rule.get("rule-name")) == name]
            yield Finding(ids[-1], "duplicate-rule-name", f"{count} rules are named {name!r}; give each its own name.")


def _rule_findings(rule: Rule) -> Iterator[Finding]:
    number = rule_id(rule)
    if number is None:
        name = rule.get("rule-name", "without a name")
        yield Finding(None, "missing-rule-id", f"The rule {name} has no rule-id; give it a number of its own.")
    elif whole_number(rule["rule-id"]) is None:
        yield Finding(number, "non-numeric-rule-id", f"The rule-id {number!r} is not a whole number; give it one.")
    if rule.get("rule-name") in (None, ""):
        yield Finding(number, "missing-rule-name", "The rule has no rule-name; give it one of its own.")
    for member in rule:
        if member not in KNOWN_MEMBERS:
            fix = did_you_mean(member, sorted(KNOWN_MEMBERS))
            yield Finding(number, "unknown-member", f"DMS knows no member {member!r} of a rule and ignores it; {fix}")
    kind = rule.get("rule-type")
    if kind not in RULE_TYPES:
        yield unknown_word(number, "unknown-rule-type", "rule-type", kind, RULE_TYPES)
        return
    if kind in _ACTIONS and rule.get("rule-action") not in _ACTIONS[kind]:
        yield unknown_word(number, "unknown-action", "rule-action", rule.get("rule-action"), _ACTIONS[kind])
    yield from _locator_findings(rule)
    yield from filter_findings(rule)
    if kind == "selection":
        yield from _selection_findings(rule)
    elif kind == "transformation":
        yield from transformation_findings(rule)
    elif kind == "table-settings":
        yield from table_settings_findings(rule)
    elif kind in _OF_OTHER_TARGETS:
        said = f"A rule of type {kind} is for {_OF_OTHER_TARGETS[kind]}, and a reload's target is PostgreSQL; drop it."
        yield Finding(number, "other-target-rule", said)
    elif not rule.get("source-function") and not rule.get("target-function"):
        said = "The rule overrides no validation function; give it a source-function or a target-function."
        yield Finding(number, "missing-validation-function", said)


def _locator_findings(rule: Rule) -> Iterator[Finding]:
    names = locator(rule)
    if not names:
        said = "The rule has no object-locator; name schema-name and table-name."
        yield Finding(rule_id(rule), "missing-object-locator", said)
        return
    needed = ["schema-name"]
    if rule.get("rule-type") != "transformation" or rule.get("rule-target") in ("table", "column"):
        needed.append("table-name")
    for key in needed:
        if not names.get(key):
            said = f"The object-locator has no {key}; add it (% for all)."
            yield Finding(rule_id(rule), "incomplete-object-locator", said)


def _selection_findings(rule: Rule) -> Iterator[Finding]:
    number, names = rule_id(rule), locator(rule)
    kind = names.get("table-type")
    if kind is not None and kind not in TABLE_TYPES:
        yield unknown_word(number, "unknown-table-type", "object-locator.table-type", kind, TABLE_TYPES)
    order = rule.get("load-order")
    if order is not None and not 1 <= (whole_number(order) or 0) <= HIGHEST_LOAD_ORDER:
        said = f"The load-order {order!r} is not a whole number from 1 to {HIGHEST_LOAD_ORDER}; write one."
        yield Finding(number, "bad-load-order", said)
    if rule.get("rule-action") == "explicit":
        yield from inexact_names(rule, "An explicit selection")
