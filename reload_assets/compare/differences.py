"""Finds the keys of rows that differ between source and production, in ranges of one column.

Production is read first, in one statement, and the source after it. So a row that is the same in both was equal to a
later state of the source, and CDC keeps it correct from then on (``docs/correctness.md``). A row that differs may just
be one that CDC has not reached yet, so the caller has to judge it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import Connection, sql

from reload_assets.canonical.row_hash import checksum, segment
from reload_assets.canonical.text import canonical_text, in_production, production_column
from reload_assets.compare.compared_columns import ComparedColumns, typed_key
from reload_assets.compare.pieces import SegmentPieces, WindowTable
from reload_assets.compare.segments import Bounds, Slice, Sums, characters, differing, ranges
from reload_assets.postgres.session import analyze, copy_in, drop_table
from reload_assets.postgres.statements import run
from reload_assets.soft_delete import alive
from reload_assets.source.reader import SourceReader
from reload_assets.tables import ReloadTable


@dataclass(frozen=True, kw_only=True)
class ProductionWindow:
    """How production's rows of the ranges are read (``compare:create_production_window``)."""

    schema: str
    table: str
    range_column: str
    p_key_texts: sql.Composable
    p_content: sql.Composable
    p_is_alive: sql.Composable


@dataclass(frozen=True, kw_only=True)
class BothWindows:
    """How rows of both sides meet (``compare:collect_differences``)."""

    r_is_w: sql.Composable
    either_key: sql.Composable


class Differences:
    """Finds the keys of one table's rows that differ. The caller has opened a transaction on the connection.

    Raises SourceUnavailable, also if the key or the column of a slice has no text that is the same on both sides.
    """

    def __init__(self, connection: Connection[Any], table: ReloadTable, reader: SourceReader) -> None:
        self._connection, self._table, self._reader = connection, table, reader
        self.compared = ComparedColumns(connection, table, table.key)
        self._names = [f"k{number}" for number in range(1, len(table.key) + 1)]

    @property
    def typed_keys(self) -> sql.Composable:
        """The key of a found difference (alias f) as values of production's types."""
        pairs = zip(self._names, self._table.key, strict=True)
        return sql.SQL(", ").join(typed_key(sql.Identifier("f", name), column) for name, column in pairs)

    @property
    def text_keys(self) -> sql.Composable:
        """The key of a found difference (alias f) as text."""
        return sql.SQL(", ").join(sql.Identifier("f", name) for name in self._names)

    def find(self, slices: Sequence[Slice]) -> int:
        """Fill the temporary table ``differences`` with the keys as text (k1, k2 ...). Returns how many there are."""
        run(self._connection, "compare:create_differences", {"no_key_texts": self._no_key_texts})
        return sum(self._find(one) for one in slices)

    def _find(self, one: Slice) -> int:
        production, source = self._sums(one)
        names = differing(source, production)
        if not names:
            return 0
        # Production may hold a fraction of a second that was rounded up in transit.
        rounded = (self.compared.described[one.column.source].scale or 0) > 6
        wanted = list(ranges(names, one.bounds, early=rounded))
        starts, ends = zip(*wanted, strict=True)
        run(self._connection, "verify/5_window:create_source_ranges", range_starts=list(starts), range_ends=list(ends))
        run(
            self._connection,
            "compare:create_production_window",
            ProductionWindow(
                schema=self._table.production.schema,
                table=self._table.production.name,
                range_column=one.column.name,
                p_key_texts=sql.SQL(", ").join(
                    sql.SQL("{} AS {}").format(self.compared.text("p", column), sql.Identifier(name))
                    for name, column in zip(self._names, self._table.key, strict=True)
                ),
                p_content=in_production(self.compared.row_hash("p")),
                p_is_alive=alive(self._table),
            ),
        )
        self._copy(one, wanted)
        found = run(
            self._connection,
            "compare:collect_differences",
            BothWindows(
                r_is_w=sql.SQL(" AND ").join(
                    sql.SQL("{} = {}").format(sql.Identifier("r", name), sql.Identifier("w", name))
                    for name in self._names
                ),
                either_key=sql.SQL(", ").join(
                    sql.SQL("coalesce({}, {})").format(sql.Identifier("r", name), sql.Identifier("w", name))
                    for name in self._names
                ),
            ),
        ).rowcount
        # The next ranges use tables of the same names.
        for name in ("source_window", "production_window", "source_ranges"):
            drop_table(self._connection, None, name)
        return found

    def _sums(self, one: Slice) -> tuple[dict[str, Sums], dict[str, Sums]]:
        """Return both sides' sums by segment: production's, which is read first, and the source's."""
        start, end = one.bounds
        place = self._place(one)
        ((plan,),) = run(self._connection, "verify/5_window:estimate_window", place, start=start, end=end).fetchall()
        length = characters(one.bounds, plan[0]["Plan"]["Plan Rows"])
        text = canonical_text(production_column("p", one.column.name), self.compared.rule(one.column))
        pieces = SegmentPieces(
            p_segment=in_production(segment(text, length)),
            p_checksum=in_production(checksum(self.compared.row_hash("p"))),
        )
        rows = run(self._connection, "verify/5_window:sum_segments", place, pieces, start=start, end=end).fetchall()
        production = {name: Sums(count, total) for name, count, total in rows}
        source = {
            name: Sums(count, total)
            for name, count, total in self._reader.segments(
                self._table.source_table, self.compared.sources, one.column.source, start, end, length
            )
        }
        return production, source

    def _copy(self, one: Slice, wanted: Sequence[Bounds]) -> None:
        run(self._connection, "verify/5_window:create_source_window", {"no_key_texts": self._no_key_texts})
        batches = self._reader.contents(
            self._table.source_table,
            [column.source for column in self._table.key],
            one.column.source,
            self.compared.sources,
            one.column.source,
            wanted,
        )
        with self._connection.cursor() as cursor, copy_in(cursor, "source_window") as copy:
            for batch in batches:
                for row in batch:
                    copy.write_row(row)
        for name in ("source_window", "source_ranges"):
            analyze(self._connection, None, name)

    @property
    def _no_key_texts(self) -> sql.Composable:
        return sql.SQL(", ").join(sql.SQL("NULL::text AS {}").format(sql.Identifier(name)) for name in self._names)

    def _place(self, one: Slice) -> WindowTable:
        production = self._table.production
        return WindowTable(
            schema=production.schema,
            table=production.name,
            range_column=one.column.name,
            p_is_alive=alive(self._table),
        )
