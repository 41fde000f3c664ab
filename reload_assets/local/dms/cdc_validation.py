"""The validation of a CDC task: rows that changes were applied to are compared, again and again until they settle.

A row has failed when two comparisons see the same difference, CDC has passed the first, and neither side changed
between them. That, and how often rows are compared, is this stand-in's own; the service documents only that it retries.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg

from reload_assets.local.dms.catalog import SourceTable
from reload_assets.local.dms.changes import TargetChange
from reload_assets.local.dms.comparison import Comparison, Difference, Key
from reload_assets.local.dms.engine import Engine, Stopped
from reload_assets.local.dms.failure_table import FailureTable
from reload_assets.local.dms.mapping import Selection
from reload_assets.local.dms.records import TableRun
from reload_assets.local.dms.validation import Limits, refusals, suspend

_log = logging.getLogger(__name__)
_Connection = psycopg.Connection[Any]

# Seconds between two searches for rows that are due, and until a lost connection is made again.
_POLL = 0.05
_RETRY = 0.2
_POSITION = "SELECT pg_current_wal_insert_lsn() - '0/0'"


@dataclass
class _Row:
    """A row that is to be compared once the log is passed up to ``position`` and the clock has reached ``due``.

    ``since`` is when it was first found to differ; ``image`` what was seen of it last, None once it was changed.
    """

    position: int
    due: float
    since: float | None = None
    image: object = None


@dataclass
class _Table:
    """The open rows of a table, and those that failed or were suspended, with what was seen of them.

    ``whole`` asks that all rows are compared; ``closed`` says that the table's validation was suspended.
    """

    run: TableRun
    rows: dict[Key, _Row] = field(default_factory=dict)
    failed: dict[Key, object] = field(default_factory=dict)
    suspended: set[Key] = field(default_factory=set)
    whole: bool = False
    closed: bool = False

    def show(self) -> None:
        """Bring the statistics up to date, unless the table is suspended or waits for all of its rows."""
        if not self.closed and not self.whole:
            self.run.validation.pending, self.run.validation.suspended = len(self.rows), len(self.suspended)
            self.run.validation.judge()


class CdcValidation(threading.Thread):
    """Validates beside the engine's replication, over connections of its own.

    What an earlier run of the task found is not counted any more; it stays in the control table.
    """

    def __init__(self, engine: Engine) -> None:
        super().__init__(name=f"{engine.name}-validation", daemon=True)
        self._engine, self._settings = engine, engine.job.validation
        self._delay = self._settings["ValidationQueryCdcDelaySeconds"]
        self._limits = Limits(engine.job)
        self._lock = threading.RLock()
        self._tables: dict[tuple[str, str], _Table] = {}
        self._passed = 0
        self._ended = threading.Event()

    def note(self, changes: Iterable[TargetChange], position: int) -> None:
        """Take up the rows of a transaction that ends at ``position``."""
        due = time.monotonic() + self._delay
        with self._lock:
            for change in changes:
                table = self._table(change.plan.run)
                if not change.plan.has_primary_key:
                    table.run.validation.give_up("No primary key")
                elif table.closed:
                    continue
                elif change.kind == "truncate":
                    self.ask(table.run, "Pending revalidation")
                else:
                    for key in filter(None, (change.old_key, change.new_key)):
                        row = table.rows.setdefault(tuple(key.values()), _Row(position, due))
                        row.position, row.due, row.image = position, due, None
                    table.show()

    def passed(self, position: int) -> None:
        """Note that the log is applied up to ``position``."""
        self._passed = position

    def ask(self, run: TableRun, state: str) -> None:
        """Compare all rows of a table, also of one whose validation was suspended."""
        with self._lock:
            table = self._table(run)
            self._forget(table)
            table.whole, table.closed = True, False
            run.validation.begin(state)

    def end(self) -> None:
        """Stop, in the middle of a statement if need be."""
        self._ended.set()
        while self.is_alive():
            self._engine.cancel_statements()
            self.join(0.05)

    def _table(self, run: TableRun) -> _Table:
        return self._tables.setdefault((run.schema, run.table), _Table(run))

    def run(self) -> None:
        said = ""
        while not self._ended.is_set():
            try:
                with (
                    self._engine.connected(self._engine.job.source) as source,
                    self._engine.connected(self._engine.job.target) as target,
                ):
                    self._session(source, target)
            except Stopped:
                return
            except psycopg.Error as error:
                if not self._ended.is_set() and (why := self._engine.cleaned(error)) != said:
                    _log.warning("The validation of task %s connects again: %s", self._engine.job.task, why)
                    said = why
            self._ended.wait(_RETRY)

    def _session(self, source: _Connection, target: _Connection) -> None:
        failures = FailureTable(target, self._engine.job)
        while not self._ended.wait(_POLL):
            with self._lock:
                tables = list(self._tables.items())
            for name, table in tables:
                if self._limits.is_over and not table.whole:
                    self._close(table)
                elif table.run.state == "Table error":
                    table.rows.clear()
                    table.run.validation.give_up("Table error")
                elif (due := self._due(table)) or table.whole:
                    [selection] = self._engine.job.mapping.select([SourceTable(*name, "table")])
                    self._compare(source, target, selection, table, due, failures)

    def _due(self, table: _Table) -> dict[Key, int]:
        """Return the rows to compare now, with the position up to which they were noted."""
        now, most = time.monotonic(), self._settings["PartitionSize"]
        with self._lock:
            due = [item for item in table.rows.items() if item[1].due <= now and item[1].position <= self._passed]
        return {key: row.position for key, row in due[:most]}

    def _compare(
        self,
        source: _Connection,
        target: _Connection,
        selection: Selection,
        table: _Table,
        due: Mapping[Key, int],
        failures: FailureTable,
    ) -> None:
        with self._lock:
            whole, table.whole = table.whole, False
        if whole:
            due = {}
        elif not due:
            return
        try:
            with refusals(table.run, self._engine):
                comparison = Comparison(source, target, selection, self._engine.job)
                if whole:
                    table.run.validation.pending = comparison.whole(self._check)
                else:
                    comparison.of_keys(list(due), self._check)
                found = comparison.differences(everywhere=whole)
                failed = self._judged(source, table, due, {one.asked: one for one in found})
                self._record(table, failed, comparison, failures)
                return
        except psycopg.OperationalError:
            table.whole = table.whole or whole
            raise
        # It cannot be compared. A change or ReloadTables makes it be tried again.
        with self._lock:
            table.rows.clear()
            self._forget(table)

    def _forget(self, table: _Table) -> None:
        """Forget what was found in a table."""
        self._limits.give(table.run, len(table.failed))
        table.failed.clear()
        table.suspended.clear()

    def _close(self, table: _Table) -> None:
        """Too many rows of the task failed: the rows that are open stay so for good."""
        with self._lock:
            table.closed = True
            table.run.validation.pending = 0
            table.run.validation.suspended += len(table.rows)
            table.rows.clear()
            table.run.validation.judge()

    def _check(self) -> None:
        if self._ended.is_set():
            raise Stopped

    def _judged(
        self, source: _Connection, table: _Table, due: Mapping[Key, int], found: Mapping[Key, Difference]
    ) -> list[Difference]:
        """Return the rows that have failed. Those that match are done with; others are compared again.

        ``due`` are the rows that were compared; a comparison of the whole table adds those that it found.
        """
        row = source.execute(_POSITION).fetchone()
        assert row is not None
        position, now = int(row[0]), time.monotonic()
        failed = []
        with self._lock:
            for key in [*due, *(key for key in found if key not in due)]:
                open_row = table.rows.setdefault(key, _Row(position, now))
                if open_row.position != due.get(key, position):
                    continue  # It has changed during the comparison.
                difference = found.get(key)
                verdict = self._verdict(open_row, difference, now)
                if difference and verdict == "again":
                    open_row.since, open_row.image = open_row.since or now, difference.image
                    open_row.position, open_row.due = position, now + max(_POLL, self._delay)
                    continue
                del table.rows[key]
                table.suspended.discard(key)
                if difference and verdict == "failed":
                    failed.append(difference)
                    continue
                if table.failed.pop(key, None) is not None:
                    self._limits.give(table.run, 1)
                if verdict == "suspended":
                    table.suspended.add(key)
        return failed

    def _verdict(self, row: _Row, difference: Difference | None, now: float) -> str:
        """Return what a comparison means: matches, failed, suspended (the row keeps changing), or again.

        How long a row may keep changing is not on record; RecordSuspendDelayInMinutes is the nearest setting.
        """
        if difference is None:
            return "matches"
        if row.since is None:
            return "again"
        is_still = row.image == difference.image
        delay = self._settings["RecordFailureDelayInMinutes" if is_still else "RecordSuspendDelayInMinutes"]
        if now - row.since < 60 * delay:
            return "again"
        return "failed" if is_still else "suspended"

    def _record(
        self, table: _Table, failed: Sequence[Difference], comparison: Comparison, failures: FailureTable
    ) -> None:
        """Write down the rows that failed, once for each of their images, and suspend validation where a limit is."""
        again = [one for one in failed if table.failed.get(one.asked, one.image) != one.image]
        fresh = [one for one in failed if one.asked not in table.failed]
        counted = self._limits.take(table.run, fresh)
        failures.add(comparison.owner, comparison.table, [*again, *counted])
        with self._lock:
            table.failed |= {one.asked: one.image for one in (*again, *counted)}
            if len(counted) < len(fresh):
                table.closed = True
                suspend(table.run, len(table.rows) + len(fresh) - len(counted), failures, comparison)
                table.rows.clear()
            table.show()
