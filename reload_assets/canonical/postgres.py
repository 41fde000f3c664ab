"""Composes canonical text (see ``reload_assets.canonical.text``) for statements that run in production.

This is a separate module because it does not import SQLAlchemy, which a process that does not read the source does not
need.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from psycopg import sql

from reload_assets.canonical.oracle_types import BARE_SCALE, Kind, SourceColumn

# TO_CHAR makes NULL of infinite times.
TIME_TEXT = (
    "COALESCE(CASE WHEN {0} < TIMESTAMP '0001-01-01' THEN TO_CHAR({0}, 'YYYY-MM-DD HH24:MI:SS.US\" BC\"') "
    "ELSE TO_CHAR({0}, 'YYYY-MM-DD HH24:MI:SS.US') END, CAST({0} AS TEXT))"
)
LOB_CHARACTERS, LOB_BYTES = 1_000, 2_000
"""The most that Oracle gives of a LOB at once, whatever the character set."""
_PIECES_IN_PART = 32
DOUBLE_DECIMALS, REAL_DECIMALS = 13, 5
"""The decimals of a float's first digits: one digit less than the type holds exactly."""


def _lob(value: str, size: int, piece: str) -> str:
    """Return a LOB's text: its length, and the sum of the hashes of its numbered pieces of ``size``.

    Pieces are cut from parts of many pieces. To find a character, PostgreSQL counts from the beginning of a text.
    """
    part = _PIECES_IN_PART * size
    hashed = piece.replace("PIECE", f"SUBSTR(part, n * {size} + 1, {size})")
    digits = f"SUBSTR(MD5(CONCAT(m * {_PIECES_IN_PART} + n + 1, '.', MD5({hashed}))), 1, 15)"
    return (
        f"CASE WHEN LENGTH({value}) > 0 THEN CONCAT(LENGTH({value}), '.', (SELECT SUM(CAST(CAST('x' || {digits} "
        f"AS BIT(60)) AS BIGINT)) FROM GENERATE_SERIES(0, (LENGTH({value}) - 1) / {part}) AS m CROSS JOIN LATERAL "
        f"(SELECT SUBSTR({value}, m * {part} + 1, {part}) AS part OFFSET 0) AS parts CROSS JOIN LATERAL "
        f"GENERATE_SERIES(0, (LENGTH(part) - 1) / {size}) AS n)) END"
    )


def _float(decimals: int) -> str:
    """Return a binary float's text: its first digits, and the exponent."""
    return (
        "CASE WHEN {0} IN ('NaN', 'Infinity', '-Infinity') THEN CAST({0} AS TEXT) WHEN {0} = 0 THEN '0' "
        f"ELSE UPPER(TRIM(TO_CHAR(CAST({{0}} AS DOUBLE PRECISION), '9.{'9' * decimals}EEEE'))) END"
    )


POSTGRESQL: Mapping[Kind, str] = {
    "number": "CAST(TRIM_SCALE(CAST({0} AS NUMERIC)) AS TEXT)",
    "bare": "CAST(TRIM_SCALE(ROUND(CAST({0} AS NUMERIC), {1})) AS TEXT)",
    "date": TIME_TEXT,
    "timestamp": TIME_TEXT.format("CAST({0} AS TIMESTAMP(6))"),
    "short time": TIME_TEXT.format("CAST({0} AS TIMESTAMP({1}))"),
    "day": TIME_TEXT.format("DATE_TRUNC('day', CAST({0} AS TIMESTAMP))"),
    "padded": "NULLIF(RTRIM({0}), '')",
    # CONCAT, because a cast to text would strip the trailing blanks of a CHAR.
    "blanks": "NULLIF(CONCAT({0}), '')",
    "raw": "ENCODE({0}, 'hex')",
    "text": "{0}",
    "uuid": "LOWER(TRANSLATE({0}, 'x-{{}}', 'x'))",
    "clob": _lob("CAST({0} AS TEXT)", LOB_CHARACTERS, "CONVERT_TO(PIECE, 'UTF8')"),
    "nclob": _lob("CAST({0} AS TEXT)", LOB_CHARACTERS, "CONVERT_TO(PIECE, 'UTF8')"),
    "blob": _lob("{0}", LOB_BYTES, "PIECE"),
    "double": _float(DOUBLE_DECIMALS),
    "real": _float(REAL_DECIMALS),
    "instant": TIME_TEXT.format("CAST({0} AT TIME ZONE 'UTC' AS TIMESTAMP(6))"),
}
"""The template of canonical text on PostgreSQL, by kind. The stand-in for the source uses it too."""


@dataclass(frozen=True)
class TextRule:
    """How both sides make the same text of a value: by ``kind``, with the decimals of a rounded one in ``scale``.

    ``production`` is a template of its own where production has another type than the kind's.
    """

    kind: Kind
    scale: int = BARE_SCALE
    production: str | None = None

    @property
    def template(self) -> str:
        """What makes the text in production, of the value {0} and the scale {1}."""
        return self.production or POSTGRESQL[self.kind]


def own_rule(source: SourceColumn) -> TextRule | None:
    """Return the rule of a column of the source by itself; None where its type has no canonical text."""
    return None if source.kind is None else TextRule(source.kind, source.delivery.number_scale)


def production_text(alias: str, column: str, rule: TextRule) -> sql.Composed:
    """Return the shared text of one of production's columns."""
    return sql.SQL(rule.template).format(sql.Identifier(alias, column), sql.Literal(rule.scale))
