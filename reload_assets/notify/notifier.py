"""Finds events in the ledger and at the CDC tasks, and sends each once to each channel.

The ledger remembers what was sent. Only a process that dies in the moment between sending and noting sends that one
event again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from psycopg import Connection
from psycopg.errors import UndefinedTable
from psycopg.rows import class_row

from reload_assets.errors import ReloadError
from reload_assets.notify.cdc_watch import Watched, look
from reload_assets.notify.channels import Send, reason
from reload_assets.notify.message import Event
from reload_assets.postgres.connection import TargetDatabase
from reload_assets.postgres.statements import compose, run
from reload_assets.preflight.rights import require_ledger

# Messages per channel and tick; the next tick continues.
_BATCH = 50

FailedRuns = Callable[[Sequence[str]], Mapping[str, str | None]]
"""Returns those of some runs that have failed, each with the code of its error; None if it has none."""


@dataclass
class Sent:
    """How many messages were sent, what did not work, as sentences, and the channels that refused a message."""

    messages: int = 0
    left: list[str] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Notifier:
    """Sends the events of one target database.

    ``channels`` makes each channel, by its name in the ledger, when there is something to send. ``watched`` returns the
    CDC tasks that feed the database.
    """

    target: TargetDatabase
    channels: Mapping[str, Callable[[], Send]]
    watched: Callable[[], Sequence[Watched]]

    def tick(self, failed_runs: FailedRuns) -> Sent:
        """Look for events, and send what is not sent yet. After a failure, which is in the result, the rest is done.

        Raises LedgerMissing, LedgerOutdated, and psycopg's errors.
        """
        sent = Sent()
        with self.target.connect(autocommit=True) as connection:
            try:
                self._collect(connection, failed_runs)
            except UndefinedTable:
                require_ledger(connection, str(self.target))
                raise
            self._deliver(connection, sent)
            # Last, because DMS may take all the time that a tick has.
            if self._watch_all(connection, sent):
                self._deliver(connection, sent)
        return sent

    @property
    def _names(self) -> list[str]:
        return list(self.channels)

    def _collect(self, connection: Connection[Any], failed_runs: FailedRuns) -> None:
        run(connection, "notify:drop_other_channels", channels=self._names)
        with connection.transaction():
            run(connection, "notify:lock_events")
            run(connection, "notify:insert_events", channels=self._names)
            unmerged = run(connection, "notify:list_unmerged").fetchall()
            failed = failed_runs([run_id for _, run_id in unmerged])
            for reload_id, run_id in unmerged:
                if run_id in failed:
                    values = {"reload_id": reload_id, "run_id": run_id, "error_code": failed[run_id]}
                    run(connection, "notify:insert_unmerged", channels=self._names, **values)

    def _watch_all(self, connection: Connection[Any], sent: Sent) -> bool:
        """Look at each CDC task. Returns whether there is something new."""
        found = False
        try:
            tasks = self.watched()
        except ReloadError as error:
            sent.left.append(f"CDC: {error}")
            return False
        for watched in tasks:
            try:
                found |= self._watch(connection, watched)
            except ReloadError as error:
                sent.left.append(f"CDC: {error}")
        return found

    def _watch(self, connection: Connection[Any], watched: Watched) -> bool:
        with connection.transaction():
            run(connection, "notify:lock_events")
            news = look(watched, connection)
            if news is not None:
                run(
                    connection,
                    "notify:insert_cdc_event",
                    event=news.event,
                    task_arn=watched.cdc.task.arn,
                    groups=list(watched.groups),
                    detail=news.detail,
                    channels=self._names,
                )
        return news is not None

    def _deliver(self, connection: Connection[Any], sent: Sent) -> None:
        for name, make in self.channels.items():
            if name not in sent.refused:
                self._deliver_to(connection, name, make, sent)

    def _deliver_to(self, connection: Connection[Any], channel: str, make: Callable[[], Send], sent: Sent) -> None:
        """Send what a channel has not taken yet, until it refuses one: the others would wait for it in vain."""
        send: Send | None = None
        for _ in range(_BATCH):
            # The lock on the row keeps another process from sending it too.
            with connection.transaction():
                event = _next(connection, channel)
                if event is None:
                    return
                noted = {"notification_id": event.notification_id}
                try:
                    send = send or make()
                    send(event)
                except Exception as error:
                    failure = f"{channel}: {reason(error)}"
                    run(connection, "notify:set_failed", failure=failure, **noted)
                    sent.left.append(f"{failure} ({event.title}).")
                    sent.refused.add(channel)
                    return
                run(connection, "notify:set_sent", channel=channel, **noted)
            sent.messages += 1


def _next(connection: Connection[Any], channel: str) -> Event | None:
    with connection.cursor(row_factory=class_row(Event)) as cursor:
        return cursor.execute(compose("notify:take_pending"), {"channel": channel}).fetchone()
