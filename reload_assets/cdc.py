"""How far CDC is: the gate before a load, and the waits of merge and confirm.

DMS keeps it in the target: awsdms_status says up to which instant of the source changes were read and applied, and
awsdms_apply_exceptions which statements were passed over.
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

from reload_assets.config import Cdc as CdcSettings
from reload_assets.database import Target
from reload_assets.dms.cdc import CdcTask
from reload_assets.errors import CdcNotReady
from reload_assets.statements import compose, run

_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 2.0


@dataclass(frozen=True)
class Position:
    """A row of awsdms_status; instants are UTC, of the source's clock but for ``status_time`` and ``asked_at``.

    ``read_until``: how far changes were read; ``applied_until``: the commit of the newest applied transaction, which is
    old after a quiet time; ``needed_from``: the oldest change that is still of use to the task.
    """

    status_time: datetime | None
    pending_changes: int
    read_until: datetime | None
    applied_until: datetime | None
    needed_from: datetime | None
    asked_at: datetime

    def passed(self, instant: datetime) -> bool:
        """Whether every transaction that was committed on the source at ``instant`` or before has been processed.

        Transactions are applied in the order of their commits, so one that was committed later proves it; so does a
        task that has read beyond the instant and has nothing in hand.
        """
        if self.applied_until is not None and self.applied_until > instant:
            return True
        return not self.pending_changes and self.read_until is not None and self.read_until > instant

    @property
    def lag_seconds(self) -> float | None:
        """How long ago the instant is up to which all is applied; None where DMS has not said one yet."""
        at_least = self.needed_from if self.pending_changes else self.read_until
        known = [instant for instant in (self.applied_until, at_least) if instant is not None]
        return max(0.0, (self.asked_at - max(known)).total_seconds()) if known else None


@dataclass(frozen=True)
class Skipped:
    """A statement that CDC skipped, as DMS wrote it down. ``owner`` and ``table`` are the source's or the target's."""

    skipped_at: datetime
    statement: str
    error: str
    owner: str = ""
    table: str = ""


@dataclass(frozen=True)
class Readiness:
    """What the gate saw: the task and its lag in seconds (None where DMS does not say)."""

    task_arn: str
    status: str
    lag_seconds: float | None


class Cdc:
    """The CDC task of a group, as reloads see it.

    ``is_fenced`` tells whether a reload keeps it stopped for a moment, ``say`` reports waits to whoever watches.
    """

    def __init__(
        self,
        settings: CdcSettings,
        task: CdcTask,
        target: Target,
        is_fenced: Callable[[], bool],
        say: Callable[[str], None],
    ) -> None:
        self._settings, self.task, self._target = settings, task, target
        self._is_fenced, self._say = is_fenced, say

    def require_ready(self) -> Readiness:
        """The gate before a load: the task runs, and lags no more than the limit. Waits for that, if so configured.

        Raises CdcNotReady, DmsError.
        """
        deadline = time.monotonic() + self._settings.wait_seconds
        pause, said = _FIRST_PAUSE_SECONDS, False
        while True:
            ready, why = self.look()
            if why is None:
                return ready
            patient = self._settings.when_behind == "wait" or self._is_fenced()
            if not patient or time.monotonic() >= deadline:
                waited = f" after {self._settings.wait_seconds:g} s" if self._settings.when_behind == "wait" else ""
                raise CdcNotReady(f"{why}{waited}; reload the window once it has caught up, or set cdc.when_behind.")
            if not said:
                self._say(f"{why}; waiting for it")
                said = True
            time.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)

    def look(self) -> tuple[Readiness, str | None]:
        """What is to be seen now, and what speaks against a load; None where nothing does."""
        state = self.task.state()
        if not state.running:
            because = f" ({state.why})" if state.why else ""
            ready = Readiness(self.task.arn, state.status, None)
            return ready, f"The CDC task {state.identifier} is {state.status}{because}, not running"
        with self._target.connect(autocommit=True) as connection:
            lag = self.position(connection).lag_seconds
        ready = Readiness(self.task.arn, state.status, lag)
        if lag is None or lag > self._settings.max_lag_seconds:
            behind = "does not say how far it is" if lag is None else f"lags {lag:.0f} s behind the source"
            return ready, f"The CDC task {state.identifier} {behind} (limit {self._settings.max_lag_seconds:g} s)"
        return ready, None

    def wait_passed(self, instant: datetime) -> float:
        """Wait until CDC has processed all that was committed on the source up to ``instant`` (UTC); seconds waited.

        Raises CdcNotReady where the task does not run any more, or does not get there in time.
        """
        wanted = instant + timedelta(seconds=self._settings.margin_seconds)
        began = time.monotonic()
        pause = _FIRST_PAUSE_SECONDS
        with self._target.connect(autocommit=True) as connection:
            while not (position := self.position(connection)).passed(wanted):
                waited = time.monotonic() - began
                state = self.task.state()
                if not state.running and state.status not in ("starting", "stopping") and not self._is_fenced():
                    raise CdcNotReady(
                        f"The CDC task {state.identifier} is {state.status}, so it will not get to {wanted:%FT%TZ}; "
                        "resume it."
                    )
                if waited >= self._settings.wait_seconds:
                    raise CdcNotReady(
                        f"The CDC task {state.identifier} has not passed {wanted:%FT%TZ} after {waited:.0f} s "
                        f"({_told(position)}); let it catch up, or raise cdc.wait_seconds."
                    )
                time.sleep(pause)
                pause = min(pause * 1.5, _LONGEST_PAUSE_SECONDS)
        return time.monotonic() - began

    def position(self, connection: Connection[Any]) -> Position:
        """How far it is now. Raises CdcNotReady where awsdms_status does not say."""
        name = self.task.resource
        statement = compose("cdc/get_position", {"control_schema": self._settings.control_schema})
        with (
            self._readable("awsdms_status", "StatusTableEnabled"),
            connection.cursor(row_factory=class_row(Position)) as cursor,
        ):
            found = cursor.execute(statement, {"task_name": name}).fetchone()
        if found is None:
            raise CdcNotReady(
                f"{self._settings.control_schema}.awsdms_status has no row of the CDC task {name}; check cdc.task_arn "
                "and the task's settings."
            )
        return found

    def skipped(self, connection: Connection[Any], tables: Sequence[str], since: datetime) -> list[Skipped]:
        """The statements on tables of some names that CDC skipped since an instant (UTC). Raises CdcNotReady."""
        with self._readable("awsdms_apply_exceptions", "ControlSchema"):
            rows = run(
                connection,
                "cdc/list_skipped",
                {"control_schema": self._settings.control_schema},
                task_name=self.task.resource,
                tables=[table.lower() for table in tables],
                since=since,
            ).fetchall()
        return [Skipped(*row) for row in rows]

    @contextmanager
    def _readable(self, table: str, setting: str) -> Iterator[None]:
        place = f"{self._settings.control_schema}.{table}"
        try:
            yield
        except (UndefinedTable, InvalidSchemaName):
            raise CdcNotReady(
                f"The target has no table {place}, where DMS says how CDC does; see ControlTablesSettings.{setting} of "
                "the CDC task, or mend cdc.control_schema."
            ) from None
        except InsufficientPrivilege:
            raise CdcNotReady(
                f"This login may not read {place}; have a DBA run sql/roles/grant_control_tables.sql."
            ) from None


def _told(position: Position) -> str:
    until = position.applied_until.isoformat() if position.applied_until else "nothing yet"
    return f"applied up to {until}, {position.pending_changes} changes pending"
