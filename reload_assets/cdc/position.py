"""Reads CDC's position, for the gate before a load and for the waits of merge and confirm.

DMS keeps it in the target. awsdms_status says up to which instant of the source's clock changes were read and applied.
awsdms_apply_exceptions lists the statements that were skipped.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from psycopg import Connection
from psycopg.errors import InsufficientPrivilege, InvalidSchemaName, UndefinedTable
from psycopg.rows import class_row

from reload_assets.config.model import CdcConfig
from reload_assets.dms.cdc import CdcTask
from reload_assets.errors import CdcNotReady
from reload_assets.errors.cdc import (
    CdcAhead,
    CdcBehind,
    CdcNotPassed,
    CdcNotRunning,
    CdcStatusMissing,
    ControlTableDenied,
    ControlTableMissing,
)
from reload_assets.postgres.connection import TargetDatabase
from reload_assets.postgres.statements import compose, run
from reload_assets.retries import WAITING_FOR_CDC, NotYet, wait_for


@dataclass(frozen=True)
class Position:
    """A row of awsdms_status. Instants are UTC, by the source's clock except ``status_time`` and ``asked_at``.

    ``read_until``: how far changes were read. ``applied_until``: the commit of the newest applied transaction, which is
    old after a quiet time. ``needed_from``: the oldest change that the task still needs.
    """

    status_time: datetime | None
    pending_changes: int
    read_until: datetime | None
    applied_until: datetime | None
    needed_from: datetime | None
    asked_at: datetime

    def passed(self, instant: datetime) -> bool:
        """Return whether every transaction that the source committed at ``instant`` or before has been processed.

        Transactions are applied in the order of their commits, so an applied one with a later commit proves it. So does
        a task that has read beyond the instant and has no changes pending.
        """
        if self.applied_until is not None and self.applied_until > instant:
            return True
        return not self.pending_changes and self.read_until is not None and self.read_until > instant

    def lag_seconds(self, now: datetime) -> float | None:
        """Return by how many seconds CDC is behind ``now``, an instant of the source's clock.

        None if DMS has not written a position yet.
        """
        at_least = self.needed_from if self.pending_changes else self.read_until
        known = [instant for instant in (self.applied_until, at_least) if instant is not None]
        return max(0.0, (now - max(known)).total_seconds()) if known else None

    @property
    def furthest(self) -> datetime | None:
        """The latest instant of the source's clock that the row names."""
        return max((one for one in (self.read_until, self.applied_until, self.needed_from) if one), default=None)


@dataclass(frozen=True)
class Skipped:
    """A statement that CDC skipped, as DMS logged it. ``owner`` and ``table`` are the source's or the target's."""

    skipped_at: datetime
    statement: str
    error: str
    owner: str = ""
    table: str = ""


@dataclass(frozen=True)
class Readiness:
    """What the gate found: the task, its lag in seconds (None if DMS does not say), and the offsets of the clocks.

    ``target_clock_offset``: by how many seconds the target's clock is ahead of the source's; None without a source
    connection. ``dms_clock_offset``: the same for the replication instance, by its newest status. That status may be
    old by up to the time between two of them.
    """

    task_arn: str
    status: str
    lag_seconds: float | None
    target_clock_offset: float | None = None
    dms_clock_offset: float | None = None


