"""The full-load engine: several tables at once, validated after their load; error policies, a prompt stop."""

from __future__ import annotations

import logging
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from typing import Any

import psycopg

from reload_assets.local.dms import copying, faults
from reload_assets.local.dms.catalog import SourceTable, source_columns, source_tables
from reload_assets.local.dms.engine import Ending, Engine, Stopped, TaskFailed
from reload_assets.local.dms.mapping import Selection
from reload_assets.local.dms.records import TableRun
from reload_assets.local.dms.validation import Limits, validate

_log = logging.getLogger(__name__)

NO_TABLES = (
    "No tables were found at task initialization. Either the selected table(s) or schemas(s) no longer exist or no "
    "match was found for the table selection pattern(s). If you would like to start a Task that does not initially "
    "capture any tables, set Task Setting FailOnNoTablesCaptured to false."
)
_FINISHED = Ending("stopped", "Stop Reason FULL_LOAD_ONLY_FINISHED")


class FullLoad(Engine):
    """MigrationType full-load: every selected table is copied once, by up to MaxFullLoadSubTasks threads.

    A table that is loaded is validated next, ThreadCount of them at a time, and the task ends after that.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._selections: dict[tuple[str, str], Selection] = {}
        # What ReloadTables asked for; None once the task takes nothing more.
        self._asked: deque[tuple[TableRun, str]] | None = deque()
        self._asking = threading.Lock()
        self._limits: Limits | None = None
        if self.job.validation:
            self._limits = Limits(self.job, unlimited=self.job.only_validates)
            self._validating = threading.Semaphore(self.job.validation["ThreadCount"])

    @staticmethod
    def kept(tables: dict[tuple[str, str], TableRun], start_type: str) -> dict[tuple[str, str], TableRun]:
        # A resumed full load continues with the tables that it has not completed.
        resumed = start_type == "resume-processing"
        return {name: run for name, run in tables.items() if resumed and run.state == "Table completed"}

    def work(self) -> Ending:
        selections = [] if self.faults.strike(faults.NoTables) else self._selected()
        if not selections and self.job.settings["ErrorBehavior"]["FailOnNoTablesCaptured"]:
            raise TaskFailed(NO_TABLES)
        self._selections = {(one.table.schema, one.table.name): one for one in selections}
        todo: list[tuple[TableRun, str]] = []
        for name in self._selections:
            if name not in self.tables:  # a resumed load keeps the tables that it had completed
                self.tables[name] = TableRun(*name)
                todo.append((self.tables[name], "load"))
            elif self._limits and self.tables[name].validation.is_open:
                todo.append((self.tables[name], "validate-only"))
        if self._limits:
            for run, _ in todo:
                run.validation.begin("Pending validation")
        self._do_all(todo)
        if stuck := self.faults.strike(faults.StuckRunning):
            self._hold(stuck)
        if self.faults.strike(faults.RecoverableError):
            text = (
                "Last Error  Task error notification received from subtask 0, thread 0. "
                "Stop Reason RECOVERABLE_ERROR Error Level RECOVERABLE"
            )
            return Ending("stopped", text, text)
        return _FINISHED

    def _selected(self) -> list[Selection]:
        with self.connected(self.job.source) as source:
            return self.job.mapping.select(source_tables(source))

    def reload(self, runs: Sequence[TableRun], option: str) -> str | None:
        with self._asking:
            if self._asked is None:
                return "Replication Task is ending."
            for run in runs:
                if run.state not in ("Table completed", "Table error") or run.validation.is_open:
                    return f"Table {run.schema}.{run.table} is being loaded or validated."
            for run in runs:
                if option == "data-reload":
                    run.state, run.reloaded = "Table is being reloaded", True
                if self._limits:
                    self._limits.give(run, run.validation.failed)
                    run.validation.begin("Pending revalidation")
                self._asked.append((run, option))
        return None

    def _take_asked(self, *, last: bool) -> list[tuple[TableRun, str]]:
        """Return what ReloadTables asked for since; if that is nothing and may be the ``last``, take no more."""
        with self._asking:
            asked = list(self._asked or ())
            self._asked = None if last and not asked else deque()
        return asked

    def _do_all(self, todo: list[tuple[TableRun, str]]) -> None:
        failure: BaseException | None = None
        with ThreadPoolExecutor(self.job.settings["FullLoadSettings"]["MaxFullLoadSubTasks"]) as pool:
            pending: set[Future[None]] = {pool.submit(self._do, *one) for one in todo}
            while True:
                done, pending = wait(pending, timeout=0.1)
                for future in done:
                    if error := future.exception():
                        failure = failure or error
                        self.halt.set()
                if self.halt.is_set():
                    self.cancel_statements()
                pending |= {pool.submit(self._do, *one) for one in self._take_asked(last=not pending)}
                if not pending:
                    break
        if failure:
            raise failure
        if self.halt.is_set():
            raise Stopped

    def _do(self, run: TableRun, what: str) -> None:
        """Load a table, reload it or only validate it. Raises TaskFailed as ``_load`` does."""
        selection = self._selections[run.schema, run.table]
        if what != "validate-only":
            self._load(selection, run)
        if self._limits and not self.halt.is_set():
            self._validate(selection, run, self._limits)

    def _validate(self, selection: Selection, run: TableRun, limits: Limits) -> None:
        with self._validating, suppress(Stopped):
            try:
                with self.connected(self.job.source) as source, self.connected(self.job.target) as target:
                    validate(source, target, selection, run, self, limits)
            except psycopg.Error as error:
                self.pause(0)
                run.validation.give_up("Error", self.cleaned(error))

    def _load(self, selection: Selection, run: TableRun) -> None:
        """One table. Raises TaskFailed where a policy or a lost connection ends the whole task."""
        if self.halt.is_set():
            run.end("Table cancelled")
            return
        run.begin()
        if self.job.only_validates:
            run.end("Table completed")
            return
        try:
            with self.connected(self.job.source) as source, self.connected(self.job.target) as target:
                self._copy(source, target, selection, run)
        except (psycopg.Error, copying.TableFailed, Stopped) as error:
            if self.halt.is_set():
                run.end("Table cancelled")
                return
            run.end("Table error")
            why = f"Table '{run.schema}'.'{run.table}' was errored/suspended. {self.cleaned(error)}"
            _log.warning("Task %s: %s", self.job.task, why)
            if self._ends_task(error):
                raise TaskFailed(why) from None
        except BaseException:
            run.end("Table error")
            raise
        else:
            run.end("Table completed")

    def _copy(
        self, source: psycopg.Connection[Any], target: psycopg.Connection[Any], selection: Selection, run: TableRun
    ) -> None:
        table = selection.table
        subject = f"{table.schema}.{table.name}"
        load = copying.TableLoad.plan(
            selection,
            source_columns(source, table, self.job.source),
            self.job.mapping,
            self.job.settings["TargetMetadata"],
        )
        mode = self.job.settings["FullLoadSettings"]["TargetTablePrepMode"]
        if run.reloaded:
            mode = "TRUNCATE_BEFORE_LOAD"  # ReloadTables keeps the table and replaces its rows
        elif self.job.start_type == "reload-target" and mode == "DO_NOTHING":
            mode = "TRUNCATE_BEFORE_LOAD"  # reload-target empties the tables whatever the settings say
        late_key = self.job.settings["FullLoadSettings"]["CreatePkAfterFullLoad"]
        created = copying.prepare_target(target, load, mode, with_key=not late_key)
        if self.faults.strike(faults.EmptyTable, subject):
            return
        self._warn_of_cut_lobs(source, load)
        run.expected = load.expected_rows(source)
        copying.move_rows(
            source,
            target,
            load,
            commit_rate=self.job.settings["FullLoadSettings"]["CommitRate"],
            run=run,
            watch=self._watch(table),
            between=lambda: self.pause(0),
        )
        if created and late_key:
            copying.add_key(target, load)
        if overstated := self.faults.strike(faults.OverstatedRows, subject):
            run.rows += overstated.extra

    def _warn_of_cut_lobs(self, source: psycopg.Connection[Any], load: copying.TableLoad) -> None:
        """Warn of LOBs above the limit, which are cut; raises if the endpoint has FailTasksOnLobTruncation."""
        for column, count in load.cut_lobs(source).items():
            text = f"{count} LOB values of {load.title}.{column} are cut to {load.lob_limit} bytes"
            _log.warning("Task %s: %s", self.job.task, text)
            if self.job.source.settings.get("FailTasksOnLobTruncation"):
                raise TaskFailed(text)

    def _watch(self, table: SourceTable) -> Callable[[int], int]:
        """Return a function for ``move_rows`` that lets each fault of this table strike at its number of rows."""
        subject = f"{table.schema}.{table.name}"
        error = self.faults.strike(faults.TableError, subject)
        pause = self.faults.strike(faults.Pause, subject)
        slow = self.faults.strike(faults.SlowLoad, subject)
        if pause:
            pause.reached.clear()

        def watch(read: int) -> int:
            if slow and read % slow.rows == 0 and not slow.cleared.is_set():
                self.pause(slow.seconds)
            if pause and read == pause.after_rows:
                pause.reached.set()
                self._hold(pause)
            if error and read == error.after_rows:
                raise copying.TableFailed(error.message)
            ahead = [fault.after_rows - read for fault in (error, pause) if fault and fault.after_rows > read]
            if slow:
                ahead.append(slow.rows - read % slow.rows)
            return min(ahead, default=sys.maxsize)

        return watch

    def _hold(self, fault: faults.Fault) -> None:
        while not fault.cleared.is_set():
            self.pause(0.02)

    def _ends_task(self, error: Exception) -> bool:
        state = (error.sqlstate or "08000") if isinstance(error, psycopg.Error) else ""
        if state.startswith(("08", "57P")):
            return True  # the connection is lost, not the table
        behavior = self.job.settings["ErrorBehavior"]
        if isinstance(error, copying.MaskingFailed):
            return behavior["DataMaskingErrorPolicy"] == "STOP_TASK"
        of_data = state.startswith(("22", "23"))
        return behavior["TableErrorPolicy"] == "STOP_TASK" or (of_data and behavior["DataErrorPolicy"] == "STOP_TASK")
