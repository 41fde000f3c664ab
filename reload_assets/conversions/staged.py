"""How staging takes values that production's type would refuse or change, and how they become production's.

DMS loads such a column into a type that holds every value of the source, so that the load goes through. Afterwards the
values are counted that production's type refuses (*misfits*) and that it changes (*changed*), and the column is
converted in place. A column with a misfit stays as it was loaded, for a check to name the rows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from psycopg import sql

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
    DeclaredType,
    parse_type,
)
from reload_assets.conversions.rules import UUID_BYTES, Conversion

# What PostgreSQL reads as a number; exponents are limited, so that no text becomes a number of a million digits.
IS_NUMBER = r"{0} ~ '^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{{1,3}})?\s*$'"
_IS_UUID = r"{0} ~* '^(([0-9a-f]{{4}}-?){{7}}[0-9a-f]{{4}}|\{{([0-9a-f]{{4}}-?){{7}}[0-9a-f]{{4}}\}})$'"
_IS_TRUTH = (
    r"lower(btrim({0})) "
    r"IN ('t', 'tr', 'tru', 'true', 'y', 'ye', 'yes', 'on', '1', 'f', 'fa', 'fal', 'fals', 'false', 'n', 'no', 'of', "
    r"'off', '0')"
)
# The largest values, and the largest that count as too small: PostgreSQL refuses to make a zero of them.
_LARGEST = {"real": "3.4028235677973366e38", "double precision": "1.7976931348623158e308"}
_TOO_SMALL = {"real": "7.0064923216240853e-46", "double precision": "2.4703282292062327e-324"}
# A day, in an order that no DateStyle changes.
_DAY = r"(\d{{4}}-\d{{1,2}}-\d{{1,2}}|\d{{8}}|\d{{1,2}}-[a-z]{{3}}-\d{{4}})"
_CLOCK = r"\d{{1,2}}:\d{{2}}(:\d{{2}}(\.\d+)?)?"
_OFFSET = r" ?(Z|UTC|[+-]\d{{1,2}}(:?\d{{2}})?)"
# What says the same in every session. A day may have a midnight, which nothing is lost of.
_SAME_EVERYWHERE = {
    "date": rf"{_DAY}([ T]00:00(:00(\.0+)?)?)?",
    TIME: f"{_DAY}([ T]{_CLOCK})?",
    INSTANT: f"{_DAY}[ T]{_CLOCK}{_OFFSET}",
    TIME_OF_DAY: _CLOCK,
    "time with time zone": f"{_CLOCK}{_OFFSET}",
}


@dataclass(frozen=True)
class Staged:
    """How one column is loaded and converted.

    ``type`` is that of staging while DMS loads. The others are SQL, made for a value of that type by ``misfit``,
    ``clear_misfit``, ``changed`` and ``converted``. Whether ``_into`` takes a value, only PostgreSQL can tell: it is
    tried with ``_tried`` of the value.
    """

    type: str
    _misfit: str
    _changed: str
    _converted: str
    _into: str | None = None
    _tried: str = "{0}"

    def within(self, domain: str) -> Staged:
        """Return the same for a domain over the type, whose constraints refuse values too."""
        return replace(self, _into=domain, _tried=self._converted if self._into is None else self._tried)

    def misfit(self, value: sql.Composable) -> sql.Composed:
        """Return whether production's type refuses a value, as an SQL condition. It may try each value, and be slow."""
        if self._into is None:
            return self.clear_misfit(value)
        tried = sql.SQL(self._tried).format(value)
        is_read = sql.SQL("admin.reads_as(CAST({} AS text), {})").format(tried, sql.Literal(self._into))
        return sql.SQL("CASE WHEN {} THEN true ELSE NOT {} END").format(self.clear_misfit(value), is_read)

    def clear_misfit(self, value: sql.Composable) -> sql.Composed:
        """Return the same as far as the value alone tells it, without a try."""
        return sql.SQL(self._misfit).format(value)

    def changed(self, value: sql.Composable) -> sql.Composed:
        """Return whether production's type changes a value, as an SQL condition."""
        return sql.SQL(self._changed).format(value)

    def converted(self, value: sql.Composable) -> sql.Composed:
        """Return the value as one of production's type."""
        return sql.SQL(self._converted).format(value)


def staged(source: SourceColumn, base_type: str, conversion: Conversion, zone: str) -> Staged | None:
    """Return how a column is loaded; None where it is loaded as production has it.

    ``base_type`` is production's type, or the one that its domain restricts. ``zone`` is the source's.
    """
    if conversion.refused is None and not conversion.lost:
        return None
    target, family = parse_type(base_type), source.type.family
    base_type = base_type.replace("{", "{{").replace("}", "}}")
    if target.base in (*TEXTS, *PADDED):
        return _as_text(target, base_type, conversion)
    if family in ("number", "float"):
        value = "{0}" if family == "number" else "CAST({0} AS numeric)"
        misfit, changed = _number(target, value, rounds="decimals" in conversion.lost)
        loaded = "numeric" if family == "number" else "double precision"
        return Staged(loaded, misfit, changed, _converted_number(target, base_type, value))
    if family == "time":
        return _time(target, base_type, zone)
    if family in ("string", "lob"):
        return _parsed(target, base_type)
    if target.base == "uuid":
        return Staged("bytea", f"octet_length({{0}}) <> {UUID_BYTES}", "false", "CAST(encode({0}, 'hex') AS uuid)")
    return None


