"""A window of production against the source's: first sums of segments, then the rows of segments that differ.

Each side reads its window once and hands out one sum for about a thousand rows; rows travel only from segments whose
sums differ. Both sides make the same canonical text of a value (``reload_assets.canonical.text``) and the same hash
of a row (``reload_assets.canonical.row_hash``), and production's rows are compared inside PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from psycopg import Connection, sql

from reload_assets.canonical.oracle_types import Kind
from reload_assets.canonical.row_hash import checksum, segment
from reload_assets.canonical.text import canonical_text, in_production, production_column
from reload_assets.cdc.position import Cdc
from reload_assets.compare.compared_columns import ComparedColumns
from reload_assets.compare.pieces import NewerPieces, RangePieces, SegmentPieces, WindowTable
from reload_assets.compare.segments import Bounds, Sums, characters, differing, ranges
from reload_assets.compare.versions import is_later
from reload_assets.postgres.session import analyze, copy_in
from reload_assets.postgres.statements import run
from reload_assets.soft_delete import alive
from reload_assets.source.reader import SourceReader
from reload_assets.tables import ReloadTable

# Extra rows that are looked up in the source by key, to tell rows it deleted from rows it moved out of the window.
_LOOKED_UP = 1_000
# A row that changes between the read of the source and that of production differs without being wrong.
_ROUNDS = 3
_EXAMPLES = 5


@dataclass(frozen=True)
class Contents:
    """Rows by outcome with some of their keys, as ``compare_ranges`` of ``sql/verify/5_window.sql`` names them.

    Of the ``extra`` rows that were ``looked_up`` by key in the source, ``gone`` are not there. ``left_out`` says why by
    the names of those of the source's columns that were not compared.
    """

    counts: Mapping[str, int]
    segments: int
    segments_differing: int
    left_out: Mapping[str, str]
    some: Mapping[str, Sequence[str]] = field(default_factory=dict)
    looked_up: int = 0
    gone: int = 0

    @property
    def equal(self) -> bool:
        """Whether nothing differs but what is newer in production."""
        return not any(count for outcome, count in self.counts.items() if outcome not in ("same", "newer"))


def compare_contents(
    connection: Connection[Any], table: ReloadTable, bounds: Bounds, reader: SourceReader, cdc: Cdc | None = None
) -> Contents:
    """Compare the window. ``bounds`` are wall-clock values of the source's zone; the connection is in autocommit mode.

    With ``cdc`` production is read when CDC has passed what was read of the source, and again where it differs.
    Raises SourceUnavailable, also for a key or version without canonical text; CdcNotReady; and psycopg's errors.
    """
    return _Comparison(connection, table, bounds, reader, cdc).run()


class _Comparison:
    def __init__(
        self, connection: Connection[Any], table: ReloadTable, bounds: Bounds, reader: SourceReader, cdc: Cdc | None
    ) -> None:
        self.connection, self.table, self.bounds, self.cdc = connection, table, bounds, cdc
        self.reader = reader.of(table.source_schema)
        self.compared = ComparedColumns(connection, table, (*table.key, table.version))
        self.names = [f"k{number}" for number in range(1, len(table.key) + 1)]
        self.place = WindowTable(
            schema=table.production.schema,
            table=table.production.name,
            range_column=table.window.name,
            p_is_alive=alive(table),
        )

    def run(self) -> Contents:
        source, production = self._sums()
        names = differing(source, production)
        counts = {"same": sum(sums.rows for name, sums in source.items() if production.get(name) == sums)}
        segments = len(source.keys() | production.keys())
        found = Contents(counts, segments, len(names), self.compared.left_out)
        if not names:
            return found
        rounded = (self.compared.described[self.table.window.source].scale or 0) > 6
        wanted = list(ranges(names, self.bounds, early=rounded))
        for _ in range(_ROUNDS):
            # One transaction, for the temporary tables; the source is read first, so that production can only be ahead
            # of it.
            with self.connection.transaction():
                self._copy(wanted)
                self._wait()
                found = self._compare(found, counts["same"])
            if found.equal or self.cdc is None:
                break
        return found

    def _sums(self) -> tuple[dict[str, Sums], dict[str, Sums]]:
        """Both sides' sums by segment."""
        window = {"start": self.bounds[0], "end": self.bounds[1]}
        ((plan,),) = run(self.connection, "verify/5_window:estimate_window", self.place, **window).fetchall()
        length = characters(self.bounds, plan[0]["Plan"]["Plan Rows"])
        source = {
            name: Sums(rows, total)
            for name, rows, total in self.reader.segments(
                self.table.source_table,
                self.compared.sources,
                self.table.window.source,
                *self.bounds,
                length,
            )
        }
        self._wait()
        column = self.table.window
        text = canonical_text(production_column("p", column.name), self.compared.kind(column))
        pieces = SegmentPieces(
            p_segment=in_production(segment(text, length)),
            p_checksum=in_production(checksum(self.compared.row_hash("p"))),
        )
        rows = run(self.connection, "verify/5_window:sum_segments", self.place, pieces, **window).fetchall()
        return source, {name: Sums(count, total) for name, count, total in rows}

    def _wait(self) -> None:
        if self.cdc is not None:
            self.cdc.wait_passed(self.reader.now())

    def _copy(self, wanted: Sequence[Bounds]) -> None:
        keys = sql.SQL(", ").join(sql.SQL("NULL::text AS {}").format(sql.Identifier(name)) for name in self.names)
        run(self.connection, "verify/5_window:create_source_window", {"no_key_texts": keys})
        starts, ends = zip(*wanted, strict=True)
        run(self.connection, "verify/5_window:create_source_ranges", range_starts=list(starts), range_ends=list(ends))
        batches = self.reader.contents(
            self.table.source_table,
            [column.source for column in self.table.key],
            self.table.version.source,
            self.compared.sources,
            self.table.window.source,
            wanted,
        )
        with self.connection.cursor() as cursor, copy_in(cursor, "source_window") as copy:
            for batch in batches:
                for row in batch:
                    copy.write_row(row)
        for name in ("source_window", "source_ranges"):
            analyze(self.connection, None, name)

    def _compare(self, before: Contents, same: int) -> Contents:
        pairs = list(zip(self.names, self.table.key, strict=True))
        version, kind = self.table.version, self.compared.kinds[self.table.version.source]
        pieces = RangePieces(
            p_key_texts=sql.SQL(", ").join(
                sql.SQL("{} AS {}").format(self.compared.text("p", column), sql.Identifier(name))
                for name, column in pairs
            ),
            p_version=self.compared.text("p", version),
            p_content=in_production(self.compared.row_hash("p")),
            p_is_r=sql.SQL(" AND ").join(
                sql.SQL("{} = {}").format(
                    sql.Identifier("p", column.name), self.compared.typed(sql.Identifier("r", name), column)
                )
                for name, column in pairs
            ),
            r_is_w=sql.SQL(" AND ").join(
                sql.SQL("{} = {}").format(sql.Identifier("r", name), sql.Identifier("w", name)) for name in self.names
            ),
            either_key=sql.SQL(", ").join(
                sql.SQL("coalesce({}, {})").format(sql.Identifier("r", name), sql.Identifier("w", name))
                for name in self.names
            ),
            production_is_later=_is_later(kind),
        )
        rows = run(self.connection, "verify/5_window:compare_ranges", self.place, pieces).fetchall()
        counts = {outcome: count for outcome, count, _ in rows}
        some = {outcome: keys for outcome, _, keys in rows}
        counts["same"] = counts.get("same", 0) + same
        if counts.get("newer"):
            for outcome, keys in self._look_up_newer(pieces).items():
                counts["newer"] -= len(keys)
                counts[outcome] = counts.get(outcome, 0) + len(keys)
                some[outcome] = [*(some.get(outcome) or ()), *keys][:_EXAMPLES]
        looked_up = gone = 0
        if counts.get("extra"):
            looked_up, gone, caught, keys = self._look_up_extra(pieces)
            # Production may have got more of them since they were counted.
            counts["extra"] = max(looked_up, counts["extra"] - caught)
            counts["newer"] = counts.get("newer", 0) + caught
            some["extra"] = keys or some["extra"]
        return Contents(
            counts, before.segments, before.segments_differing, self.compared.left_out, some, looked_up, gone
        )

    def _look_up_newer(self, pieces: RangePieces) -> dict[str, list[str]]:
        """Of the rows that are newer in production: the keys of those that are not merely ahead of the first read.

        CDC is never ahead of the source. So a row of production is wrong where the source, read after it, has an older
        version (later), or the same version and other content. Where nothing but the version and the window column
        differ, a trigger of production has touched the row.
        """
        table, size = self.table, len(self.names)
        rest = self.compared.without([table.version, table.window, *table.key])
        noted = run(
            self.connection,
            "verify/5_window:list_newer",
            self.place,
            pieces,
            NewerPieces(
                r_key=sql.SQL(", ").join(sql.Identifier("r", name) for name in self.names),
                p_rest=in_production(self.compared.row_hash("p", rest)) if rest else sql.SQL("''"),
            ),
            limit=_LOOKED_UP,
        ).fetchall()
        keys = [row[:size] for row in noted]
        now = {row[:size]: row[size:] for row in self._by_key(keys, self.compared.sources)}
        older = [
            key for key, version, content, _ in _split(noted, size) if self._is_older(now.get(key), version, content)
        ]
        rests = {row[:size]: row[-1] for row in self._by_key(older, [column.source for column in rest])} if rest else {}
        wrong: dict[str, list[str]] = {"later": [], "content": []}
        for key, version, content, rest_hash in _split(noted, size):
            if key not in now or now[key][1] == content:
                continue
            if now[key][0] == version:
                wrong["content"].append(", ".join(key))
            elif key in rests and rests[key] != rest_hash:
                wrong["later"].append(", ".join(key))
        return {outcome: found for outcome, found in wrong.items() if found}

    def _is_older(self, found: Sequence[str] | None, version: str, content: str) -> bool:
        """Return whether the source's row is an older version than production's, noted before it."""
        if found is None or found[0] == version or found[1] == content:
            return False
        return not is_later(found[0], version, self.compared.kinds[self.table.version.source])

    def _by_key(self, keys: Sequence[Sequence[Any]], columns: Sequence[str]) -> list[tuple[Any, ...]]:
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

    def _look_up_extra(self, pieces: RangePieces) -> tuple[int, int, int, list[str]]:
        """Of the extra rows: how many were looked up, how many are not in the source, how many are there by now.

        Then keys of some that are not. A row is there by now where it came into these ranges after they were read.
        """
        extra = run(self.connection, "verify/5_window:list_extra", self.place, pieces, limit=_LOOKED_UP).fetchall()
        size = len(self.names)
        there = {row[:size]: row for row in self._by_key([row[:size] for row in extra], self.compared.sources)}
        wrong = [row for row in extra if there.get(row[:size]) != row]
        gone = sum(1 for row in wrong if row[:size] not in there)
        keys = [", ".join(row[:size]) for row in wrong[:_EXAMPLES]]
        return len(wrong), gone, len(extra) - len(wrong), keys


def _split(rows: Sequence[tuple[Any, ...]], size: int) -> Iterator[tuple[tuple[str, ...], str, str, str]]:
    """Keys of some columns apart from what follows them."""
    for row in rows:
        version, content, rest = row[size:]
        yield row[:size], version, content, rest


def _is_later(kind: Kind) -> sql.SQL:
    if kind in ("number", "bare"):
        return sql.SQL("production_version::numeric > source_version::numeric")
    if kind in ("date", "timestamp"):
        # As text, years before Christ would sort among those after.
        return sql.SQL("production_version::timestamp > source_version::timestamp")
    # By code points, whatever the database's collation.
    return sql.SQL('production_version COLLATE "C" > source_version COLLATE "C"')
