"""Composes canonical text (see ``reload_assets.canonical.text``) for statements that run in production.

This is a separate module because it does not import SQLAlchemy, which a process that does not read the source does not
need.
"""

from __future__ import annotations

from collections.abc import Mapping

from psycopg import sql

from reload_assets.canonical.oracle_types import BARE_SCALE, Kind

# TO_CHAR returns NULL for infinite times.
_TIME = (
    "COALESCE(CASE WHEN {0} < TIMESTAMP '0001-01-01' THEN TO_CHAR({0}, 'YYYY-MM-DD HH24:MI:SS.US\" BC\"') "
    "ELSE TO_CHAR({0}, 'YYYY-MM-DD HH24:MI:SS.US') END, CAST({0} AS TEXT))"
)
POSTGRESQL: Mapping[Kind, str] = {
    "number": "CAST(TRIM_SCALE(CAST({0} AS NUMERIC)) AS TEXT)",
    "bare": "CAST(TRIM_SCALE(ROUND(CAST({0} AS NUMERIC), {1})) AS TEXT)",
    "date": _TIME,
    "timestamp": _TIME.format("CAST({0} AS TIMESTAMP(6))"),
    "padded": "NULLIF(RTRIM({0}), '')",
    # CONCAT, because a cast to text would strip the trailing blanks of a CHAR.
    "blanks": "NULLIF(CONCAT({0}), '')",
    "raw": "ENCODE({0}, 'hex')",
    "text": "{0}",
}
"""The template of canonical text on PostgreSQL, by kind. The stand-in for the source uses it too."""


def production_text(alias: str, column: str, kind: Kind, scale: int = BARE_SCALE) -> sql.Composed:
    """Return the canonical text of a column of production. ``scale``: the decimals of the source's ``bare`` numbers."""
    return sql.SQL(POSTGRESQL[kind]).format(sql.Identifier(alias, column), sql.Literal(scale))
