"""The engine of MigrationType cdc: it applies changes of the source on the target until the task is stopped."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Sequence
from typing import Any

import psycopg

from reload_assets.local.dms import faults
from reload_assets.local.dms.catalog import source_tables
from reload_assets.local.dms.cdc_validation import CdcValidation
from reload_assets.local.dms.changelog import ChangeLog
from reload_assets.local.dms.control_tables import ControlTables
from reload_assets.local.dms.engine import Ending, Engine, Job, Stopped, TaskFailed
from reload_assets.local.dms.load import NO_TABLES
from reload_assets.local.dms.records import TableRun
from reload_assets.local.dms.replication import Replication

_log = logging.getLogger(__name__)

_RETRY = 0.1
_Connection = psycopg.Connection[Any]


class Cdc(Engine):
    """MigrationType cdc. It reconnects whenever a connection is lost, and the task stays ``running`` meanwhile."""

    resumes = True

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._ended = threading.Event()
        self._validation = CdcValidation(self) if self.job.validation else None

    @staticmethod
    def discard(job: Job) -> None:
        with psycopg.connect(job.source.conninfo(), autocommit=True, connect_timeout=10) as source:
            ChangeLog(source, _slot(job)).drop()

    def stop(self) -> None:
        super().stop()
        # The current statement may be waiting for a lock, for as long as the lock's holder likes.
        threading.Thread(target=self._cancel_until_ended, name=f"{self.name}-stop", daemon=True).start()

    def prepare(self) -> None:
        """Create the slot and the control tables, so that no change is missed once the task is ``running``."""
        try:
            self._connected_again_and_again(self._prepare)
        except BaseException:
            self._ended.set()
            raise

    def work(self) -> Ending:
        if self._validation:
            self._begin_validation(self._validation)
        try:
            self._connected_again_and_again(self._replicate)
        finally:
            if self._validation:
                self._validation.end()
            self._ended.set()
            self._write_end()
        raise Stopped

    def reload(self, runs: Sequence[TableRun], option: str) -> str | None:
        if option == "data-reload":
            return "Tables cannot be reloaded in a task with migration type cdc."
        assert self._validation is not None
        for run in runs:
            self._validation.ask(run, "Pending revalidation")
        return None

    def _begin_validation(self, validation: CdcValidation) -> None:
        """A task that only validates begins with the rows that are there already, others with the next changes."""
        for run in self.tables.values():
            run.validation.begin("Pending validation")
            if self.job.only_validates:
                validation.ask(run, "Pending validation")
        validation.start()

    def _prepare(self, source: _Connection, target: _Connection) -> None:
        log = ChangeLog(source, _slot(self.job))
        log.check()
        self._select(source)
        control = self._control(target)
        control.create()
        position, started = log.position(), control.checkpoint() is not None
        if position is None and started:
            raise TaskFailed(f"The replication slot {_slot(self.job)} is gone, and the changes since the stop with it.")
        if position is None:
            position = log.create()
        if not started:
            control.start(position)

    def _select(self, source: _Connection) -> None:
        selections = [] if self.faults.strike(faults.NoTables) else self.job.mapping.select(source_tables(source))
        if not selections and self.job.settings["ErrorBehavior"]["FailOnNoTablesCaptured"]:
            raise TaskFailed(NO_TABLES)
        for selection in selections:
            name = selection.table.schema, selection.table.name
            if selection.filters:
                raise TaskFailed(f"Table '{name[0]}'.'{name[1]}' has a filter; this stand-in replicates whole tables.")
            if name not in self.tables:
                self.tables[name] = TableRun(*name, state="Table completed")

    def _replicate(self, source: _Connection, target: _Connection) -> None:
        log = ChangeLog(source, _slot(self.job))
        Replication(source, target, log, self._control(target), self, self._validation).run()

    def _control(self, target: _Connection) -> ControlTables:
        # A status says how far the target is, which a task that only validates does not know.
        with_status = self.job.settings["ControlTablesSettings"]["StatusTableEnabled"] and not self.job.only_validates
        return ControlTables(
            target,
            schema=self.job.control_schema,
            server=self.job.server,
            task=self.job.resource.upper(),
            slot=_slot(self.job),
            with_status=with_status,
        )

    def _connected_again_and_again(self, step: Callable[[_Connection, _Connection], None]) -> None:
        said = ""
        while True:
            try:
                with self.connected(self.job.source) as source, self.connected(self.job.target) as target:
                    return step(source, target)
            except psycopg.Error as error:
                if self.halt.is_set():
                    raise Stopped from None
                if not _passing(error):
                    raise
                if (why := self.cleaned(error)) != said:
                    _log.warning("Task %s connects again after a recoverable error: %s", self.job.task, why)
                    said = why
            self.pause(_RETRY)

    def _cancel_until_ended(self) -> None:
        while self.is_alive() and not self._ended.wait(0.05):
            self.cancel_statements()

    def _write_end(self) -> None:
        """Write the status of a task that does not run; it keeps the position that the task had reached."""
        try:
            with psycopg.connect(self.job.target.conninfo(), autocommit=True, connect_timeout=2) as target:
                target.execute("SET statement_timeout = '2s'")
                self._control(target).end_status()
        except psycopg.Error as error:
            _log.warning("Task %s could not write its last status: %s", self.job.task, self.cleaned(error))


def _slot(job: Job) -> str:
    # The creation time distinguishes the task from an earlier one of the same name, whose slot may still exist.
    return f"dms_{re.sub('[^a-z0-9]', '_', job.resource.lower())[:40]}_{int(job.created.timestamp() * 1e6):x}"


def _passing(error: psycopg.Error) -> bool:
    """Return whether to connect again: the connection was lost, the server restarts or lacks resources, or an earlier
    session still reads the slot.
    """
    if error.sqlstate is None:
        return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    return error.sqlstate.startswith(("08", "53", "57", "58")) or error.sqlstate == "55006"
