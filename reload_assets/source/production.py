"""Canonical text (see ``reload_assets.source.canonical``) of what stands in production, for statements that run there.

Apart from the source's own statements because these need no SQLAlchemy, which a process that does not read the source
would import for nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

from psycopg import sql

from reload_assets.source.columns import Kind

POSTGRESQL: Mapping[Kind, str] = {
    "number": "CAST(TRIM_SCALE(CAST({} AS NUMERIC)) AS TEXT)",
    "date": "TO_CHAR({}, 'YYYY-MM-DD HH24:MI:SS.US')",
    "timestamp": "TO_CHAR(CAST({} AS TIMESTAMP(6)), 'YYYY-MM-DD HH24:MI:SS.US')",
    "padded": "NULLIF(RTRIM({}), '')",
    "raw": "ENCODE({}, 'hex')",
    "text": "{}",
}
"""What makes the canonical text of a column of each kind on PostgreSQL, which the stand-in for the source is, too."""


def production_text(alias: str, column: str, kind: Kind) -> sql.Composed:
    """The canonical text of one of production's columns."""
    return sql.SQL(POSTGRESQL[kind]).format(sql.Identifier(alias, column))
