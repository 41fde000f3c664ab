"""Applies a source transaction on the target, with DMS's policies for the statements that do not fit there."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg

from reload_assets.local.dms.changes import Statement, TargetChange
from reload_assets.local.dms.control_tables import ControlTables
from reload_assets.local.dms.engine import Measures, TaskFailed
from reload_assets.local.dms.pgoutput import Row
from reload_assets.local.dms.records import TableRun

_log = logging.getLogger(__name__)

_ZERO_ROWS = "0 rows affected"
DEADLOCK = ("40001", "40P01")
AGAIN = (*DEADLOCK, "55P03", "57014")
"""SQLSTATEs of a whole transaction and no fault of its statements: a deadlock, a lock timeout, somebody's cancel."""
PAUSE = 0.01
"""Seconds until such a transaction is tried again."""


class _Unfit(Exception):
    """A statement changed no row, so a policy has to decide what happens."""


@dataclass
class _Attempt:
    """The state that holds once the target's transaction commits."""

    done: list[tuple[TableRun, str]] = field(default_factory=list)
    suspended: list[TableRun] = field(default_factory=list)


class Applier:
    """Applies transactions over one connection.

    ``behavior`` is the ErrorBehavior of the task's settings. ``look_up`` reads the columns of a row that the log does
    not have. ``pause`` waits for some seconds, or raises Stopped.
    """

    def __init__(
        self,
        target: psycopg.Connection[Any],
        control: ControlTables,
        behavior: Mapping[str, Any],
        measures: Measures,
        *,
        look_up: Callable[[TargetChange], Row],
        pause: Callable[[float], None],
    ) -> None:
        self._target, self._control, self._measures = target, control, measures
        self._look_up, self._pause = look_up, pause
        self._policies = {
            "insert": behavior["ApplyErrorInsertPolicy"],
            "update": behavior["ApplyErrorUpdatePolicy"],
            "delete": behavior["ApplyErrorDeletePolicy"],
            "truncate": "STOP_TASK" if behavior["ApplyErrorFailOnTruncationDdl"] else "LOG_ERROR",
        }
        self._table_policy = behavior["TableErrorPolicy"]

    def apply(self, changes: Sequence[TargetChange], end: int) -> list[TableRun]:
        """Apply the changes and the checkpoint ``end`` in one transaction. Returns the tables that this suspends.

        Raises TaskFailed if a policy ends the task, and psycopg.Error if the connection or the server fails.
        """
        care = 0
        while True:
            try:
                attempt = self._try(changes, end, care)
            except psycopg.Error as error:
                if error.sqlstate in AGAIN:
                    self._measures.deadlocks += error.sqlstate in DEADLOCK
                    self._pause(PAUSE)
                elif care == 2 or not error.sqlstate or not of_statement(error.sqlstate):
                    raise
                else:
                    care += 1
            except _Unfit:
                care = 1
            else:
                break
        for run, kind in attempt.done:
            run.changes[kind] += 1
        for run in attempt.suspended:
            run.end("Table error")
        return attempt.suspended

    def _try(self, changes: Sequence[TargetChange], end: int, care: int) -> _Attempt:
        """Try to apply the changes, with more ``care`` after each failure.

        0: without savepoints, which most transactions never need; 1: each statement behind its own savepoint; 2: also
        check the constraints that only a commit would check.
        """
        attempt = _Attempt()
        with self._target.transaction():
            if care == 2:
                self._target.execute("SET CONSTRAINTS ALL IMMEDIATE")
            for change in changes:
                run = change.plan.run
                if run.state == "Table error" or run in attempt.suspended:
                    continue
                if care:
                    self._fit(change, attempt)
                elif self._execute(change.original()) or self._is_nothing(change):
                    attempt.done.append((run, change.kind))
                else:
                    raise _Unfit
            self._control.reach(end)
        return attempt

    def _is_nothing(self, change: TargetChange) -> bool:
        """Return whether it is right that no row was changed."""
        missing_delete = change.kind == "delete" and self._policies["delete"] == "IGNORE_RECORD"
        return change.kind == "truncate" or missing_delete

    def _fit(self, change: TargetChange, attempt: _Attempt) -> None:
        """Apply one change as the policies say: as it is, as another statement, or not at all."""
        statement = change.original()
        state, why = self._outcome(statement)
        if why == _ZERO_ROWS and self._is_nothing(change):
            return
        policy = self._policies[change.kind]
        if state == "23505" and change.kind == "insert" and policy == "INSERT_RECORD":
            replaced = self._outcome(change.update())[1] is None
            why = None if replaced else why
        elif why == _ZERO_ROWS and policy == "UPDATE_RECORD":
            change = change.completed(self._look_up(change))
            statement = change.insert()
            state, why = self._outcome(statement)
            if state == "23505" and self._outcome(change.update())[1] is None:
                why = None
        if why is None:
            attempt.done.append((change.plan.run, change.kind))
            return
        if policy == "IGNORE_RECORD" and state in (None, "23505"):
            return
        if state and not state.startswith(("22", "23")) and change.kind != "truncate":
            policy = self._table_policy
        self._refuse(change, policy, statement, why, attempt)

    def _refuse(self, change: TargetChange, policy: str, statement: Statement, why: str, attempt: _Attempt) -> None:
        if policy == "STOP_TASK":
            raise TaskFailed(f"{why} Statement: {statement.shown()}")
        self._control.log_exception(statement.schema, statement.table, statement.shown(), why)
        if policy == "SUSPEND_TABLE":
            run = change.plan.run
            _log.warning("Table '%s'.'%s' was errored/suspended. %s", run.schema, run.table, why)
            attempt.suspended.append(run)

    def _outcome(self, statement: Statement) -> tuple[str | None, str | None]:
        """Execute a statement. Returns the SQLSTATE and text of its error.

        Both are None if it succeeded; only the SQLSTATE is None if it met no row. Raises psycopg.Error if the whole
        transaction cannot continue.
        """
        try:
            with self._target.transaction():
                rows = self._execute(statement)
        except psycopg.Error as error:
            if not error.sqlstate or error.sqlstate in AGAIN or not of_statement(error.sqlstate):
                raise
            return error.sqlstate, (
                f"RetCode: SQL_ERROR SqlState: {error.sqlstate} NativeError: 1 Message: ERROR: "
                f"{error.diag.message_primary}; Error while executing the query"
            )
        return None, None if rows or statement.verb == "truncate" else _ZERO_ROWS

    def _execute(self, statement: Statement) -> int:
        with self._measures.statement():
            return self._target.execute(statement.query(), statement.values()).rowcount


class NoApplier:
    """Stands in for an Applier where changes are not applied: in a task that only validates."""

    def __init__(self, control: ControlTables) -> None:
        self._control = control

    def apply(self, changes: Sequence[TargetChange], end: int) -> list[TableRun]:
        """Note only that the log was read up to ``end``."""
        self._control.reach(end)
        return []


def of_statement(state: str) -> bool:
    """Return whether an error is about the statement, and not the connection, the server or its resources."""
    return not state.startswith(("08", "53", "57", "58", "XX"))
