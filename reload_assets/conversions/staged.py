"""How staging takes values that production's type would refuse or change, and how they become production's.

DMS loads such a column into a type that holds every value of the source, so that the load goes through. Afterwards the
values are counted that production's type refuses (*misfits*) and that it changes (*changed*), and the column is
converted in place. A column with a misfit stays as it was loaded, for a check to name the rows.
"""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import sql

from reload_assets.canonical.oracle_types import SourceColumn
from reload_assets.conversions.declared import FLOATS, INSTANT, INTEGERS, PADDED, TEXTS, TIME, DeclaredType, parse_type
from reload_assets.conversions.rules import UUID_BYTES, Conversion

# What PostgreSQL reads as a number; exponents are limited, so that no text becomes a number of a million digits.
IS_NUMBER = r"{0} ~ '^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{{1,3}})?\s*$'"
_IS_UUID = r"{0} ~* '^(([0-9a-f]{{4}}-?){{7}}[0-9a-f]{{4}}|\{{([0-9a-f]{{4}}-?){{7}}[0-9a-f]{{4}}\}})$'"
_IS_TRUTH = (
    r"lower(btrim({0})) "
    r"IN ('t', 'tr', 'tru', 'true', 'y', 'ye', 'yes', 'on', '1', 'f', 'fa', 'fal', 'fals', 'false', 'n', 'no', 'of', "
    r"'off', '0')"
)
_LARGEST_REAL = "3.4028234e38"


@dataclass(frozen=True)
class Staged:
    """How one column is loaded and converted.

    ``type`` is that of staging while DMS loads. The others are SQL, made for a value of that type by ``misfit``,
    ``changed`` and ``converted``.
    """

    type: str
    _misfit: str
    _changed: str
    _converted: str

    def misfit(self, value: sql.Composable) -> sql.Composed:
        """Return whether production's type refuses a value, as an SQL condition."""
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
    if conversion.refused is None and conversion.lost is None:
        return None
    target, family = parse_type(base_type), source.type.family
    if target.base in (*TEXTS, *PADDED):
        return _as_text(target, base_type, conversion)
    if family in ("number", "float"):
        value = "{0}" if family == "number" else "CAST({0} AS numeric)"
        misfit, changed = _number(target, value, rounds=conversion.lost == "decimals")
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
    if target.base == "numeric":
        kept = target.scale or 0
        most = 10 ** max((target.size or 0) - kept, 0)
        out, changed = f"abs(round({value}, {kept})) >= {most}", f"{value} <> round({value}, {kept})"
        return (out, changed) if rounds else (f"({out} OR {changed})", "false")
    if target.base in FLOATS:
        out = f"abs({value}) > {_LARGEST_REAL}" if target.base == "real" else "false"
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
        return Staged(TIME, "false", "false", f"CAST({{0}} AT TIME ZONE {named} AS {base_type})")
    changed = "date_trunc('day', {0})" if target.base == "date" else f"CAST({{0}} AS {base_type})"
    is_changed = f"{{0}} <> {changed}" if target.base in ("date", TIME) else "true"
    return Staged(TIME, "false", is_changed, f"CAST({{0}} AS {base_type})")


def _parsed(target: DeclaredType, base_type: str) -> Staged | None:
    """Text that is to become something else. What only PostgreSQL itself can tell is loaded as production has it."""
    if target.base == "uuid":
        return Staged("text", f"NOT ({_IS_UUID})", "false", "CAST({0} AS uuid)")
    if target.base == "boolean":
        return Staged("text", f"NOT ({_IS_TRUTH})", "false", "CAST({0} AS boolean)")
    if target.base in ("numeric", *INTEGERS, *FLOATS):
        number = "CAST({0} AS numeric)"
        misfit, _ = _number(target, number, rounds=False)
        is_misfit = f"CASE WHEN {IS_NUMBER} THEN {misfit} ELSE {{0}} IS NOT NULL END"
        is_changed = f"CASE WHEN {IS_NUMBER} THEN {{0}} <> CAST({number} AS text) ELSE false END"
        return Staged("text", is_misfit, is_changed, f"CAST({number} AS {base_type})")
    return None


def _as_text(target: DeclaredType, base_type: str, conversion: Conversion) -> Staged:
    kept = "rtrim({0})" if target.base in PADDED else "{0}"
    misfit = f"char_length({kept}) > {target.size}" if target.size is not None else "false"
    changed = "{0} <> rtrim({0})" if conversion.lost == "trailing blanks" else "false"
    return Staged("text", misfit, changed, f"CAST({{0}} AS {base_type})")
