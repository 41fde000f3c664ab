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
