"""Finds, by key, the rows that a load must have brought: those that the source had throughout the load.

Applications write to the source while DMS loads it, so a count of its rows proves little. But this is certain: if the
source has a row with the same content before the load begins and after it ends, the row did not change in between, as
each change gives a row another version. So the load met the row, whenever it read it, and it must be staged. Any other
row may be staged or not. It arrived, changed, moved into or out of the window, or was deleted during the load. CDC
carries that change, and confirm compares the row with the source. Therefore:

- before the load, the key and a hash of the content of each row of the window are noted in a table beside staging;
- after it, noted rows that are not staged are read again from the source, by the segments of the window in which they
  lay. If a row is still there as it was noted, it is lacking, and the load is rejected. The other rows have changed.

This never rejects a good load, and always rejects one that lacks an unchanged row. It relies on one assumption: during
one load, no row leaves the window and comes back with the same content and version. A row that changed during the load
and is not staged does not prove the load wrong: it may have been deleted and inserted again, or have left the window
and come back. It is counted, and left to confirm.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from psycopg import Connection

from reload_assets.compare.segments import characters, ranges
from reload_assets.ledger.records import Bounds, Key, Reload, StagedTable
from reload_assets.ledger.selected import read_keys
from reload_assets.postgres.session import analyze, copy_in, drop_table
from reload_assets.postgres.statements import compose, run
from reload_assets.tables import ReloadTable
from reload_assets.verify.outcome import key_example
from reload_assets.verify.pieces import StagingTable, source_key_pieces

if TYPE_CHECKING:
    from reload_assets.source.reader import SourceReader

# How many rows that are not staged are read again from the source at a time.
_BATCH = 10_000
_EXAMPLES = 5


@dataclass(frozen=True)
class Matched:
    """The staged rows matched with the source's; counts are in rows.

    ``noted`` rows were in the source before the load. Of those that are not staged, ``lacking`` were there throughout
    the load (at least that many, unless ``exact``), and ``changed`` were not. ``some`` are keys of lacking rows.
    ``arrived`` rows are staged and were not noted.
    """

    noted: int
    lacking: int
    changed: int
    arrived: int
    exact: bool
    some: Sequence[str]


def source_keys_name(staging_oid: int) -> str:
    """Return the name of the table, beside a staging table, in which the source's rows are noted."""
    return f"source_keys_{staging_oid}"


def unmatched(table: ReloadTable) -> str | None:
    """Return why staged rows cannot be found by the keys that the source has; None where they can."""
    if table.source_columns is None:
        return "there is no description of the source's columns"
    for column in table.key:
        pair = table.pair(column)
        if pair is not None and pair.shared_rule is None:
            source = pair.source
            return f"the key column {source.name} is {source.declared}, {column.target.type} in production"
    return None


class SourceKeys:
    """The noted rows of one table of a reload: those of its window, or those with its keys.

    Only for a table for which ``unmatched`` returns None. ``staged`` is its staging table, ``zone`` the source's.
    """

    def __init__(
        self,
        connection: Connection[Any],
        reader: SourceReader,
        reload: Reload,
        table: ReloadTable,
        staged: StagedTable,
        zone: ZoneInfo,
    ) -> None:
        self._connection, self._reader, self._table = connection, reader.of(table.source_schema), table
        self._reload, self._bounds = reload, reload.bounds(zone)
        self._described = {column.name: column for column in table.source_columns or ()}
        self._names = [f"k{number}" for number, _ in enumerate(table.key, start=1)]
        self._schema, self._noted = staged.staging_schema, source_keys_name(staged.staging_oid)
        self._staging = StagingTable(staging_schema=staged.staging_schema, staging_table=staged.staging_table)
        self._pieces = source_key_pieces(table, self._noted)

    def note(self) -> int:
        """Note the selected rows that the source has, in the caller's transaction. Returns how many there are.

        Replaces what was noted before. Raises SourceUnavailable.
        """
        drop_table(self._connection, self._schema, self._noted)
        run(self._connection, "verify/1_source_keys:create_source_keys", self._staging, self._pieces)
        noted = 0
        # Read before the connection takes in rows.
        keys = [] if self._bounds else read_keys(self._connection, self._reload.reload_id, self._table.name)
        with self._connection.cursor() as cursor, copy_in(cursor, self._noted, schema=self._schema) as copy:
            for row in self._all(keys):
                copy.write_row(row)
                noted += 1
        analyze(self._connection, self._schema, self._noted)
        return noted

    def match(self) -> Matched:
        """Compare the staged rows with the noted ones, and noted rows that are not staged with the source.

        The connection is in autocommit mode. Raises SourceUnavailable, and psycopg's UndefinedTable if nothing was
        noted.
        """
        parts = (self._staging, self._pieces)
        row = run(self._connection, "verify/1_source_keys:match_source_keys", *parts).fetchone()
        assert row is not None
        noted, not_staged, arrived = row
        stood: list[tuple[str | None, ...]] = []
        looked_at = 0
        if not_staged:
            with self._connection.transaction(), self._connection.cursor(name="lacking_rows") as cursor:
                cursor.execute(compose("verify/1_source_keys:list_lacking", *parts))
                while not stood and (batch := cursor.fetchmany(_BATCH)):
                    looked_at += len(batch)
                    stood = self._still_there(batch, noted)
        some = sorted(key_example(row[: len(self._names)]) for row in stood[:_EXAMPLES])
        exact = not stood or looked_at == not_staged
        return Matched(noted, len(stood), looked_at - len(stood), arrived, exact, some)

    def _all(self, keys: Sequence[Key]) -> Iterator[Sequence[str | None]]:
        """Yield the selected rows of the source, with the window column and the content at the end."""
        if self._bounds is None:
            yield from self._read_keys(keys)
            return
        first, last = (bound.isoformat(sep=" ", timespec="microseconds") for bound in self._bounds)
        for row in self._read([self._bounds]):
            # A fraction of a microsecond may be rounded up beyond the window, as DMS rounds too.
            if first <= str(row[-2]) < last:
                yield row

    def _still_there(self, rows: Sequence[tuple[str | None, ...]], noted: int) -> list[tuple[str | None, ...]]:
        wanted = set(rows)
        if self._bounds is None:
            keys = [row[: len(self._names)] for row in rows]
            return sorted((row for row in self._read_keys(keys) if row in wanted), key=str)
        length = characters(self._bounds, noted)
        # The canonical text rounds a TIMESTAMP with more than six decimals.
        early = (self._described[self._table.window.source].scale or 0) > 6
        segments = sorted({str(row[-2])[:length] for row in rows})
        there = {row for row in self._read(list(ranges(segments, self._bounds, early=early))) if row in wanted}
        return sorted(there, key=str)

    def _read(self, wanted: Sequence[Bounds]) -> Iterator[tuple[str | None, ...]]:
        table = self._table
        for batch in self._reader.contents(
            table.source_table,
            [column.source for column in table.key],
            table.window.source,
            self._compared,
            table.window.source,
            wanted,
        ):
            yield from batch

    def _read_keys(self, keys: Sequence[Sequence[Any]]) -> Iterator[tuple[str | None, ...]]:
        table = self._table
        names = [column.source for column in table.key]
        return self._reader.contents_by_key(table.source_table, names, table.window.source, self._compared, keys)

    @property
    def _compared(self) -> list[str]:
        return [column.source for column in self._table.columns if self._is_hashed(column.source)]

    def _is_hashed(self, source: str) -> bool:
        return self._described[source].is_compared
