"""Reads rows of the source again, typed as DMS would have loaded them, into a temporary table of the target."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from psycopg import Connection, DataError, IntegrityError, sql

from reload_assets.confirm.pieces import TextPieces
from reload_assets.confirm.refusals import reason_of
from reload_assets.ledger.records import Bounds
from reload_assets.postgres.session import drop_table
from reload_assets.postgres.statements import run
from reload_assets.source_texts import copy_texts, readable, text_columns, text_names
from reload_assets.tables import ReloadTable

if TYPE_CHECKING:
    from reload_assets.source.reader import SourceReader

Key = tuple[Any, ...]
"""The values of a row's key columns as canonical text."""


@dataclass(frozen=True)
class Wanted:
    """Which rows of one table to read: ``batches`` of keys. They go into the temporary table ``rows``."""

    table: ReloadTable
    rows: str
    batches: Iterator[Sequence[Key]]


class SourceRows(Protocol):
    """Reads rows of the source again by key, in batches of at most ``batch`` keys."""

    batch: int
    reader: SourceReader | None
    """The source connection, which a comparison of whole windows needs; None if there is none."""

    def fill(self, connection: Connection[Any], wanted: Sequence[Wanted]) -> None:
        """Put the source's rows with these keys into their temporary tables, in the caller's transaction."""

    def fill_window(self, connection: Connection[Any], table: ReloadTable, rows: str, bounds: Bounds) -> None:
        """Put the source's rows of a window, and perhaps some outside it, into a temporary table."""

    def now(self) -> datetime:
        """Return the source's clock (UTC). After a read, it is later than any commit that the read can have seen."""


class ReaderRows:
    """Reads rows over the source connection."""

    batch = 5_000

    def __init__(self, reader: SourceReader) -> None:
        self.reader: SourceReader | None = reader
        self._reader = reader

    def fill(self, connection: Connection[Any], wanted: Sequence[Wanted]) -> None:
        """See SourceRows. Raises SourceUnavailable."""
        for one in wanted:
            names = [column.source for column in one.table.key]
            for keys in one.batches:
                columns = [column.source for column in one.table.columns]
                reader = self._reader.of(one.table.source_schema)
                read = reader.rows_as_text(one.table.source_table, columns, names, keys)
                self._fill(connection, one.table, one.rows, read)

    def fill_window(self, connection: Connection[Any], table: ReloadTable, rows: str, bounds: Bounds) -> None:
        """See SourceRows; raises what ``fill`` does."""
        columns = [column.source for column in table.columns]
        reader = self._reader.of(table.source_schema)
        read = reader.rows_in_window(table.source_table, columns, table.window.source, *bounds)
        self._fill(connection, table, rows, read)

    def now(self) -> datetime:
        """See SourceRows."""
        return self._reader.now()

    @staticmethod
    def _fill(connection: Connection[Any], table: ReloadTable, rows: str, read: Iterable[Sequence[Any]]) -> None:
        pieces = text_pieces(table, rows)
        run(connection, "confirm/2_pass:create_texts", pieces)
        copy_texts(connection, pieces.texts, read)
        _type(connection, table, pieces, None)
        drop_table(connection, None, pieces.texts)


class RowsByTable:
    """Reads rows over the source connection, or by DMS if the table has types that the connection reads differently."""

    def __init__(self, connected: ReaderRows, loaded: SourceRows) -> None:
        self.batch = min(connected.batch, loaded.batch)
        self.reader = connected.reader
        self._connected, self._loaded = connected, loaded

    def fill(self, connection: Connection[Any], wanted: Sequence[Wanted]) -> None:
        """See SourceRows; raises what both ways do."""
        over_connection = [one for one in wanted if readable(one.table) is None]
        by_dms = [one for one in wanted if readable(one.table) is not None]
        self._connected.fill(connection, over_connection)
        if by_dms:
            self._loaded.fill(connection, by_dms)

    def fill_window(self, connection: Connection[Any], table: ReloadTable, rows: str, bounds: Bounds) -> None:
        """See SourceRows; raises what ``fill`` does."""
        source = self._connected if readable(table) is None else self._loaded
        source.fill_window(connection, table, rows, bounds)

    def now(self) -> datetime:
        """See SourceRows."""
        return self._connected.now()


def text_pieces(table: ReloadTable, rows: str) -> TextPieces:
    """Compose the pieces that turn texts of a table's columns into rows of the temporary table ``rows``."""
    typed = {
        column.name: pair.typed(sql.Identifier("t", name))
        for name, (column, pair) in zip(text_names(table), table.pairs, strict=True)
    }
    places = {column.name: number for number, column in enumerate(table.columns, start=1)}
    return TextPieces(
        source_rows=rows,
        texts=f"{rows}_texts",
        text_columns=text_columns(table),
        key_numbers=sql.SQL(", ").join(sql.Identifier(f"c{places[column.name]}") for column in table.key),
        t_typed=sql.SQL(", ").join(typed.values()),
        t_key_typed=sql.SQL(", ").join(typed[column.name] for column in table.key),
        t_is_chosen=sql.SQL("true"),
    )


def _type(connection: Connection[Any], table: ReloadTable, pieces: TextPieces, places: list[str] | None) -> None:
    """Turn the texts at some places (None: all) into typed rows. A row that does not fit keeps only its key."""
    if places is not None:
        chosen = sql.SQL("t.ctid = any(CAST({} AS tid []))").format(sql.Literal(places))
        pieces = replace(pieces, t_is_chosen=chosen)
    try:
        with connection.transaction():
            run(connection, "confirm/2_pass:type_texts", pieces)
    except (DataError, IntegrityError) as error:
        if places is None:
            places = [place for (place,) in run(connection, "confirm/2_pass:list_texts", pieces)]
        if len(places) > 1:
            half = len(places) // 2
            _type(connection, table, pieces, places[:half])
            _type(connection, table, pieces, places[half:])
        else:
            run(connection, "confirm/2_pass:add_unfit", pieces, refusal=reason_of(table, error))
