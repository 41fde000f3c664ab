"""Both sides of a comparison of ranges: the source's rows are copied to where production's are, and meet them there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from psycopg import Connection, sql

from reload_assets.canonical.oracle_types import Kind
from reload_assets.canonical.postgres import TextRule
from reload_assets.canonical.row_hash import checksum, segment
from reload_assets.canonical.text import canonical_text, in_production, production_column
from reload_assets.cdc.position import Cdc
from reload_assets.compare.compared_columns import ComparedColumns, Inexact
from reload_assets.compare.pieces import RangePieces, SegmentPieces, WindowTable
from reload_assets.compare.segments import Bounds, Sums, characters
from reload_assets.postgres.session import analyze, copy_in
from reload_assets.postgres.statements import run
from reload_assets.soft_delete import alive
from reload_assets.source.reader import SourceReader
from reload_assets.tables import ReloadTable


class Sides:
    """One table's rows in production and in the source. The connection is in autocommit mode.

    The temporary table ``bounds_table`` has the ranges, or the keys, of the rows that are compared.

    With ``cdc``, production is read once CDC has passed what was read from the source. Raises SourceUnavailable for a
    key or version without text.
    """

    bounds_table = "source_ranges"

    def __init__(
        self,
        connection: Connection[Any],
        table: ReloadTable,
        reader: SourceReader,
        cdc: Cdc | None,
        *,
        inexact: Inexact = "none",
    ) -> None:
        self.connection, self.table, self._cdc = connection, table, cdc
        self.reader = reader.of(table.source_schema)
        self.compared = ComparedColumns(connection, table, (*table.key, table.version), inexact)
        self.names = [f"k{number}" for number in range(1, len(table.key) + 1)]
        self.place = WindowTable(
            schema=table.production.schema,
            table=table.production.name,
            range_column=table.window.name,
            p_is_alive=alive(table),
        )

    @property
    def has_cdc(self) -> bool:
        """Whether CDC's position is known."""
        return self._cdc is not None

    @property
    def is_early(self) -> bool:
        """Whether production may hold a fraction of a second that was rounded up in transit."""
        return (self.compared.described[self.table.window.source].scale or 0) > 6

    def wait(self) -> float:
        """Wait until CDC has passed what the source has committed by now. Returns the seconds. Raises CdcNotReady."""
        return self._cdc.wait_passed(self.reader.now()) if self._cdc is not None else 0.0

    def estimate(self, bounds: Bounds) -> int:
        """Return about how many rows production has in the bounds. Reads no rows."""
        found = run(
            self.connection, "verify/5_window:estimate_window", self.place, start=bounds[0], end=bounds[1]
        ).fetchall()
        return int(found[0][0][0]["Plan"]["Plan Rows"])

    def source_sums(self, bounds: Bounds, length: int) -> dict[str, Sums]:
        """Return the source's sums by segment, which the first ``length`` characters of the window column name."""
        found = self.reader.segments(
            self.table.source_table, self.compared.sources, self.table.window.source, *bounds, length
        )
        return {name: Sums(rows, total) for name, rows, total in found}

    def production_sums(self, bounds: Bounds, length: int) -> dict[str, Sums]:
        """Return production's sums by segment."""
        column = self.table.window
        text = canonical_text(production_column("p", column.name), self.compared.rule(column))
        pieces = SegmentPieces(
            p_segment=in_production(segment(text, length)),
            p_checksum=in_production(checksum(self.compared.row_hash("p"))),
        )
        rows = run(
            self.connection, "verify/5_window:sum_segments", self.place, pieces, start=bounds[0], end=bounds[1]
        ).fetchall()
        return {name: Sums(count, total) for name, count, total in rows}

    def length(self, bounds: Bounds) -> int:
        """Return how many characters of the window column's text name a segment."""
        return characters(bounds, self.estimate(bounds))

    def create_source_window(self) -> None:
        """Create the temporary table of the source's rows, which lives as long as the transaction."""
        keys = sql.SQL(", ").join(sql.SQL("NULL::text AS {}").format(sql.Identifier(name)) for name in self.names)
        run(self.connection, "verify/5_window:create_source_window", {"no_key_texts": keys})

    def create_source_ranges(self, ranges: Sequence[Bounds]) -> None:
        """Create the temporary table of the ranges in which rows are compared."""
        starts, ends = [start for start, _ in ranges], [end for _, end in ranges]
        run(self.connection, "verify/5_window:create_source_ranges", range_starts=starts, range_ends=ends)

    def analyze(self) -> None:
        """Let the planner know the temporary tables."""
        for name in ("source_window", self.bounds_table):
            analyze(self.connection, None, name)

    def rows_in(self, ranges: Iterable[Bounds]) -> Iterator[tuple[str | None, ...]]:
        """Yield the source's rows of some ranges: the key and the version as text, and the hash of the content."""
        batches = self.reader.contents(
            self.table.source_table,
            [column.source for column in self.table.key],
            self.table.version.source,
            self.compared.sources,
            self.table.window.source,
            ranges,
        )
        return chain.from_iterable(batches)

    def copy(self, rows: Iterable[Sequence[Any]]) -> int:
        """Copy rows of the source into their temporary table. Returns how many there are."""
        copied = 0
        with self.connection.cursor() as cursor, copy_in(cursor, "source_window") as copy:
            for row in rows:
                copy.write_row(row)
                copied += 1
        return copied

    def by_key(self, keys: Sequence[Sequence[Any]], columns: Mapping[str, TextRule]) -> list[tuple[Any, ...]]:
        """Return the source's rows with some keys: the key and the version as text, and the hash of some columns."""
        if not keys:
            return []
        return list(
            self.reader.contents_by_key(
                self.table.source_table,
                [column.source for column in self.table.key],
                self.table.version.source,
                columns,
                keys,
            )
        )

    @property
    def is_in_range(self) -> sql.Composable:
        """Whether a row of production (p) is in what a row of ``bounds_table`` (bounds) names."""
        return sql.SQL("{0} >= bounds.range_start AND {0} < bounds.range_end").format(
            sql.Identifier("p", self.table.window.name)
        )

    @property
    def pieces(self) -> RangePieces:
        """How rows of both sides are read, paired and ordered by version."""
        pairs = list(zip(self.names, self.table.key, strict=True))
        return RangePieces(
            p_key_texts=sql.SQL(", ").join(
                sql.SQL("{} AS {}").format(self.compared.text("p", column), sql.Identifier(name))
                for name, column in pairs
            ),
            p_version=self.compared.text("p", self.table.version),
            p_content=in_production(self.compared.row_hash("p")),
            p_is_r=sql.SQL(" AND ").join(
                sql.SQL("{} = {}").format(
                    sql.Identifier("p", column.name), self.compared.typed(sql.Identifier("r", name), column)
                )
                for name, column in pairs
            ),
            r_is_w=self.same_key("r", "w"),
            either_key=sql.SQL(", ").join(
                sql.SQL("coalesce({}, {})").format(sql.Identifier("r", name), sql.Identifier("w", name))
                for name in self.names
            ),
            source_bounds=self.bounds_table,
            p_is_in_range=self.is_in_range,
            production_is_later=_is_later(self.compared.rules[self.table.version.source].kind),
            is_same_version=self._is_same_version,
        )

    @property
    def _is_same_version(self) -> sql.Composable:
        """What a row must have besides equal content to be the same: nothing if only some columns are compared."""
        if self.table.limited_to is not None:
            return sql.SQL("true")
        return sql.SQL("source_version IS NOT DISTINCT FROM production_version")

    def same_key(self, left: str, right: str) -> sql.Composed:
        """Return the condition that rows of two aliases have the same key as text."""
        return sql.SQL(" AND ").join(
            sql.SQL("{} = {}").format(sql.Identifier(left, name), sql.Identifier(right, name)) for name in self.names
        )

    def keys_of(self, alias: str) -> sql.Composed:
        """Return the key's texts of an alias."""
        return sql.SQL(", ").join(sql.Identifier(alias, name) for name in self.names)


def _is_later(kind: Kind) -> sql.SQL:
    if kind in ("number", "bare"):
        return sql.SQL("production_version::numeric > source_version::numeric")
    if kind in ("date", "timestamp"):
        # Compared as text, years before Christ would sort among later ones.
        return sql.SQL("production_version::timestamp > source_version::timestamp")
    # Compare by code points, as Oracle does, regardless of the database's collation.
    return sql.SQL('production_version COLLATE "C" > source_version COLLATE "C"')
