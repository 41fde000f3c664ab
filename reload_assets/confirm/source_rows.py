"""Rows of the source by key, typed as DMS would have loaded them, in a temporary table of the target."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from psycopg import Connection, sql

from reload_assets.source.columns import SourceColumn
from reload_assets.statements import compose, run
from reload_assets.tables import ReloadColumn, ReloadTable

if TYPE_CHECKING:
    from reload_assets.source.reader import SourceReader

Key = tuple[Any, ...]
"""The values of a row's key columns as canonical text."""

_TEXT_LOBS = ("CLOB", "NCLOB")
_BINARY_LOBS = ("BLOB",)
_FLOATS = ("BINARY_FLOAT", "BINARY_DOUBLE")


@dataclass(frozen=True)
class Wanted:
    """Rows of one table: ``batches`` of keys, and the temporary table ``rows``, with staging's columns, to fill."""

    table: ReloadTable
    rows: str
    batches: Iterator[Sequence[Key]]


class SourceRows(Protocol):
    """Where rows of the source are read again by key, in batches of at most ``batch`` keys."""

    batch: int
    reader: SourceReader | None
    """The source connection, by which whole windows are compared; None where there is none."""

    def fill(self, connection: Connection[Any], wanted: Sequence[Wanted]) -> None:
        """Put the source's rows with these keys into their temporary tables, in the caller's transaction."""

    def now(self) -> datetime:
        """A UTC instant of the source's clock: what was read before shows all that was committed before the read."""


def readable(table: ReloadTable) -> str | None:
    """Why the reader cannot give rows of the table as DMS would; None where it can."""
    if table.source_columns is None:
        return "there is no source connection"
    described = {column.name: column for column in table.source_columns}
    for column in table.columns:
        source = described[column.source]
        if source.kind is None and source.base_type not in (*_TEXT_LOBS, *_BINARY_LOBS, *_FLOATS):
            return f"{source.name} is {source.why_without_text}"
    for column in table.key:
        if described[column.source].kind is None:
            return f"the key column {column.source} is {described[column.source].declared}"
    return None


class ReaderRows:
    """Rows read over the source connection."""

    batch = 5_000

    def __init__(self, reader: SourceReader) -> None:
        self.reader: SourceReader | None = reader
        self._reader = reader

    def fill(self, connection: Connection[Any], wanted: Sequence[Wanted]) -> None:
        """See SourceRows. Raises SourceUnavailable, and psycopg's errors for values that production cannot hold."""
        for one in wanted:
            for keys in one.batches:
                self._fill(connection, one.table, one.rows, keys)

    def now(self) -> datetime:
        """See SourceRows."""
        return self._reader.now()

    def _fill(self, connection: Connection[Any], table: ReloadTable, rows: str, keys: Sequence[Key]) -> None:
        texts = f"{rows}_texts"
        numbered = [f"v{number}" for number, _ in enumerate(table.columns, start=1)]
        text_columns = sql.SQL(", ").join(sql.SQL("{} text").format(sql.Identifier(name)) for name in numbered)
        described = {column.name: column for column in table.source_columns or ()}
        columns = [column.source for column in table.columns]
        key_columns = [column.source for column in table.key]
        run(connection, "confirm/create_texts", {"texts": texts, "text_columns": text_columns})
        copy_texts = compose("confirm/copy_texts", {"texts": texts})
        with connection.cursor() as cursor, cursor.copy(copy_texts) as copy:
            for row in self._reader.rows_as_text(table.source_table, columns, key_columns, keys):
                copy.write_row([_text(value) for value in row])
        typed = sql.SQL(", ").join(
            _typed(sql.Identifier("t", name), column, described[column.source])
            for name, column in zip(numbered, table.columns, strict=True)
        )
        run(connection, "confirm/type_texts", {"rows": rows, "typed": typed, "texts": texts})
        run(connection, "confirm/drop_texts", {"texts": texts})


def _text(value: Any) -> str | None:
    if value is None or value in ("", b""):
        # Oracle's empty text is NULL, and so is what DMS makes of an empty LOB.
        return None
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    # DMS turns NUL, which PostgreSQL refuses, into a space.
    return str(value).replace("\x00", " ")


def _typed(text: sql.Composable, column: ReloadColumn, source: SourceColumn) -> sql.Composable:
    declared = sql.SQL(column.target.type)
    if source.kind == "raw" or source.base_type in _BINARY_LOBS:
        return sql.SQL("decode({}, 'hex')").format(text)
    if source.kind == "bare":
        scale = sql.Literal(source.delivery.number_scale)
        rounded = sql.SQL("trim_scale(round(CAST({} AS numeric), {}))").format(text, scale)
        return sql.SQL("CAST({} AS {})").format(rounded, declared)
    if column.target.collatable:
        # No cast: it would cut a text that is too long, where an assignment refuses it.
        return text
    return sql.SQL("CAST({} AS {})").format(text, declared)
