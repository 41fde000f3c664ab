"""Canonical text (see ``reload_assets.source.canonical``) of what stands in production, for statements that run there.

Apart from the source's own statements because these need no SQLAlchemy, which a process that does not read the source
would import for nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

from psycopg import sql

from reload_assets.source.columns import Kind

# TO_CHAR makes NULL of infinite times.
_TIME = (
    "COALESCE(CASE WHEN {0} < TIMESTAMP '0001-01-01' THEN TO_CHAR({0}, 'YYYY-MM-DD HH24:MI:SS.US\" BC\"') "
    "ELSE TO_CHAR({0}, 'YYYY-MM-DD HH24:MI:SS.US') END, CAST({0} AS TEXT))"
)
POSTGRESQL: Mapping[Kind, str] = {
    "number": "CAST(TRIM_SCALE(CAST({0} AS NUMERIC)) AS TEXT)",
    "bare": "CAST(TRIM_SCALE(ROUND(CAST({0} AS NUMERIC), 10)) AS TEXT)",
    "date": _TIME,
    "timestamp": _TIME.format("CAST({0} AS TIMESTAMP(6))"),
    "padded": "NULLIF(RTRIM({0}), '')",
    "raw": "ENCODE({0}, 'hex')",
    "text": "{0}",
}
"""What makes the canonical text of a column of each kind on PostgreSQL, which the stand-in for the source is, too."""


def production_text(alias: str, column: str, kind: Kind) -> sql.Composed:
    """The canonical text of one of production's columns."""
    return sql.SQL(POSTGRESQL[kind]).format(sql.Identifier(alias, column))