def _number(target: DeclaredType, value: str, *, rounds: bool) -> tuple[str, str]:
    """Return which numbers are refused and which are changed."""
    if target.base in INTEGERS:
        limit = 2 ** INTEGERS[target.base]
        out = f"round({value}) NOT BETWEEN {-limit} AND {limit - 1}"
        changed = f"{value} <> round({value})"
        return (out, changed) if rounds else (f"({out} OR {changed})", "false")
    if target.base == "numeric" and target.size is None:
        return "false", "false"
    if target.base in NUMERICS:
        held = MONEY if target.base == "money" else target
        kept = held.scale or 0
        most = 10 ** max((held.size or 0) - kept, 0)
        # Each numeric type holds NaN, which counts as larger than any number.
        out = f"({value} <> 'NaN' AND abs(round({value}, {kept})) >= {most})"
        changed = f"{value} <> round({value}, {kept})"
        if target.base == "money":
            out = f"round({value}, 2) NOT BETWEEN -92233720368547758.08 AND 92233720368547758.07"
        return (out, changed) if rounds else (f"({out} OR {changed})", "false")
    if target.base in FLOATS:
        beyond = f"abs({value}) >= {_LARGEST[target.base]} AND abs({value}) < 'Infinity'"
        out = f"({beyond} OR {value} <> 0 AND abs({value}) <= {_TOO_SMALL[target.base]})"
        stored = f"CAST(CASE WHEN {out} THEN NULL ELSE {value} END AS {target.base})"
        return out, f"{value} <> CAST({stored} AS numeric)"
    return f"{value} NOT IN (0, 1)", "false"


def _converted_number(target: DeclaredType, base_type: str, value: str) -> str:
    if target.base == "boolean":
        return f"({value} = 1)"
    # A float would be rounded to the even neighbour otherwise.
    return f"CAST({value} AS {base_type})"


def _time(target: DeclaredType, base_type: str, zone: str) -> Staged:
    if target.base == INSTANT:
        named = sql.quote(zone)
        digits = 6 if target.size is None else target.size
        rounded = f"{{0}} <> CAST({{0}} AS timestamp({digits}))"
        return Staged(TIME, "false", rounded, f"CAST({{0}} AT TIME ZONE {named} AS {base_type})")
    changed = "date_trunc('day', {0})" if target.base == "date" else f"CAST({{0}} AS {base_type})"
    is_changed = f"{{0}} <> {changed}" if target.base in ("date", TIME) else "true"
    return Staged(TIME, "false", is_changed, f"CAST({{0}} AS {base_type})")


def _parsed(target: DeclaredType, base_type: str) -> Staged:
    """Text that is to become something else. What only PostgreSQL itself can tell is tried."""
    if target.base == "uuid":
        return Staged("text", f"NOT ({_IS_UUID})", "false", "CAST({0} AS uuid)")
    if target.base == "boolean":
        return Staged("text", f"NOT ({_IS_TRUTH})", "false", "CAST({0} AS boolean)")
    if target.base in (*NUMERICS, *INTEGERS, *FLOATS):
        number = "CAST({0} AS numeric)"
        misfit, _ = _number(target, number, rounds=False)
        is_misfit = f"CASE WHEN {IS_NUMBER} THEN {misfit} ELSE {{0}} IS NOT NULL END"
        is_changed = f"CASE WHEN {IS_NUMBER} THEN {{0}} <> CAST({number} AS text) ELSE false END"
        return Staged("text", is_misfit, is_changed, f"CAST({number} AS {base_type})")
    into = base_type.replace("{{", "{").replace("}}", "}")
    # A cast to a size would cut or fill a value, where the assignment of the converted value refuses it.
    sizeless = base_type if target.size is None else target.base
    return Staged("text", _not_the_same_everywhere(target), "false", f"CAST({{0}} AS {sizeless})", into)


def _not_the_same_everywhere(target: DeclaredType) -> str:
    """Return which texts production would read, but not all of them, or not the same in every session."""
    if target.base in CUT:
        return f"octet_length({{0}}) > {CUT[target.base]}"
    if not target.is_time:
        return "false"
    found = []
    if target.base in _SAME_EVERYWHERE:
        found.append(rf"{{0}} !~* '^\s*{_SAME_EVERYWHERE[target.base]}\s*$'")
    if target.size is not None:
        found.append(rf"{{0}} ~ '\.\d{{{{{target.size}}}}}\d*[1-9]'")
    return f"({' OR '.join(found)})" if found else "false"


def _as_text(target: DeclaredType, base_type: str, conversion: Conversion) -> Staged:
    kept = "rtrim({0})" if target.base in PADDED else "{0}"
    misfit = f"char_length({kept}) > {target.size}" if target.size is not None else "false"
    changed = "{0} <> rtrim({0})" if "trailing blanks" in conversion.lost else "false"
    return Staged("text", misfit, changed, f"CAST({{0}} AS {base_type})")
