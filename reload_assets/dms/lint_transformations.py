"""Lints transformation rules: what each action needs, and the objects that it works on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reload_assets.dms.findings import Finding, Fix, inexact_names, locator, rule_id, unknown_word, whole_number
from reload_assets.dms.patterns import is_wild, literal_characters, transforms
from reload_assets.dms.vocabulary import (
    ACTION_TARGETS,
    BEFORE_IMAGE_FILTERS,
    DATA_TYPE_ACTIONS,
    DATA_TYPES,
    KEY_ORIGINS,
    LOB_DATA_TYPES,
    NEEDED_MEMBERS,
    RULE_TARGETS,
    WITHOUT_COLUMN_NAME,
)

Rule = Mapping[str, Any]

_TABLESPACES = ("table-tablespace", "index-tablespace")


def transformation_findings(rule: Rule) -> Iterator[Finding]:
    """Return the mistakes of one transformation rule, whose members are of the right kinds."""
    number, action, target = rule_id(rule), str(rule.get("rule-action")), rule.get("rule-target")
    if target not in RULE_TARGETS:
        yield unknown_word(number, "unknown-rule-target", "rule-target", target, RULE_TARGETS)
    elif target not in ACTION_TARGETS.get(action, RULE_TARGETS):
        known = ACTION_TARGETS[action]
        said = f"{action} works on the rule-target {' or '.join(known)} and not on {target}; write {known[0]}."
        is_named = known[0] == "table" or action in WITHOUT_COLUMN_NAME or locator(rule).get("column-name")
        yield Finding(number, "wrong-rule-target", said, Fix("rule-target", known[0]) if is_named else None)
    else:
        yield from _object(rule, action, str(target))
    yield from _members(rule, action)
    yield from _data_types(rule, action)


def _object(rule: Rule, action: str, target: str) -> Iterator[Finding]:
    """Return what is wrong with the names of what the rule is about."""
    number, names = rule_id(rule), locator(rule)
    if not names:
        return
    if target == "column" and action not in WITHOUT_COLUMN_NAME and not names.get("column-name"):
        said = "The object-locator has no column-name; add it (% for all)."
        yield Finding(number, "incomplete-object-locator", said)
    if all(names.get(f"{one}-name") for one in _TABLESPACES):
        said = "The object-locator names a table tablespace and an index tablespace; write one rule for each."
        yield Finding(number, "both-tablespaces", said)
    if target in _TABLESPACES:
        if not names.get(f"{target}-name"):
            said = f"The object-locator has no {target}-name; add it (% for all)."
            yield Finding(number, "incomplete-object-locator", said)
        said = f"Only Oracle as a target has a {target}, and a reload's target is PostgreSQL; drop the rule."
        yield Finding(number, "tablespace-rule", said)
    column = str(names.get("column-name") or "")
    if target == "column" and not transforms(literal_characters(column)):
        said = (
            f"DMS transforms no column named like {column!r} (with #, \\, / or -, or written from right to left): it "
            "arrives as it is; drop the rule."
        )
        yield Finding(number, "untransformable-column", said)
    if action == "define-primary-key":
        yield from inexact_names(rule, action)


def _members(rule: Rule, action: str) -> Iterator[Finding]:
    number = rule_id(rule)
    needed = NEEDED_MEMBERS.get(action, ())
    if action == "rename" and rule.get("expression"):
        needed = ()
    if missing := [name for name in needed if rule.get(name) in (None, "", {})]:
        yield Finding(number, "missing-member", f"The action {action} needs {' and '.join(missing)}; add it.")
        return
    if action == "data-masking-digits-mask":
        value = str(rule["value"])
        if len(value) != 1 or not "!" <= value <= "~":
            said = f"The value {value!r} is not one printable ASCII character; write one, such as #."
            yield Finding(number, "bad-masking-character", said, Fix("value", "#"))
    if action == "define-primary-key":
        yield from _primary_key(number, rule["primary-key-def"])
    if action == "add-before-image-columns":
        yield from _before_image(number, rule.get("before-image-def") or {})


def _primary_key(number: str | None, key: Mapping[str, Any]) -> Iterator[Finding]:
    if missing := [name for name in ("name", "columns") if not key.get(name)]:
        yield Finding(number, "bad-primary-key", f"The primary-key-def needs {' and '.join(missing)}; add it.")
    origin = key.get("origin")
    if origin is not None and origin not in KEY_ORIGINS:
        yield unknown_word(number, "bad-primary-key", "primary-key-def.origin", origin, KEY_ORIGINS)


def _before_image(number: str | None, image: Mapping[str, Any]) -> Iterator[Finding]:
    if image.get("column-prefix") == "" and not image.get("column-suffix"):
        said = "The before-image columns have neither prefix nor suffix; set one of them."
        yield Finding(number, "bad-before-image", said, Fix("before-image-def.column-prefix", "BI_"))
    chosen = image.get("column-filter")
    if chosen is not None and chosen not in BEFORE_IMAGE_FILTERS:
        yield unknown_word(number, "bad-before-image", "before-image-def.column-filter", chosen, BEFORE_IMAGE_FILTERS)


def _data_types(rule: Rule, action: str) -> Iterator[Finding]:
    number, names = rule_id(rule), locator(rule)
    existing, column = names.get("data-type"), str(names.get("column-name") or "")
    if existing is not None and existing not in DATA_TYPES:
        yield unknown_word(number, "unknown-data-type", "object-locator.data-type", existing, DATA_TYPES)
    elif existing in LOB_DATA_TYPES and action != "remove-column":
        said = f"DMS can remove a column of type {existing}, and transform it in no other way; drop the rule."
        yield Finding(number, "lob-transformation", said)
    elif existing is not None and column and not is_wild(column):
        said = f"The rule is for one column, {column}, and names its data type too, which DMS advises against; drop it."
        yield Finding(number, "data-type-of-one-column", said)
    if action not in DATA_TYPE_ACTIONS:
        return
    wanted = rule.get("data-type") or {}
    kind = wanted.get("type")
    if not kind:
        yield Finding(number, "missing-data-type", f'The action {action} needs a data-type; add {{"type": "..."}}.')
    elif kind not in DATA_TYPES:
        yield unknown_word(number, "unknown-data-type", "data-type.type", kind, DATA_TYPES)
    # The scale may be a date, too, and the guide's own example has an empty one.
    for name in ("precision", "length"):
        size = wanted.get(name)
        if size not in (None, "") and whole_number(size) is None:
            yield Finding(number, "bad-data-type", f"The {name} {size!r} is not a whole number; write one.")
