"""Compares a window of production with the source's: first sums of segments, then rows of segments that differ.

Each side reads its window once and returns a sum for each thousand rows or so. Rows are transferred only for segments
whose sums differ. Both sides make the same canonical text of a value (``reload_assets.canonical.text``) and the same
hash of a row (``reload_assets.canonical.row_hash``). Production's rows are compared inside PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from psycopg import Connection, sql

from reload_assets.canonical.oracle_types import Kind
from reload_assets.canonical.postgres import TextRule
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

# How many extra rows are looked up in the source by key, to tell deleted rows from rows that left the window.
_LOOKED_UP = 1_000
# How often to read: a row that changes between the two reads differs without being wrong.
_ROUNDS = 3
_EXAMPLES = 5


@dataclass(frozen=True)
class Contents:
    """Rows by outcome with some of their keys. The outcomes are those of ``sql/verify/5_window:compare_ranges``.

    Of the ``extra`` rows that were ``looked_up`` by key in the source, ``gone`` are not there. ``left_out`` says why by
    the names of those of the source's columns that were not compared. ``left`` counts by outcome the rows that differ
    and that the table's policies, or the limit to some columns, leave as they are; they are in ``counts``, too.
    """

    counts: Mapping[str, int]
    segments: int
    segments_differing: int
    left_out: Mapping[str, str]
    some: Mapping[str, Sequence[str]] = field(default_factory=dict)
    looked_up: int = 0
    gone: int = 0
    left: Mapping[str, int] = field(default_factory=dict)

    @property
    def wrong(self) -> dict[str, int]:
        """The rows that differ, by outcome, without those that are newer in production or left there by a policy."""
        differing = {outcome: count for outcome, count in self.counts.items() if outcome not in ("same", "newer")}
        return {outcome: count - self.left.get(outcome, 0) for outcome, count in differing.items()}

    @property
    def equal(self) -> bool:
        """Whether nothing differs but what is newer in production, or left there by a policy."""
        return not any(self.wrong.values())


def compare_contents(
    connection: Connection[Any], table: ReloadTable, bounds: Bounds, reader: SourceReader, cdc: Cdc | None = None
) -> Contents:
    """Compare the window. ``bounds`` are wall-clock values in the source's zone. The connection is in autocommit mode.

    With ``cdc`` production is read once CDC has passed what was read from the source, and again if it differs.
    Raises SourceUnavailable, also for a key or version without canonical text; CdcNotReady; and psycopg's errors.
    """
    return Comparison(connection, table, bounds, reader, cdc).run()


class Comparison:
    """Compares a window in rounds; see ``compare_contents``. ``bounds_table`` has the ranges, or keys, of a round."""

    bounds_table = "source_ranges"

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
        """Compare sums, and then the rows of the segments that differ."""
        source, production = self._sums()
        names = differing(source, production)
        counts = {"same": sum(sums.rows for name, sums in source.items() if production.get(name) == sums)}
        segments = len(source.keys() | production.keys())
        found = Contents(counts, segments, len(names), self.compared.left_out)
        if not names:
            return found
        rounded = (self.compared.described[self.table.window.source].scale or 0) > 6
        wanted = list(ranges(names, self.bounds, early=rounded))
        return self._rounds(found, counts["same"], lambda: self._copy(wanted))

    def _rounds(self, found: Contents, same: int, copy: Callable[[], None]) -> Contents:
        """Compare row by row what ``copy`` puts into the tables of the source, until it is equal or stays different."""
        for _ in range(_ROUNDS):
            # The temporary tables live as long as this transaction. The source is read first, so that production can
            # only be ahead of it.
            with self.connection.transaction():
                copy()
                self._wait()
                found = self._compare(found, same)
            if found.equal or self.cdc is None:
                break
        return found

    def _sums(self) -> tuple[dict[str, Sums], dict[str, Sums]]:
        """Return both sides' sums by segment."""
        window = {"start": self.bounds[0], "end": self.bounds[1]}
        ((estimate,),) = run(self.connection, "verify/5_window:estimate_window", self.place, **window).fetchall()
        length = characters(self.bounds, estimate[0]["Plan"]["Plan Rows"])
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
        text = canonical_text(production_column("p", column.name), self.compared.rule(column))
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
        self._copy_rows(chain.from_iterable(batches))

    def _copy_rows(self, rows: Iterable[Sequence[Any]]) -> None:
        keys = sql.SQL(", ").join(sql.SQL("NULL::text AS {}").format(sql.Identifier(name)) for name in self.names)
        run(self.connection, "verify/5_window:create_source_window", {"no_key_texts": keys})
        with self.connection.cursor() as cursor, copy_in(cursor, "source_window") as copy:
            for row in rows:
                copy.write_row(row)
        for name in ("source_window", self.bounds_table):
            analyze(self.connection, None, name)

    def _compare(self, before: Contents, same: int) -> Contents:
        pairs = list(zip(self.names, self.table.key, strict=True))
        version, kind = self.table.version, self.compared.rules[self.table.version.source].kind
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
            source_bounds=self.bounds_table,
            p_is_in_range=self._is_in_range(),
            production_is_later=_is_later(kind),
            is_same_version=self._is_same_version(),
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
            # Production may have gained more extra rows since they were counted.
            counts["extra"] = max(looked_up, counts["extra"] - caught)
            counts["newer"] = counts.get("newer", 0) + caught
            some["extra"] = keys or some["extra"]
        left = _left(self.table, counts, looked_up, gone)
        return Contents(
            counts, before.segments, before.segments_differing, self.compared.left_out, some, looked_up, gone, left
        )

    def _is_same_version(self) -> sql.Composable:
        """Return the condition, besides equal content, for a row to be the same: none where columns are compared."""
        if self.table.limited_to is not None:
            return sql.SQL("true")
        return sql.SQL("source_version IS NOT DISTINCT FROM production_version")

    def _is_in_range(self) -> sql.Composable:
        return sql.SQL("{0} >= bounds.range_start AND {0} < bounds.range_end").format(
            sql.Identifier("p", self.table.window.name)
        )

    def _look_up_newer(self, pieces: RangePieces) -> dict[str, list[str]]:
        """Return the keys of rows that are newer in production, and not just because CDC passed the first read.

        CDC is never ahead of the source. So a row of production is wrong if the source, read after it, has an older
        version ("later"), or the same version with other content. If only the version and the window column differ, a
        trigger of production has written the row.
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
        rests = {row[:size]: row[-1] for row in self._by_key(older, self.compared.rules_of(rest))} if rest else {}
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
        """Return whether the source's row is older than production's, which was read before it."""
        if found is None or found[0] == version or found[1] == content:
            return False
        return not is_later(found[0], version, self.compared.rules[self.table.version.source].kind)

    def _by_key(self, keys: Sequence[Sequence[Any]], columns: Mapping[str, TextRule]) -> list[tuple[Any, ...]]:
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
        """Return how many extra rows were looked up, how many the source lacks, and how many it has by now.

        Also returns keys of some that it lacks. The source has a row by now if it came into the ranges after the read.
        """
        extra = run(self.connection, "verify/5_window:list_extra", self.place, pieces, limit=_LOOKED_UP).fetchall()
        size = len(self.names)
        there = {row[:size]: row for row in self._by_key([row[:size] for row in extra], self.compared.sources)}
        if self.table.limited_to is None:
            wrong = [row for row in extra if there.get(row[:size]) != row]
        else:
            # A limited comparison ignores the version, which comes before the content.
            wrong = [row for row in extra if row[:size] not in there or there[row[:size]][-1] != row[-1]]
        gone = sum(1 for row in wrong if row[:size] not in there)
        keys = [", ".join(row[:size]) for row in wrong[:_EXAMPLES]]
        return len(wrong), gone, len(extra) - len(wrong), keys


def _left(table: ReloadTable, counts: Mapping[str, int], looked_up: int, gone: int) -> dict[str, int]:
    """Return how many rows each policy leaves as they are, by outcome. Reported orphans are rows that are gone.

    Where only columns are compared, rows that one side lacks are left, too.
    """
    options, limited = table.options, table.limited_to is not None
    extra = gone if options.orphans == "report" else 0
    policies = {
        "content": counts.get("content", 0) if options.equal_version == "skip" else 0,
        "unversioned": counts.get("unversioned", 0) if options.null_version == "report" else 0,
        "extra": counts.get("extra", 0) - (looked_up - gone) if limited else extra,
        "missing": counts.get("missing", 0) if limited else 0,
    }
    return {outcome: count for outcome, count in policies.items() if count}


def _split(rows: Sequence[tuple[Any, ...]], size: int) -> Iterator[tuple[tuple[str, ...], str, str, str]]:
    """Yield each row's first ``size`` values, its key, apart from the rest."""
    for row in rows:
        version, content, rest = row[size:]
        yield row[:size], version, content, rest


def _is_later(kind: Kind) -> sql.SQL:
    if kind in ("number", "bare"):
        return sql.SQL("production_version::numeric > source_version::numeric")
    if kind in ("date", "timestamp"):
        # Compared as text, years before Christ would sort among later ones.
        return sql.SQL("production_version::timestamp > source_version::timestamp")
    # Compare by code points, as Oracle does, regardless of the database's collation.
    return sql.SQL('production_version COLLATE "C" > source_version COLLATE "C"')
