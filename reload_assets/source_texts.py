"""Rows of the source that are read over its connection: as texts, which become values of a table of the target."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from psycopg import Connection, sql

from reload_assets.postgres.session import copy_in
from reload_assets.tables import ReloadTable


def readable(table: ReloadTable) -> str | None:
    """Return why the source connection cannot give rows of the table as DMS would; None if it can."""
    if table.source_columns is None:
        return "there is no source connection"
    described = {column.name: column for column in table.source_columns}
    for column in table.columns:
        source = described[column.source]
        if not source.is_readable:
            return f"{source.name} is {source.why_without_text}"
    return None


def text_names(table: ReloadTable) -> list[str]:
    """Return the names of the text columns, in the order of the table's columns."""
    return [f"v{number}" for number, _ in enumerate(table.columns, start=1)]


def text_columns(table: ReloadTable) -> sql.Composed:
    """Return the definition of the text columns."""
    return sql.SQL(", ").join(sql.SQL("{} text").format(sql.Identifier(one)) for one in text_names(table))


def copy_texts(connection: Connection[Any], texts: str, rows: Iterable[Sequence[Any]]) -> None:
    """Put the source's rows into the temporary table ``texts`` as DMS reads them."""
    with connection.cursor() as cursor, copy_in(cursor, texts) as copy:
        for row in rows:
            copy.write_row([_text(value) for value in row])


def _text(value: Any) -> str | None:
    if value is None or value in ("", b""):
        # In Oracle an empty text is NULL, and DMS makes an empty LOB NULL too.
        return None
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    # DMS turns NUL characters, which PostgreSQL refuses, into spaces.
    return str(value).replace("\x00", " ")
