"""The statements in ``benchmarks/sql``: written and composed as those of ``sql/`` are, and run in psql as they are."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from psycopg import ClientCursor, Connection

from reload_assets.postgres.statements import Part, binds_values, compose_text

_FOLDER = Path(__file__).with_name("sql")


@cache
def text(name: str) -> str:
    """Return the text of ``benchmarks/sql/<name>.sql``."""
    return (_FOLDER / f"{name}.sql").read_text(encoding="utf-8")


def run(
    connection: Connection[Any], name: str, parts: Mapping[str, Part] | None = None, /, **values: Any
) -> ClientCursor[Any]:
    """Execute ``benchmarks/sql/<name>.sql``, which may hold several statements."""
    # Values are put in on this side: the server binds none where there are several statements.
    cursor = ClientCursor(connection)
    cursor.execute(compose_text(text(name), f"{name}.sql", parts or {}), values if binds_values(text(name)) else None)
    return cursor
