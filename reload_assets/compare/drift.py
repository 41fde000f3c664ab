"""Finds drift in a window: rows that are wrong in production, and not just because CDC has not reached them yet.

The window is compared as in ``reload_assets.compare.window``, but rows that differ are read again. Each reading reads
the source first, waits until CDC has passed that, and then reads production. If the source has the same row at two
readings, production must have had it when it was read between them. So a row that differs at both of them has drifted.
Rows that the source changed between two readings are read once more, a few times at most.

Reading is done in parts, with pauses, and stops when its time is over. Parts that were read by then are compared.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from psycopg import Connection, sql

from reload_assets.canonical.text import in_production
from reload_assets.cdc.position import Cdc
from reload_assets.compare.compared_columns import Inexact
from reload_assets.compare.drifted import Drift, Effort, Key
from reload_assets.compare.pace import Pace
from reload_assets.compare.pieces import KeyPieces, ReadingPieces
from reload_assets.compare.segments import Bounds, Sums, differing, ranges
from reload_assets.compare.sides import Sides
from reload_assets.compare.values import equal_by_value, in_doubt
from reload_assets.postgres.session import drop_table
from reload_assets.postgres.statements import run
from reload_assets.source.reader import SourceReader
from reload_assets.tables import ReloadTable

# How often rows that differ are read: rows that the source changes all the time are given up.
_READINGS = 4
# How many rows of an outcome are looked up by key, where the sums do not say enough.
_LOOKED_UP = 10_000

T = TypeVar("T")


def find_drift(
    connection: Connection[Any],
    table: ReloadTable,
    bounds: Bounds,
    reader: SourceReader,
    cdc: Cdc | None,
    pace: Pace,
    *,
    keys: int,
    inexact: Inexact = "without lobs",
) -> Drift:
    """Find the rows of the window that drifted, and the keys of the first ``keys`` of each outcome.

    ``bounds`` are wall-clock values in the source's zone. The connection is in autocommit mode. Raises
    SourceUnavailable, also for a key or version without canonical text; CdcNotReady; and psycopg's errors.
    """
    return Search(connection, table, reader, cdc, pace, keys, inexact).run(bounds)


@dataclass
class _Found:
    counts: dict[str, int] = field(default_factory=dict)
    keys: dict[str, list[Key]] = field(default_factory=dict)
    left: dict[str, int] = field(default_factory=dict)
    changing: int = 0


class Search(Sides):
    """The search for drift in one window."""

    def __init__(
        self,
        connection: Connection[Any],
        table: ReloadTable,
        reader: SourceReader,
        cdc: Cdc | None,
        pace: Pace,
        most_keys: int,
        inexact: Inexact,
    ) -> None:
        super().__init__(connection, table, reader, cdc, inexact=inexact)
        self.pace, self.most_keys = pace, most_keys
        self.effort, self.is_whole = Effort(), True

    def run(self, bounds: Bounds) -> Drift:
        """Search the window."""
        began_at = self.reader.now()
        parts, length = self._parts(bounds)
        source: dict[str, Sums] = {}
        read: list[Bounds] = []
        # Production's sums take about as long, and only what was read on both sides is compared.
        for part in self._in_time(parts, share=0.5):
            _add_sums(source, self._on_source(partial(self.source_sums, part, length), _rows_of))
            read.append(part)
        self._wait()
        production: dict[str, Sums] = {}
        for part in read:
            _add_sums(production, self._on_production(partial(self.production_sums, part, length), _rows_of))
        names = differing(source, production)
        wanted = list(ranges(names, (bounds[0], read[-1][1]), early=self.is_early)) if names else []
        found = self._find(wanted) if wanted else _Found()
        return Drift(
            began_at=began_at,
            source_rows=_rows_of(source),
            production_rows=_rows_of(production),
            segments=len(source.keys() | production.keys()),
            segments_differing=len(names),
            counts=found.counts,
            keys={outcome: keys[: self.most_keys] for outcome, keys in found.keys.items()},
            left=found.left,
            changing=found.changing,
            is_whole=self.is_whole,
            left_out=self.compared.left_out,
            effort=self.effort,
            seconds=self.pace.elapsed,
        )

    def _parts(self, bounds: Bounds) -> tuple[list[Bounds], int]:
        """Return the window in parts of about as many rows as a read may have, and the length of a segment's name."""
        start, end = bounds
        if start >= end:
            return [], self.length(bounds)
        number = -(-self.estimate(bounds) // self.pace.rows_per_read) or 1
        step = (end - start) / number
        edges = [start + step * one for one in range(number)]
        return list(zip(edges, [*edges[1:], end], strict=True)), self.length(bounds)

    def _in_time(self, parts: Sequence[T], share: float = 1.0) -> Iterator[T]:
        """Yield the parts until a share of the time is over; the first is always read."""
        for number, part in enumerate(parts):
            if number and self.pace.is_over(share):
                self.is_whole = False
                return
            yield part

    def _on_source(self, read: Callable[[], T], rows_of: Callable[[T], int]) -> T:
        found, rows, took = self._timed(read, rows_of)
        self.effort.source_seconds += took
        self.effort.source_rows_read += rows
        return found

    def _on_production(self, read: Callable[[], T], rows_of: Callable[[T], int]) -> T:
        found, rows, took = self._timed(read, rows_of)
        self.effort.production_seconds += took
        self.effort.production_rows_read += rows
        return found

    def _timed(self, read: Callable[[], T], rows_of: Callable[[T], int]) -> tuple[T, int, float]:
        """Read and pause. Returns what was read, how many rows that are, and the seconds without the pause."""
        began = time.monotonic()
        found = read()
        took, rows = time.monotonic() - began, rows_of(found)
        self.pace.pause(rows, took)
        return found, rows, took

    def _wait(self) -> None:
        self.effort.waited_seconds += self.wait()

    def _find(self, wanted: Sequence[Bounds]) -> _Found:
        """Read the rows of some ranges until each that differs has drifted, or the source keeps changing it."""
        # The temporary tables live as long as this transaction.
        with self.connection.transaction():
            before, wanted = self._read(wanted, 1)
            if not self._count(before):
                return _Found()
            if self.pace.is_over():
                self.is_whole = False
                # One reading does not tell drift from what CDC has not reached.
                return _Found(changing=self._count(before))
            now, wanted = self._read(wanted, 2)
            for number in range(3, _READINGS + 1):
                if not self._by_outcome(now, before)[1] or self.pace.is_over():
                    break
                drop_table(self.connection, None, before)
                before = now
                now, wanted = self._read(wanted, number)
            return self._judge(now, before)

    def _read(self, wanted: Sequence[Bounds], number: int) -> tuple[str, list[Bounds]]:
        """Read the ranges on both sides, in time. Returns the table of the rows that differ, and the ranges read."""
        name, read = f"reading_{number}", []
        self.create_source_window()
        for one in self._in_time(wanted):
            self._on_source(partial(self._copy, one), int)
            read.append(one)
        self.create_source_ranges(read)
        self.analyze()
        self._wait()
        create = partial(run, self.connection, "finders/drift:create_reading", self.place, self.pieces)
        self._on_production(partial(create, self._reading(name)), lambda _: 0)
        for table in ("source_window", "source_ranges"):
            drop_table(self.connection, None, table)
        return name, read

    def _copy(self, one: Bounds) -> int:
        return self.copy(self.rows_in([one]))

    def _reading(self, now: str, before: str = "") -> ReadingPieces:
        return ReadingPieces(
            reading=now,
            reading_before=before,
            either_key_named=sql.SQL(", ").join(
                sql.SQL("coalesce({}, {}) AS {}").format(
                    sql.Identifier("r", name), sql.Identifier("w", name), sql.Identifier(name)
                )
                for name in self.names
            ),
            n_is_b=self.same_key("n", "b"),
            n_key=self.keys_of("n"),
        )

    def _count(self, name: str) -> int:
        ((rows,),) = run(self.connection, "finders/drift:count_reading", self._reading(name)).fetchall()
        return int(rows)

    def _by_outcome(self, now: str, before: str) -> tuple[dict[str, int], int]:
        """Return how many rows differ in the same way at both readings, by outcome, and how many others differ."""
        rows = run(self.connection, "finders/drift:count_steady", self._reading(now, before)).fetchall()
        steady = {outcome: count for outcome, is_steady, count in rows if is_steady}
        return steady, sum(count for _, is_steady, count in rows if not is_steady)

    def _judge(self, now: str, before: str) -> _Found:
        """Return what drifted: rows that differ at both readings and are the same in the source at both."""
        steady, changing = self._by_outcome(now, before)
        found = _Found(changing=changing)
        for outcome, count in steady.items():
            listed = run(
                self.connection,
                "finders/drift:list_steady",
                self._reading(now, before),
                outcome=outcome,
                limit=_LOOKED_UP,
            )
            self._add(found, outcome, listed.fetchall(), count)
        return found

    def _add(self, found: _Found, outcome: str, keys: list[Key], count: int) -> None:
        """Add the rows of an outcome, except those that are right after all, or left as they are by a policy.

        ``keys`` are the first of ``count`` rows. The others are counted as they look.
        """
        options, beyond = self.table.options, count - len(keys)
        wrong, left = keys, 0
        if outcome == "newer":
            outcome, wrong = "later", self._later(keys)
        elif outcome in ("content", "unversioned"):
            wrong = self._unequal(keys)
            policy = options.equal_version if outcome == "content" else options.null_version
            if policy in ("skip", "report"):
                wrong, left, beyond = [], len(wrong) + beyond, 0
        elif outcome == "extra" and options.orphans == "report":
            gone = self._gone(keys)
            wrong, left = [key for key in keys if key not in gone], len(gone)
        if left:
            found.left[outcome] = left
        if len(wrong) + beyond:
            found.counts[outcome] = len(wrong) + beyond
            found.keys[outcome] = wrong

    def _later(self, keys: list[Key]) -> list[Key]:
        """Return the keys of rows that differ by more than version and window column, which a trigger may write."""
        rest = self.compared.without([self.table.version, self.table.window, *self.table.key])
        if not rest:
            return []
        ours = self._production(keys, in_production(self.compared.row_hash("p", rest)))
        theirs = self._source(keys, [column.source for column in rest])
        return [key for key in keys if key in ours and key in theirs and ours[key][0] != theirs[key]]

    def _gone(self, keys: list[Key]) -> set[Key]:
        """Return which of the keys the source does not have, in any window."""
        there = self._source(keys, [column.source for column in self.table.key])
        return {key for key in keys if key not in there}

    def _unequal(self, keys: list[Key]) -> list[Key]:
        """Return the keys of rows whose values differ. Texts of inexact columns may differ for values that do not."""
        doubtful = in_doubt(self.compared.inexact, self.compared.rules)
        if not doubtful:
            return keys
        names = {column.name for column in doubtful}
        exact = [column for column in self.compared.columns if column.name not in names]
        ours = self._production(keys, in_production(self.compared.row_hash("p", exact)))
        theirs = self._source(keys, [column.source for column in exact])
        equal = [key for key in keys if key in ours and ours[key][0] == theirs.get(key)]
        right = set(equal_by_value(self, equal, doubtful))
        return [key for key in keys if key not in right]

    def _source(self, keys: Sequence[Key], columns: Sequence[str]) -> dict[Key, Any]:
        """Return the hash of some columns of the source's rows, by key."""
        rules = {name: self.compared.rules[name] for name in columns}
        rows = self._on_source(lambda: self.by_key(keys, rules), len)
        return {row[: len(self.names)]: row[-1] for row in rows}

    def _production(self, keys: Sequence[Key], *values: sql.Composable) -> dict[Key, tuple[Any, ...]]:
        return self._on_production(lambda: self.production_values(keys, values), len)

    def production_values(self, keys: Sequence[Key], values: Sequence[sql.Composable]) -> dict[Key, tuple[Any, ...]]:
        """Return values of production's rows (alias p), by key."""
        size = len(self.names)
        pieces = KeyPieces(
            r_key=self.keys_of("r"),
            key_columns=sql.SQL(", ").join(sql.SQL("{} text").format(sql.Identifier(name)) for name in self.names),
            p_values=sql.SQL(", ").join(
                sql.SQL("{} AS {}").format(value, sql.Identifier(f"v{number}")) for number, value in enumerate(values)
            ),
        )
        wanted = json.dumps([dict(zip(self.names, key, strict=True)) for key in keys])
        rows = run(self.connection, "finders/drift:list_by_key", self.place, self.pieces, pieces, wanted_keys=wanted)
        return {row[:size]: row[size:] for row in rows.fetchall()}


def _rows_of(sums: Mapping[str, Sums]) -> int:
    return sum(one.rows for one in sums.values())


def _add_sums(sums: dict[str, Sums], part: Mapping[str, Sums]) -> None:
    """Add the sums of a part, which may share a segment with another part."""
    for name, (rows, total) in part.items():
        before = sums.get(name, Sums(0, "0"))
        sums[name] = Sums(before.rows + rows, str(int(before.checksum) + int(total)))
