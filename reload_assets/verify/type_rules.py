"""Decides, for one column, whether production's type can hold all values of the source's. Needs no database.

The rule allows for what DMS does to Oracle's types. DATE and TIMESTAMP arrive as timestamps, TIMESTAMP WITH TIME ZONE
and INTERVAL as strings, FLOAT as a binary float, NUMBER without a precision as a number with 10 decimals, and ROWID and
BFILE not at all. Text that production parses (uuid, enum, json ...) passes: a value that does not fit fails the load,
and so is not lost silently.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from reload_assets.canonical.oracle_types import SourceColumn

# The number of decimal digits with which every integer fits.
_INTEGERS = {"smallint": 4, "integer": 9, "bigint": 18}
_FLOATS = {"real": 6, "double precision": 15}
_MAX_PRECISION = 38
_TEXT = ("text", "character varying", "citext")
_LONGEST_STRING_OF_A_TIME = 64
_DOUBLE_BITS = 53
_SINGLE_BITS = 24


@dataclass(frozen=True)
class DeclaredType:
    """The parts of a declared PostgreSQL type: ``numeric(10,2)`` is numeric, 10, 2."""

    base: str
    size: int | None
    scale: int | None


def judge(source: SourceColumn, production_type: str) -> str | None:
    """Return what production's declared type would lose of the source's values; None if nothing.

    The type is spelled as format_type does.
    """
    target, family = parse_type(production_type), source.type.family
    if family == "number":
        return _number(source, target)
    if family == "float":
        return _float(source, target)
    if family == "string":
        return _string(source, target)
    if family == "lob":
        return _text_only(target)
    if family == "bytes":
        return None if target.base == "bytea" else "the bytes themselves"
    if family == "time":
        return _timestamp(source, target)
    if family == "zoned":
        return None if target.base == "timestamp with time zone" else _string_of_a_time(target, "the time zone")
    if family == "interval":
        return None if target.base == "interval" else _string_of_a_time(target, "the interval")
    return (
        f"every value, as {source.base_type} is not a type that DMS carries; list the column in ignored_source_columns"
    )


def note(source: SourceColumn, production_type: str) -> str | None:
    """Return how DMS or PostgreSQL changes such values regardless of production's type; None if they do not."""
    family = source.type.family
    if source.is_bare:
        return _carried_bare(source.delivery.number_scale)
    if family == "float" and _bits(source) > _DOUBLE_BITS:
        return f"DMS carries {source.declared} as an 8-byte float of 15 digits"
    is_time = parse_type(production_type).base.startswith("timestamp")
    if family == "time" and source.fraction_digits > 6 and is_time:
        return "PostgreSQL rounds fractions of a second to microseconds"
    if family == "zoned" and is_time:
        return f"DMS carries {source.base_type} as a string, of which PostgreSQL keeps the instant but not the zone"
    return None


def _carried_bare(scale: int) -> str:
    if scale < 0:
        how = "a float of 15 digits" if scale == -1 else "text"
        return f"DMS carries NUMBER without a precision as {how} (NumberDatatypeScale {scale})"
    return f"DMS rounds NUMBER without a precision to {scale} decimals (NumberDatatypeScale)"


def parse_type(declared: str) -> DeclaredType:
    """Parse a type that is spelled as format_type does."""
    sizes = re.search(r"\((\d+)(?:,(-?\d+))?\)", declared)
    base = re.sub(r"\(.*?\)", "", declared)
    if sizes is None:
        return DeclaredType(base, 1 if base in ("character", "bit") else None, None)
    return DeclaredType(base, int(sizes[1]), int(sizes[2]) if sizes[2] else 0 if base == "numeric" else None)


def _bits(source: SourceColumn) -> int:
    return source.precision or source.type.float_bits or 0


def _number(source: SourceColumn, target: DeclaredType) -> str | None:
    scale = source.decimals
    digits = (source.precision or _MAX_PRECISION) - scale
    if target.base == "numeric":
        if target.size is None:
            return None
        kept = target.scale or 0
        if scale > kept:
            return f"decimals beyond {kept}"
        return (
            f"numbers of more than {target.size - kept} digits before the point"
            if digits > target.size - kept
            else None
        )
    if target.base in _INTEGERS:
        if scale > 0:
            return "fractions"
        return f"numbers of more than {_INTEGERS[target.base]} digits" if digits > _INTEGERS[target.base] else None
    if target.base in _FLOATS:
        if source.is_bare or max(digits, 0) + max(scale, 0) > _FLOATS[target.base]:
            return f"digits beyond {_FLOATS[target.base]}"
        return None
    if target.base == "boolean":
        return "every number but 0 and 1"
    return _string_of_a_time(target, "the number")


def _float(source: SourceColumn, target: DeclaredType) -> str | None:
    if target.base == "double precision" or (target.base == "numeric" and target.size is None):
        return None
    if target.base == "real":
        return None if _bits(source) <= _SINGLE_BITS else "digits beyond 6"
    if target.base == "numeric":
        return f"decimals beyond {target.scale} and large numbers"
    if target.base in _INTEGERS:
        return "fractions"
    return _string_of_a_time(target, "the number")


def _string(source: SourceColumn, target: DeclaredType) -> str | None:
    length = source.length
    if target.base == "character" and source.type.kind != "padded":
        return "trailing blanks"
    if target.base in (*_TEXT, "character", "bpchar"):
        if target.size is not None and (length is None or length > target.size):
            return f"characters beyond {target.size}"
        return None
    if target.base in ("numeric", *_INTEGERS, *_FLOATS):
        return "everything of a text but a number"
    if target.base == "bytea":
        return "the text, which would be read as bytes"
    if re.match(r"date|time|interval", target.base):
        return "everything of a text but a time"
    return None


def _text_only(target: DeclaredType) -> str | None:
    if target.base in ("character varying", "character") and target.size is not None:
        return f"characters beyond {target.size}"
    if target.base == "bytea":
        return "the text, which would be read as bytes"
    if target.base in ("numeric", "boolean", *_INTEGERS, *_FLOATS) or re.match(r"date|time|interval", target.base):
        return f"everything of a text but values of type {target.base}"
    return None


def _timestamp(source: SourceColumn, target: DeclaredType) -> str | None:
    if target.base == "timestamp without time zone":
        fraction = min(source.fraction_digits, 6)
        if target.size is not None and target.size < fraction:
            return f"fractions of a second beyond {target.size} digits"
        return None
    if target.base == "timestamp with time zone":
        return "the wall-clock time, which would be read in the time zone of whoever loads it"
    if target.base == "date":
        return "the time of day"
    if target.base.startswith("time"):
        return "the date"
    return _string_of_a_time(target, "the time")


def _string_of_a_time(target: DeclaredType, what: str) -> str | None:
    """Return the finding for a value that arrives as, or becomes, a short string."""
    if target.base in _TEXT and (target.size is None or target.size >= _LONGEST_STRING_OF_A_TIME):
        return None
    if target.base in _TEXT:
        return f"characters beyond {target.size}"
    return what
