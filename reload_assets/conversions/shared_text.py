"""The text that source and production share of a value, pair of types by pair of types."""

from __future__ import annotations

from collections.abc import Mapping

from psycopg import sql

from reload_assets.canonical.oracle_types import Kind, SourceColumn
from reload_assets.canonical.postgres import POSTGRESQL, TIME_TEXT, TextRule, own_rule
from reload_assets.conversions.declared import (
    FLOATS,
    INSTANT,
    INTEGERS,
    MONEY,
    NUMERICS,
    PADDED,
    TEXTS,
    TIME,
    DeclaredType,
    parse_type,
)
from reload_assets.conversions.rules import Conversion
from reload_assets.conversions.staged import IS_NUMBER

# Trailing zeros depend on who wrote the number as text.
_WRITTEN_NUMBERS = {
    kind: f"CASE WHEN {IS_NUMBER} THEN {POSTGRESQL[kind]} ELSE CAST({{0}} AS TEXT) END" for kind in ("number", "bare")
}
# A fraction depends on who wrote the time as text.
_WRITTEN_TIMES = (
    r"CASE WHEN {0} ~ '^\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{{1,6}})? *$' "
    "THEN RPAD(CONCAT(RTRIM({0}), CASE WHEN STRPOS({0}, '.') = 0 THEN '.' END), 26, '0') ELSE CAST({0} AS TEXT) END"
)
_MICROSECONDS = 6
_TRUTH = "CASE WHEN {0} THEN '1' WHEN NOT {0} THEN '0' END"
_UUID = "REPLACE(CAST({0} AS TEXT), '-', '')"


def shared_rule(source: SourceColumn, base_type: str, conversion: Conversion, zone: str) -> TextRule | None:
    """Return the rule by which the content of a column is compared; None where it cannot be.

    ``base_type`` is production's type, or the one that its domain restricts. ``zone`` is the source's. What a user
    accepts that production loses is left out of both texts.
    """
    rule, target = own_rule(source), parse_type(base_type)
    if rule is None or not source.is_compared:
        return None
    if rule.kind in ("number", "bare"):
        return _number(rule, target, conversion)
    if rule.kind in ("date", "timestamp"):
        return _time(rule, target, conversion, zone)
    if rule.kind == "raw":
        return {"bytea": rule, "uuid": TextRule("raw", production=_UUID)}.get(target.base)
    if target.base == "uuid":
        return TextRule("uuid", production=_UUID)
    if target.base not in (*TEXTS, "character"):
        return None
    return TextRule("padded") if "trailing blanks" in conversion.lost else rule


def inexact_rule(source: SourceColumn, base_type: str, conversion: Conversion) -> TextRule | None:
    """Return the rule by which a search for drift compares a column without a shared text; None where it cannot.

    Equal values may have different texts: of binary floats, the last digits differ, and Oracle cuts a LOB at characters
    of UTF-16. So rows that differ by these alone are compared by value.
    """
    target, kind = parse_type(base_type), source.type.inexact_kind
    fitting: Mapping[Kind, tuple[str, ...]] = {
        "double": (*FLOATS, "numeric"),
        "real": (*FLOATS, "numeric"),
        "clob": TEXTS,
        "nclob": TEXTS,
        "blob": ("bytea",),
        "instant": (INSTANT,),
    }
    if kind is None or target.base not in fitting[kind] or conversion.lost:
        return None
    return TextRule("real" if kind == "double" and target.base == "real" else kind)


def why_not_compared(source: SourceColumn, base_type: str) -> str:
    """Return why a search for drift does not compare a column, and what that would take."""
    declared = source.why_without_text
    if source.type.is_lob and inexact_rule(source, base_type, Conversion()) is not None:
        return f"{declared}: set finders.drift.lobs"
    if source.type.would_take is not None:
        return f"{declared}: {source.type.would_take}"
    return f"{declared}, {base_type} in production: their values have no text in common"


def _number(rule: TextRule, target: DeclaredType, conversion: Conversion) -> TextRule | None:
    if target.base in (*INTEGERS, *NUMERICS):
        kept = MONEY.scale if target.base == "money" else target.scale
        return TextRule("bare", kept or 0) if "decimals" in conversion.lost else rule
    if target.base == "boolean":
        return TextRule(rule.kind, rule.scale, _TRUTH)
    if target.base in (*TEXTS, *PADDED):
        return TextRule(rule.kind, rule.scale, _WRITTEN_NUMBERS[rule.kind])
    return None


def _time(rule: TextRule, target: DeclaredType, conversion: Conversion, zone: str) -> TextRule | None:
    if "fractions" in conversion.lost:
        rule = TextRule("short time", target.size or 0)
    if target.base == TIME:
        return rule
    if target.base == "date":
        return TextRule("day")
    if target.base == INSTANT:
        named = sql.quote(zone).replace("{", "{{").replace("}", "}}")
        digits = target.size or 0 if "fractions" in conversion.lost else _MICROSECONDS
        there = f"CAST({{0}} AT TIME ZONE {named} AS TIMESTAMP({digits}))"
        return TextRule(rule.kind, rule.scale, TIME_TEXT.format(there))
    return TextRule(rule.kind, rule.scale, _WRITTEN_TIMES) if target.base in (*TEXTS, *PADDED) else None
