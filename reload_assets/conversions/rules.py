"""The rule, pair of types by pair of types and without a database: what production's type does to the source's values.

There are three classes. *Exact*: every value arrives as it is. *Refused*: PostgreSQL refuses a value that does not fit,
so that nothing is lost without notice. *Lost*: PostgreSQL takes the value and changes it; a user accepts that column
by column.

What DMS itself does to a type on the way (facts of its Oracle source) is part of the rule: DATE and TIMESTAMP arrive
as timestamps, TIMESTAMP WITH TIME ZONE and INTERVAL as strings, FLOAT as a binary float, NUMBER without a precision
as a number of 10 decimals, ROWID and BFILE not at all.
"""

from __future__ import annotations

from dataclasses import dataclass

from reload_assets.canonical.lost import Lost
from reload_assets.canonical.oracle_types import SourceColumn
from reload_assets.conversions.declared import (
    CUT,
    FLOATS,
    INSTANT,
    INTEGERS,
    MONEY,
    NUMERICS,
    PADDED,
    TEXTS,
    TIME,
    TIME_OF_DAY,
    WRITTEN_TIMES,
    DeclaredType,
    parse_type,
)

UUID_BYTES = 16
_MAX_PRECISION = 38
_LONGEST_STRING_OF_A_TIME = 64
_DOUBLE_BITS = 53
_SINGLE_BITS = 24
_MICROSECONDS = 6


@dataclass(frozen=True)
class Conversion:
    """What a pair of types does to values.

    ``lost`` are the words of ``accept`` for what is changed without notice, ``loss`` says it in full. ``loss`` without
    ``lost`` cannot be accepted: no value arrives. ``refused`` says which values PostgreSQL refuses, ``note`` what DMS
    or PostgreSQL changes whatever production's type is.
    """

    lost: tuple[Lost, ...] = ()
    loss: str | None = None
    refused: str | None = None
    note: str | None = None


_EXACT = Conversion()


def convert(source: SourceColumn, production_type: str) -> Conversion:
    """Return what becomes of the source's values in a column of production's type, spelled as by format_type."""
    target, family = parse_type(production_type), source.type.family
    if family is None:
        why = f"every value, as {source.base_type} is not a type that DMS carries; list it in ignored_source_columns"
        return Conversion(loss=why)
    found = _RULES[family](source, target)
    return Conversion(found.lost, found.loss, found.refused, _note(source, target))


def _note(source: SourceColumn, target: DeclaredType) -> str | None:
    family = source.type.family
    if source.is_bare:
        return _carried_bare(source.delivery.number_scale)
    if family == "float" and _bits(source) > _DOUBLE_BITS:
        return f"DMS carries {source.declared} as an 8-byte float of 15 digits"
    is_time = target.base.startswith("timestamp")
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


def _bits(source: SourceColumn) -> int:
    return source.precision or source.type.float_bits or 0


def _number(source: SourceColumn, target: DeclaredType) -> Conversion:
    scale = source.decimals
    digits = (source.precision or _MAX_PRECISION) - scale
    if target.base == "numeric":
        return _in_numeric(target, digits, scale)
    if target.base in INTEGERS:
        # Whoever declares decimals has some; a NUMBER without a precision mostly holds whole numbers.
        if scale > 0 and not source.is_bare:
            return Conversion(("decimals",), "fractions", _beyond(target))
        if source.is_bare:
            return Conversion(refused=f"fractions and {_beyond(target)}")
        return Conversion(refused=_beyond(target)) if 10**digits > 2 ** INTEGERS[target.base] else _EXACT
    if target.base == "double precision" and source.is_bare and source.kind is None:
        # DMS carries it as such a float.
        return _EXACT
    if target.base in FLOATS:
        if source.is_bare or max(digits, 0) + max(scale, 0) > FLOATS[target.base]:
            return Conversion(("digits",), f"digits beyond {FLOATS[target.base]}")
        return _EXACT
    if target.base == "money":
        # An exact pair would be loaded as text, which money reads by the server's lc_monetary.
        found = _in_numeric(MONEY, digits, scale)
        return Conversion(found.lost, found.loss, "amounts that are too large for it")
    if target.base == "boolean":
        return Conversion(refused="numbers other than 0 and 1")
    # A sign, a point, and a zero before it.
    longest = _MAX_PRECISION * 4 if source.precision is None else max(digits, 1) + 1 + (scale + 1 if scale > 0 else 0)
    return _as_text(target, longest, "the number")


def _in_numeric(target: DeclaredType, digits: int, scale: int) -> Conversion:
    if target.size is None:
        return _EXACT
    kept = target.scale or 0
    most = target.size - kept
    refused = f"numbers of more than {most} digits before the point" if digits > most else None
    if scale > kept:
        return Conversion(("decimals",), f"decimals beyond {kept}", refused)
    return Conversion(refused=refused)


def _beyond(target: DeclaredType) -> str:
    return f"numbers beyond {2 ** INTEGERS[target.base] - 1}"