class Cdc:
    """The CDC task of a group, as reloads see it.

    ``is_fenced`` returns whether a reload keeps it stopped for a moment. ``say`` takes messages about waits.
    """

    def __init__(
        self,
        settings: CdcConfig,
        task: CdcTask,
        target: TargetDatabase,
        is_fenced: Callable[[], bool],
        say: Callable[[str], None],
    ) -> None:
        self._settings, self.task, self._target = settings, task, target
        self.is_fenced, self._say = is_fenced, say
        self._source_now: Callable[[], datetime] | None = None

    @contextmanager
    def by_source_clock(self, now: Callable[[], datetime] | None) -> Iterator[None]:
        """Judge DMS's instants by the source's clock, which ``now`` returns (UTC), or by the target's if it is None."""
        earlier, self._source_now = self._source_now, now
        try:
            yield
        finally:
            self._source_now = earlier

    def require_ready(self) -> Readiness:
        """Require, before a load, that the task runs and lags no more than the limit. Waits for that if so configured.

        Raises CdcNotReady, DmsError.
        """
        began, waits, said = time.monotonic(), self._settings.when_behind == "wait", False

        def look() -> Readiness:
            nonlocal said
            ready, why = self.look(time.monotonic() - began)
            if why is None:
                return ready
            # A failed task is not fenced by a reload, and only a person can start it again.
            if not waits and (ready.status == "failed" or not self.is_fenced()):
                raise why
            if not said:
                self._say(f"{why.sentence} Waiting for it.")
                said = True
            raise NotYet(lambda seconds: why)

        return wait_for(look, WAITING_FOR_CDC, self._settings.wait_seconds)

    def look(self, waited_seconds: float = 0.0) -> tuple[Readiness, CdcNotReady | None]:
        """Return the present state, and the error that forbids a load; None if a load may begin.

        ``waited_seconds``: how long the caller has waited already, for the message.
        """
        waited = f" after {waited_seconds:.1f} s" if waited_seconds >= WAITING_FOR_CDC.first else ""
        state = self.task.state()
        if not state.running:
            ready = Readiness(self.task.arn, state.status, None)
            return ready, CdcNotRunning(state.identifier, state.status, state.why, f"not running{waited}")
        with self._target.connect(autocommit=True) as connection:
            asked = time.monotonic()
            position = self.position(connection)
        now = self._require_past(state.identifier, position)
        between = time.monotonic() - asked
        lag = position.lag_seconds(now)
        ready = Readiness(
            self.task.arn,
            state.status,
            lag,
            None if self._source_now is None else _offset(position.asked_at, now, between),
            None if position.status_time is None else (position.status_time - now).total_seconds(),
        )
        if lag is None or lag > self._settings.max_lag_seconds:
            behind = "does not say how far it is" if lag is None else f"lags {lag:.0f} s behind the source"
            return ready, CdcBehind(state.identifier, behind, self._settings.max_lag_seconds, waited)
        return ready, None

    def wait_passed(self, instant: datetime) -> float:
        """Wait until CDC has processed all that the source committed up to ``instant`` (UTC). Returns seconds waited.

        Raises CdcNotReady if the task no longer runs, does not get there in time, or claims a position that the
        source's clock has not reached.
        """
        wanted = instant + timedelta(seconds=self._settings.margin_seconds)
        began = time.monotonic()

        def look() -> Position:
            position = self.position(connection)
            if position.passed(wanted):
                return position
            state = self.task.state()
            failed = state.status == "failed"
            stands = not state.running and state.status not in ("starting", "stopping")
            if failed or (stands and not self.is_fenced()):
                stuck = f"so it will not get to {wanted:%FT%TZ}"
                raise CdcNotRunning(state.identifier, state.status, state.why, stuck)
            raise NotYet(
                lambda seconds: CdcNotPassed(state.identifier, f"{wanted:%FT%TZ}", seconds, _reached(position))
            )

        with self._target.connect(autocommit=True) as connection:
            position = wait_for(look, WAITING_FOR_CDC, self._settings.wait_seconds)
        self._require_past(self.task.resource, position)
        return time.monotonic() - began

    def position(self, connection: Connection[Any]) -> Position:
        """Return the present position. Raises CdcNotReady if awsdms_status does not have it."""
        name = self.task.resource
        statement = compose("cdc:get_position", {"control_schema": self._settings.control_schema})
        with (
            self._readable("awsdms_status", "StatusTableEnabled"),
            connection.cursor(row_factory=class_row(Position)) as cursor,
        ):
            found = cursor.execute(statement, {"task_name": name}).fetchone()
        if found is None:
            raise CdcStatusMissing(f"{self._settings.control_schema}.awsdms_status", name)
        return found

    def _require_past(self, name: str, position: Position) -> datetime:
        """Return the source's clock, or else the target's. Raises CdcNotReady if the position is ahead of it."""
        now = position.asked_at if self._source_now is None else self._source_now()
        furthest = position.furthest
        if furthest is not None and furthest > now + timedelta(seconds=self._settings.margin_seconds):
            clock = "target's" if self._source_now is None else "source's"
            table, ahead = f"{self._settings.control_schema}.awsdms_status", (furthest - now).total_seconds()
            raise CdcAhead(table, name, f"{furthest:%FT%TZ}", ahead, clock)
        return now

    def skipped(self, connection: Connection[Any], tables: Sequence[str], since: datetime) -> list[Skipped]:
        """Return the statements on the named tables that CDC skipped since an instant (UTC). Raises CdcNotReady."""
        with self._readable("awsdms_apply_exceptions", "ControlSchema"):
            rows = run(
                connection,
                "cdc:list_skipped",
                {"control_schema": self._settings.control_schema},
                task_name=self.task.resource,
                tables=[table.lower() for table in tables],
                since=since,
            ).fetchall()
        return [Skipped(*row) for row in rows]

    def skipped_page(
        self, connection: Connection[Any], tables: Sequence[str], since: datetime, most: int
    ) -> list[Skipped]:
        """Return the first ``most`` of these statements, with all of the last one's time. Raises CdcNotReady."""
        with self._readable("awsdms_apply_exceptions", "ControlSchema"):
            rows = run(
                connection,
                "cdc:list_skipped_page",
                {"control_schema": self._settings.control_schema},
                task_name=self.task.resource,
                tables=[table.lower() for table in tables],
                since=since,
                most=most,
            ).fetchall()
        return [Skipped(*row) for row in rows]

    @contextmanager
    def _readable(self, table: str, setting: str) -> Iterator[None]:
        place = f"{self._settings.control_schema}.{table}"
        try:
            yield
        except (UndefinedTable, InvalidSchemaName):
            raise ControlTableMissing(place, setting) from None
        except InsufficientPrivilege:
            raise ControlTableDenied(place) from None


def _offset(target: datetime, source: datetime, between: float) -> float:
    """Return by how many seconds the target's clock is ahead at least, or behind if negative.

    The source's clock was read later, by up to ``between`` seconds: a login to the source may take long.
    """
    apart = (target - source).total_seconds()
    return apart if apart > 0 else min(apart + between, 0.0)


def _reached(position: Position) -> str:
    until = position.applied_until.isoformat() if position.applied_until else "nothing yet"
    return f"applied up to {until}, {position.pending_changes} changes pending"
