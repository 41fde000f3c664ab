"""Replicates over one pair of connections: reads the log, applies what is due, and reports a position that is true."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import psycopg

from reload_assets.local.dms.apply import Applier, NoApplier
from reload_assets.local.dms.batch import BatchApplier
from reload_assets.local.dms.catalog import SourceTable, logs_all_columns, source_columns
from reload_assets.local.dms.cdc_validation import CdcValidation
from reload_assets.local.dms.changelog import ChangeLog, Mark
from reload_assets.local.dms.changes import TablePlan, TargetChange
from reload_assets.local.dms.control_tables import ControlTables, Status
from reload_assets.local.dms.copying import TableFailed, TableLoad, prepare_target
from reload_assets.local.dms.engine import Engine, TaskFailed
from reload_assets.local.dms.mapping import Selection
from reload_assets.local.dms.pgoutput import Relation, Transaction
from reload_assets.local.dms.records import TableRun

_log = logging.getLogger(__name__)

# In seconds, in this order: between two reads of the log, also where nothing has come for a while (which is after the
# next), and while transactions are held back; between two writes of the status; after which unflushed records are
# flushed; between two times that unneeded parts of the log are released.
_POLL = 0.05
_IDLE_POLL = 0.1
_IDLE_AFTER = 0.3
_HELD_POLL = 0.05
_STATUS = 0.05
_FLUSH = 0.03
_TIDY = 1.0
# Messages of the log that are read at once.
_MOST = 4000


class Replication:
    """One session. ``run`` ends by an exception only: Stopped, TaskFailed or psycopg.Error."""

    def __init__(
        self,
        source: psycopg.Connection[Any],
        target: psycopg.Connection[Any],
        log: ChangeLog,
        control: ControlTables,
        engine: Engine,
        validation: CdcValidation | None = None,
    ) -> None:
        self._validation = validation
        self._source, self._target, self._log, self._control, self._engine = source, target, log, control, engine
        self._behavior = engine.job.settings["ErrorBehavior"]
        self._applier: Applier | NoApplier = NoApplier(control)
        if not engine.job.only_validates:
            self._applier = Applier(
                target,
                control,
                self._behavior,
                engine.job.measures,
                look_up=lambda change: change.plan.looked_up(source, change.change),
                pause=engine.pause,
            )
        self._batches: BatchApplier | None = None
        if not engine.job.only_validates and engine.job.settings["TargetMetadata"]["BatchApplyEnabled"]:
            self._batches = BatchApplier(target, control, self._behavior, engine.job.measures, pause=engine.pause)
        self._tuning = engine.job.settings["ChangeProcessingTuning"]
        # When the next batch may be applied, on the monotonic clock.
        self._batch_from = 0.0
        self._selections: dict[Relation, Selection | None] = {}
        self._plans: dict[Relation, TablePlan | None] = {}
        # Read and not applied yet, in the order of their commits.
        self._held: deque[Transaction] = deque()
        # Everything that was committed before is applied or held.
        self._read_to = 0
        self._drained = False
        # When changes were read last, on the monotonic clock.
        self._found_at = 0.0
        # How far the log could be read when it was read last.
        self._flushed = 0
        # Where the last applied transaction ends, and up to where this was reported to the source.
        self._end = 0
        self._taken = 0
        self._tidied_at = 0.0
        self._tidied_end = 0
        # Instants whose changes are not all applied yet, the newest whose changes are, and the newest of all.
        self._marks: deque[Mark] = deque()
        self._passed: Mark | None = None
        self._latest, self._marked_at = log.mark(), time.monotonic()
        # The newest commit that is applied, and what the status says of it.
        self._newest: datetime | None = None
        self._reported: datetime | None = None
        self._reported_at = 0.0

    def run(self) -> None:
        """Continue after the checkpoint on the target."""
        self._control.lock()
        checkpoint, taken = self._control.checkpoint(), self._log.position()
        if checkpoint is None or taken is None:
            raise TaskFailed("The checkpoint on the target or the replication slot of the source is gone.")
        self._reported = self._control.applied()
        self._end, self._taken = checkpoint, taken
        self._take(checkpoint)
        while True:
            self._engine.pause(0)
            self._read()
            self._apply_due()
            self._take(self._end)
            if time.monotonic() - self._tidied_at > _TIDY:
                self._tidy()
            self._report()
            if self._held:
                self._hold()
            elif self._drained:
                self._engine.pause(_IDLE_POLL if time.monotonic() - self._found_at > _IDLE_AFTER else _POLL)

    def _read(self) -> None:
        mark = self._mark()
        if self._drained and mark.flushed == self._flushed and not mark.breaks_off:
            # There is nothing new, and a read takes far longer than to ask for the position.
            return
        if mark.breaks_off:
            self._log.flush()
        self._flushed = mark.flushed
        found, self._drained = self._log.peek(self._held, _MOST)
        fresh = [self._of_replicated_tables(one) for one in found if one.end > self._end]
        self._held.extend(fresh)
        if any(one.changes for one in fresh):
            self._found_at = time.monotonic()
        if self._drained:
            self._read_to = mark.flushed
        elif self._held:
            self._read_to = self._held[-1].end

    def _mark(self) -> Mark:
        mark = self._latest = self._log.mark()
        self._marked_at = time.monotonic()
        self._marks.append(mark)
        oldest = self._marks[0]
        if oldest.position > mark.flushed and (mark.instant - oldest.instant).total_seconds() > _FLUSH:
            self._log.flush()
        return mark

    def _apply_due(self) -> None:
        while due := self._due():
            self._engine.pause(0)
            mapped = [self._mapped(one) for one in due]
            done = self._applied_as_batch(due, mapped)
            for transaction, changes in zip(due, mapped, strict=True):
                if changes and not done and self._applier.apply(changes, transaction.end):
                    self._engine.note()
                if self._validation:
                    self._validation.note(changes, transaction.end)
                self._held.popleft()
                self._end = transaction.end
                self._newest = max(self._newest or transaction.instant, transaction.instant)
                if time.monotonic() - self._reported_at > _STATUS:
                    self._mark()
                    self._report()

    def _applied_as_batch(self, due: Sequence[Transaction], mapped: Sequence[Sequence[TargetChange]]) -> bool:
        changes = [change for of_one in mapped for change in of_one]
        if not (self._batches and changes):
            return False
        done = self._batches.apply(changes, due[-1].end)
        self._batch_from = time.monotonic() + self._tuning["BatchApplyTimeoutMin"]
        return done

    def _due(self) -> list[Transaction]:
        """Return the next transaction, or the next batch, if it is due."""
        due: list[Transaction] = []
        most = (self._tuning["BatchSplitSize"] or _MOST) if self._batches else 1
        count = 0
        for one in self._held:
            if count >= most or not self._is_due(one):
                break
            due.append(one)
            count += len(one.changes) if self._batches else 1
        return due

    def _of_replicated_tables(self, transaction: Transaction) -> Transaction:
        return replace(transaction, changes=tuple(one for one in transaction.changes if self._selected(one.relation)))

    def _is_due(self, transaction: Transaction) -> bool:
        if not transaction.changes:
            return True
        if time.monotonic() < self._batch_from:
            return False
        lag = self._engine.faults.lag()
        if not lag:
            return True
        since = timedelta(seconds=time.monotonic() - self._marked_at)
        return transaction.instant + timedelta(seconds=lag) <= self._latest.instant + since

    def _hold(self) -> None:
        """Wait until the first transaction is due, but not for so long that the log is neglected."""
        until = time.monotonic() + _HELD_POLL
        while time.monotonic() < until and not self._is_due(self._held[0]):
            self._engine.pause(_POLL)

    def _take(self, position: int) -> None:
        if position > self._taken:
            self._log.take(position)
            self._taken = position

    def _tidy(self) -> None:
        """Release the log that is not needed any more: it also grows by changes that are not replicated."""
        if self._end > self._tidied_end:
            self._log.shorten()
        if self._drained and not self._held:
            self._take(max(self._read_to, self._end))
        self._tidied_at, self._tidied_end = time.monotonic(), self._end

    def _report(self) -> None:
        """Write the status row, unless the last one is new enough."""
        reached = self._held[0].commit if self._held else max(self._read_to, self._end)
        while self._marks and self._marks[0].position <= reached:
            self._passed = self._marks.popleft()
        if self._validation:
            self._validation.passed(reached)
        if time.monotonic() - self._reported_at <= _STATUS:
            return
        if self._newest and self._passed:
            # Commits get their instants before their places in the log, so a later one may have an earlier instant:
            # nothing is claimed beyond the instant that is known to be passed.
            applied = min(self._newest, self._passed.instant)
            self._reported = max(self._reported or applied, applied)
        pending = sum(len(one.changes) for one in self._held) or int(not self._drained)
        current = self._latest if pending else self._passed
        if current is None:
            return
        self._control.write_status(
            Status(
                pending=pending,
                position=current.position,
                current=current.instant,
                tail=reached,
                tail_instant=self._passed.instant if self._passed else None,
                applied=self._reported,
            )
        )
        self._reported_at = time.monotonic()

    def _mapped(self, transaction: Transaction) -> list[TargetChange]:
        changes = []
        for change in transaction.changes:
            plan = self._plan(change.relation)
            if plan and (change.kind != "truncate" or self._truncates()):
                changes.append(plan.mapped(change))
        return changes

    def _truncates(self) -> bool:
        return bool(self._engine.job.settings["ChangeProcessingDdlHandlingPolicy"]["HandleSourceTableTruncated"])

    def _selected(self, relation: Relation) -> bool:
        if relation not in self._selections:
            found = self._engine.job.mapping.select([SourceTable(relation.schema, relation.name, "table")])
            self._selections[relation] = found[0] if found else None
        return self._selections[relation] is not None

    def _plan(self, relation: Relation) -> TablePlan | None:
        """Return how the changes of a relation are mapped; None for a table that cannot be replicated."""
        if relation not in self._plans:
            self._plans[relation] = self._make_plan(relation)
        return self._plans[relation]

    def _make_plan(self, relation: Relation) -> TablePlan | None:
        job, selection = self._engine.job, self._selections[relation]
        assert selection is not None
        name = relation.schema, relation.name
        run = self._engine.tables.setdefault(name, TableRun(*name, state="Table completed"))
        try:
            columns = source_columns(self._source, selection.table, job.source)
            all_columns = logs_all_columns(self._source, selection.table)
        except psycopg.errors.UndefinedTable:
            _log.info("Table '%s'.'%s' is gone; its last changes are left out.", *name)
            return None
        try:
            load = TableLoad.plan(selection, columns, job.mapping, job.settings["TargetMetadata"])
            if not job.only_validates:
                prepare_target(self._target, load, "DO_NOTHING", with_key=True)
            return TablePlan.of(relation, load, run, logs_all_columns=all_columns)
        except (TableFailed, psycopg.ProgrammingError) as error:
            why = f"Table '{name[0]}'.'{name[1]}' was errored/suspended. {self._engine.cleaned(error)}"
            _log.warning("Task %s: %s", job.task, why)
            if self._behavior["TableErrorPolicy"] == "STOP_TASK":
                raise TaskFailed(why) from None
            run.end("Table error")
            self._engine.note()
            return None