def _float(source: SourceColumn, target: DeclaredType) -> Conversion:
    if target.base == "double precision" or (target.base == "numeric" and target.size is None):
        return _EXACT
    if target.base == "real":
        return _EXACT if _bits(source) <= _SINGLE_BITS else Conversion(("digits",), "digits beyond 6")
    if target.base == "numeric":
        most = (target.size or 0) - (target.scale or 0)
        refused = f"numbers of more than {most} digits before the point"
        return Conversion(("decimals",), f"decimals beyond {target.scale}", refused)
    if target.base in INTEGERS:
        return Conversion(("decimals",), "fractions", _beyond(target))
    return _as_text(target, _LONGEST_STRING_OF_A_TIME, "the number")


def _string(source: SourceColumn, target: DeclaredType) -> Conversion:
    if target.base in (*TEXTS, *PADDED):
        refused = _too_long(source.length, target)
        if target.base == "character" and source.type.kind != "padded":
            return Conversion(("trailing blanks",), "trailing blanks", refused)
        return Conversion(refused=refused)
    return _parsed(target)


def _lob(source: SourceColumn, target: DeclaredType) -> Conversion:
    if target.base in (*TEXTS, *PADDED):
        return Conversion(refused=_too_long(None, target))
    if target.base in ("numeric", "boolean", *INTEGERS, *FLOATS) or target.is_time:
        return Conversion(loss=f"everything of a text but values of type {target.base}")
    return _parsed(target)


def _too_long(length: int | None, target: DeclaredType) -> str | None:
    if target.size is None or (length is not None and length <= target.size):
        return None
    return f"texts of more than {target.size} characters"


def _parsed(target: DeclaredType) -> Conversion:
    """Text that production parses, such as a uuid: what does not parse is refused."""
    if target.base in (*NUMERICS, *INTEGERS, *FLOATS):
        lost = "the spelling of a number, such as leading zeros"
        return Conversion(("spelling",), lost, "texts that are not a number")
    if target.base == "bytea":
        return Conversion(loss="the text, which would be read as bytes")
    if target.is_time:
        how = WRITTEN_TIMES.get(target.base, WRITTEN_TIMES["interval"])
        return Conversion(("spelling",), "the spelling of a time", f"texts that are not {how}")
    if target.base in CUT:
        return Conversion(refused=f"texts of more than {CUT[target.base]} bytes")
    return Conversion(refused=f"texts that {target.base} cannot read")


def _bytes(source: SourceColumn, target: DeclaredType) -> Conversion:
    if target.base == "bytea":
        return _EXACT
    if target.base == "uuid" and source.length == UUID_BYTES:
        return Conversion(refused=f"values of fewer than {UUID_BYTES} bytes")
    return Conversion(loss="the bytes themselves")


def _time(source: SourceColumn, target: DeclaredType) -> Conversion:
    if target.base == TIME:
        return _rounded(source, target)
    if target.base == INSTANT:
        lost = "the wall-clock time as it stands in the source; accepted, it is read as a time of source.time_zone"
        return _rounded(source, target, Conversion(("time zone",), lost))
    if target.base == "date":
        return Conversion(("time of day",), "the time of day")
    if target.base == TIME_OF_DAY:
        return _rounded(source, target, Conversion(("date",), "the date"))
    return _as_text(target, _LONGEST_STRING_OF_A_TIME, "the time")


def _zoned(source: SourceColumn, target: DeclaredType) -> Conversion:
    if target.base == INSTANT:
        return _rounded(source, target)
    if target.base == TIME:
        return _rounded(source, target, Conversion(("time zone",), "the time zone"))
    return _as_text(target, _LONGEST_STRING_OF_A_TIME, "the time zone")


def _interval(source: SourceColumn, target: DeclaredType) -> Conversion:
    if target.base == "interval":
        return _rounded(source, target)
    return _as_text(target, _LONGEST_STRING_OF_A_TIME, "the interval")


def _rounded(source: SourceColumn, target: DeclaredType, other: Conversion = _EXACT) -> Conversion:
    """Return what a time loses beside another loss, if production keeps fewer digits of a second than the source."""
    if target.size is None or target.size >= min(source.fraction_digits, _MICROSECONDS):
        return other
    fractions = f"fractions of a second beyond {target.size} digits"
    return Conversion((*other.lost, "fractions"), f"{fractions} and {other.loss}" if other.loss else fractions)


def _as_text(target: DeclaredType, longest: int, what: str) -> Conversion:
    """Return what becomes of a value that arrives as, or becomes, a string of at most ``longest`` characters."""
    if target.base not in (*TEXTS, *PADDED):
        return Conversion(loss=f"{what}, which is not converted into {target.base}")
    return Conversion(refused=_too_long(longest, target))


_RULES = {
    "number": _number,
    "float": _float,
    "string": _string,
    "lob": _lob,
    "bytes": _bytes,
    "time": _time,
    "zoned": _zoned,
    "interval": _interval,
}
