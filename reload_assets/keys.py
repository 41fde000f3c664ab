"""Decides whether rows can be looked up in the source by their keys in production.

A row that is not found by its key counts as deleted, so the text of a key must be the same on both sides. For each key
column, the pair of types (source and production) must keep values unchanged, both when they are loaded and when they
are looked up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, time, timedelta

from reload_assets.canonical.oracle_types import Kind, SourceColumn
from reload_assets.canonical.postgres import TextRule
from reload_assets.conversions.declared import DeclaredType, parse_type
from reload_assets.conversions.pair import Pair
from reload_assets.conversions.rules import UUID_BYTES
from reload_assets.errors.dms import KeyTimeNotFilterable
from reload_assets.postgres.catalog import Column

_MICROSECONDS = 6
_INTEGERS = ("smallint", "integer", "bigint")
_TEXTS = ("text", "character varying")
_TIME = "timestamp without time zone"
_LAST_SECOND = time(23, 59, 59)

EXACT: Mapping[Kind, Sequence[str]] = {
    "number": (*_INTEGERS, "numeric"),
    # DMS rounds such a number, so the lookup rounds the source's values as well.
    "bare": ("numeric",),
    "text": (*_TEXTS, "enum"),
    # DMS trims the blanks of a CHAR, and the lookup ignores them.
    "padded": (*_TEXTS, "character", "bpchar"),
    "date": (_TIME,),
    "timestamp": (_TIME,),
    "raw": ("bytea", "uuid"),
    "blanks": (),
}
"""Production's types, without sizes, in which a key column of each of the source's kinds keeps its values."""

# What a value loses if its pair of types is not in EXACT, by production's type.
_LOSSES: Mapping[str, str] = {
    "uuid": "whose text does not keep the case and the hyphens that the source wrote",
    "citext": "for which texts of different case are equal",
    "character": "which pads its values",
    "bpchar": "which drops trailing blanks",
    "date": "which drops the time of day",
    "boolean": "whose text is not the source's number",
    "real": "which rounds",
    "double precision": "which rounds",
    "timestamp with time zone": "which depends on the time zone of whoever loads it",
    "jsonb": "which writes its values in its own way",
}
# Types of production whose text a DMS filter finds, even if the source's type is unknown.
_FILTERED = (*_INTEGERS, "numeric", *_TEXTS, "enum", "character", "bpchar")
_KINDS: Mapping[str, Kind] = {
    **dict.fromkeys((*_INTEGERS, "numeric"), "number"),
    "character": "padded",
    "bpchar": "padded",
    "bytea": "raw",
    _TIME: "timestamp",
}


def inexact(source: SourceColumn, column: Column) -> str | None:
    """Return why values of a key column change between the source and production; None if they do not."""
    target = parse_type(column.base_type)
    change = _change_in_source(source)
    if change is None and not column.exact:
        change = "whose collation holds different texts for equal"
    elif change is None and (source.kind is None or target.base not in EXACT[source.kind]):
        base = target.base.rpartition(".")[2].strip('"')
        change = _LOSSES.get(base, "whose text is not the source's")
    elif change is None:
        change = _rounding(source, target)
    types = f"{source.name} is {source.declared} in the source and {column.type} in production"
    return f"{types}, {change}" if change else None


def key_rule(source: SourceColumn | None, column: Column) -> TextRule:
    """Choose the rule for the text by which a key column is looked up; ``source`` is None where nobody described it."""
    if source is None:
        return TextRule(_KINDS.get(parse_type(column.base_type).base, "text"))
    # No exact pair of a key depends on a zone.
    return Pair(source, column, "UTC").matching_rule or TextRule("text")


def filter_position(columns: Sequence[Column]) -> int | None:
    """Return the position of the key column by which a DMS filter can find rows; None if there is no such column."""
    return next(iter(filter_positions(columns)), None)


def filter_positions(columns: Sequence[Column]) -> list[int]:
    """Return the positions of the key columns by which a DMS filter can find rows, those of times last."""
    return [
        position
        for types in (_FILTERED, (_TIME,))
        for position, column in enumerate(columns)
        if column.exact and parse_type(column.base_type).base in types
    ]


def filter_condition(column: Column, text: str) -> dict[str, str]:
    """Return the condition of a DMS filter that finds all rows with a canonical text in ``column``.

    It may find others as well. Raises MappingError for a time that DMS's literals cannot express.
    """
    if parse_type(column.base_type).base != _TIME:
        return {"filter-operator": "eq", "value": text}
    # DMS documents only literals of whole seconds.
    try:
        start = datetime.fromisoformat(text).replace(microsecond=0)
        end = start + timedelta(seconds=1)
        if end.time() == _LAST_SECOND:
            # The linter reports a filter that ends at 23:59:59, because it usually loses the fractions of that second.
            end += timedelta(seconds=1)
    except (ValueError, OverflowError):
        raise KeyTimeNotFilterable(column.name, text) from None
    between = [instant.isoformat(" ", "seconds") for instant in (start, end)]
    return {"filter-operator": "between", "start-value": between[0], "end-value": between[1]}


def _change_in_source(source: SourceColumn) -> str | None:
    if source.type.family == "float" and source.kind is not None:
        return "and DMS rounds it to 15 digits"
    if source.kind == "timestamp" and source.fraction_digits > _MICROSECONDS:
        return "which rounds it to microseconds"
    if source.collation is not None:
        return "and the source holds different texts for equal"
    if source.kind is None:
        return "and its text is not the same on both sides"
    if source.kind == "blanks":
        return "and DMS keeps its blanks (TrimSpaceInChar)"
    if source.is_bare and source.kind == "number":
        return "and DMS carries it as text (NumberDatatypeScale -2)"
    return None


def _rounding(source: SourceColumn, target: DeclaredType) -> str | None:
    if target.base == "uuid" and source.length != UUID_BYTES:
        return f"which holds exactly {UUID_BYTES} bytes"
    if source.kind in ("number", "bare"):
        kept = 0 if target.base in _INTEGERS else target.scale
        return f"which rounds it to {kept} decimals" if kept is not None and source.decimals > kept else None
    if source.kind in ("date", "timestamp") and target.size is not None and source.fraction_digits > target.size:
        return f"which rounds it to {target.size} digits of a second's fraction"
    return None
