"""Compares a window of production with the source's: first sums of segments, then rows of segments that differ.

Each side reads its window once and returns a sum for each thousand rows or so. Rows are transferred only for segments
whose sums differ. Both sides make the same canonical text of a value (``reload_assets.canonical.text``) and the same
hash of a row (``reload_assets.canonical.row_hash``). Production's rows are compared inside PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from psycopg import Connection, sql

from reload_assets.canonical.text import in_production
from reload_assets.cdc.position import Cdc
from reload_assets.compare.pieces import NewerPieces, RangePieces
from reload_assets.compare.segments import Bounds, differing, ranges
from reload_assets.compare.sides import Sides
from reload_assets.compare.versions import is_later
from reload_assets.postgres.statements import run
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


class Comparison(Sides):
    """Compares a window in rounds; see ``compare_contents``."""

    def __init__(
        self, connection: Connection[Any], table: ReloadTable, bounds: Bounds, reader: SourceReader, cdc: Cdc | None
    ) -> None:
        super().__init__(connection, table, reader, cdc)
        self.bounds = bounds

    def run(self) -> Contents:
        """Compare sums, and then the rows of the segments that differ."""
        length = self.length(self.bounds)
        source = self.source_sums(self.bounds, length)
        self.wait()
        production = self.production_sums(self.bounds, length)
        names = differing(source, production)
        counts = {"same": sum(sums.rows for name, sums in source.items() if production.get(name) == sums)}
        segments = len(source.keys() | production.keys())
        found = Contents(counts, segments, len(names), self.compared.left_out)
        if not names:
            return found
        wanted = list(ranges(names, self.bounds, early=self.is_early))
        return self._rounds(found, counts["same"], lambda: self._copy(wanted))

    def _rounds(self, found: Contents, same: int, copy: Callable[[], None]) -> Contents:
        """Compare row by row what ``copy`` puts into the tables of the source, until it is equal or stays different."""
        for _ in range(_ROUNDS):
            # The temporary tables live as long as this transaction. The source is read first, so that production can
            # only be ahead of it.
            with self.connection.transaction():
                copy()
                self.wait()
                found = self._compare(found, same)
            if found.equal or not self.has_cdc:
                break
        return found

    def _copy(self, wanted: Sequence[Bounds]) -> None:
        self.create_source_ranges(wanted)
        self.create_source_window()
        self.copy(self.rows_in(wanted))
        self.analyze()

    def _compare(self, before: Contents, same: int) -> Contents:
        pieces = self.pieces
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
        now = {row[:size]: row[size:] for row in self.by_key(keys, self.compared.sources)}
        older = [
            key for key, version, content, _ in _split(noted, size) if self._is_older(now.get(key), version, content)
        ]
        rests = {row[:size]: row[-1] for row in self.by_key(older, self.compared.rules_of(rest))} if rest else {}
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

    def _look_up_extra(self, pieces: RangePieces) -> tuple[int, int, int, list[str]]:
        """Return how many extra rows were looked up, how many the source lacks, and how many it has by now.

        Also returns keys of some that it lacks. The source has a row by now if it came into the ranges after the read.
        """
        extra = run(self.connection, "verify/5_window:list_extra", self.place, pieces, limit=_LOOKED_UP).fetchall()
        size = len(self.names)
        there = {row[:size]: row for row in self.by_key([row[:size] for row in extra], self.compared.sources)}
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
