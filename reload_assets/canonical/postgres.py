"""Canonical text (see ``reload_assets.canonical.text``) of what stands in production, for statements that run there.

Apart from the source's own statements because these need no SQLAlchemy, which a process that does not read the source
would import for nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

from psycopg import sql

from reload_assets.canonical.oracle_types import BARE_SCALE, Kind

# TO_CHAR makes NULL of infinite times.
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
    # Its cast to text would take the blanks of a CHAR.
    "blanks": "NULLIF(CONCAT({0}), '')",
    "raw": "ENCODE({0}, 'hex')",
    "text": "{0}",
}
"""What makes the canonical text of a column of each kind on PostgreSQL, which the stand-in for the source is, too."""


def production_text(alias: str, column: str, kind: Kind, scale: int = BARE_SCALE) -> sql.Composed:
    """Return the canonical text of one of production's columns; ``scale`` is that of the source's ``bare`` numbers."""
    return sql.SQL(POSTGRESQL[kind]).format(sql.Identifier(alias, column), sql.Literal(scale))
