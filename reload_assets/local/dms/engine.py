"""What every engine shares: a thread that takes a task from ``starting`` to its end."""

from __future__ import annotations

import logging
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

import psycopg

from reload_assets.local.dms.faults import Faults
from reload_assets.local.dms.mapping import TableMapping
from reload_assets.local.dms.records import Endpoint, TableRun

_log = logging.getLogger(__name__)


class Stopped(Exception):
    """The task was stopped, or ends because another of its tables failed."""


class TaskFailed(Exception):
    """The whole task ends as ``failed`` with this text."""


@dataclass(frozen=True)
class Delays:
    """How long a task stays in its transitional states, in seconds."""

    create: float = 0.2
    start: float = 0.2
    stop: float = 0.2
    delete: float = 0.2


@dataclass(frozen=True)
class Ending:
    """How a run ended, in the words of the API."""

    status: str
    stop_reason: str
    failure: str | None = None

    @classmethod
    def fatal(cls, why: str) -> Ending:
        # The service puts the whole text into StopReason and LastFailureMessage alike.
        text = f"Last Error  {why} Stop Reason FATAL_ERROR Error Level FATAL"
        return cls("failed", text, text)


class Measures:
    """Measures a task's statements on the target, over all of its runs."""

    def __init__(self) -> None:
        self._slowest = 0.0
        self._running_since: float | None = None
        self.deadlocks = 0

    @contextmanager
    def statement(self) -> Iterator[None]:
        """Measure the execution of one statement."""
        self._running_since = started = time.monotonic()
        try:
            yield
        finally:
            # A reset during the statement has moved its beginning.
            self._slowest = max(self._slowest, time.monotonic() - (self._running_since or started))
            self._running_since = None

    @property
    def slowest(self) -> float:
        """Return the longest time of one statement in seconds, including one that still runs."""
        since = self._running_since
        return max(self._slowest, time.monotonic() - since) if since else self._slowest

    def reset(self) -> None:
        """Forget the slowest statement so far."""
        self._slowest = 0.0
        if self._running_since:
            self._running_since = time.monotonic()


@dataclass(frozen=True)
class Job:
    """What an engine is to do; ``start_type`` is start-replication, resume-processing or reload-target.

    ``resource`` is the end of the task's ARN, ``server`` the instance that it runs on, ``version`` its engine version.
    """

    task: str
    resource: str
    server: str
    version: str
    created: datetime
    source: Endpoint
    target: Endpoint
    mapping: TableMapping
    settings: dict[str, Any]
    start_type: str
    measures: Measures = field(default_factory=Measures)

    @property
    def validation(self) -> Mapping[str, Any]:
        """The ValidationSettings of a task that validates; empty for one that does not."""
        settings: Mapping[str, Any] = self.settings.get("ValidationSettings") or {}
        return settings if settings.get("EnableValidation") else {}

    @property
    def only_validates(self) -> bool:
        return bool(self.validation.get("ValidationOnly"))

    @property
    def control_schema(self) -> str:
        return str(self.settings["ControlTablesSettings"]["ControlSchema"] or "public")


class Engine(threading.Thread, ABC):
    """One run of a task. A new migration type is a subclass with ``work``, entered in ``tasks.ENGINES``.

    ``tables`` is the progress that DescribeTableStatistics shows. ``running`` and ``finish`` report back to the task;
    ``note`` reports progress that has to survive a restart. ``resumes``: if the stand-in is killed while the task runs,
    the task resumes after the restart.
    """

    resumes: ClassVar[bool] = False

    def __init__(
        self,
        job: Job,
        tables: dict[tuple[str, str], TableRun],
        faults: Faults,
        delays: Delays,
        running: Callable[[], None],
        note: Callable[[], None],
        finish: Callable[[Ending], None],
    ) -> None:
        super().__init__(name=f"dms-{job.task}", daemon=True)
        self.job, self.tables, self.faults = job, tables, faults
        self.note = note
        self._delays, self._running, self._finish = delays, running, finish
        self.halt = threading.Event()
        self._connections: set[psycopg.Connection[Any]] = set()

    @staticmethod
    def kept(tables: dict[tuple[str, str], TableRun], start_type: str) -> dict[tuple[str, str], TableRun]:
        """Return the progress of earlier runs that a new one resumes."""
        return tables

    @staticmethod
    def discard(job: Job) -> None:
        """Remove what the runs of a task leave on its databases, when it is deleted. Raises psycopg.Error."""

    def prepare(self) -> None:
        """Do what has to be done before the task counts as running. Raises what ``work`` raises."""

    def stop(self) -> None:
        """Request a stop. Soon after, the run ends as stopped / NORMAL, even in the middle of a statement."""
        self.halt.set()

    def pause(self, seconds: float) -> None:
        """Wait for some seconds. Raises Stopped as soon as a stop is requested."""
        if self.halt.wait(seconds):
            raise Stopped

    @abstractmethod
    def reload(self, runs: Sequence[TableRun], option: str) -> str | None:
        """Ask the run to load tables again (data-reload) or to validate them again (validate-only).

        Returns why that is not possible; None if it will be done.
        """

    @abstractmethod
    def work(self) -> Ending:
        """Do the job. Raises Stopped when ``halt`` is set, TaskFailed when the task cannot go on."""

    def run(self) -> None:
        try:
            self.pause(self._delays.start)
            self.prepare()
            self._running()
            ending = self.work()
        except Stopped:
            time.sleep(self._delays.stop)
            ending = Ending("stopped", "Stop Reason NORMAL")
        except TaskFailed as error:
            ending = Ending.fatal(str(error))
        except psycopg.Error as error:
            ending = Ending.fatal(f"{self.cleaned(error)} Task error notification received from subtask 0, thread 0.")
        except Exception as error:
            _log.exception("The engine of task %s broke.", self.job.task)
            ending = Ending.fatal(f"Internal error {type(error).__name__}.")
        _log.info("Task %s ended: %s, %s", self.job.task, ending.status, ending.stop_reason)
        self._finish(ending)

    @contextmanager
    def connected(self, endpoint: Endpoint) -> Iterator[psycopg.Connection[Any]]:
        """Connect, so that ``cancel_statements`` reaches the connection. On the target, first run the endpoint's
        AfterConnectScript, if that is allowed.
        """
        with psycopg.connect(endpoint.conninfo(), autocommit=True, connect_timeout=10) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            if endpoint.type == "target" and (script := endpoint.setting("AfterConnectScript")):
                try:
                    connection.execute(str(script).encode())
                except psycopg.errors.InsufficientPrivilege:
                    _log.info("Endpoint %s may not run its AfterConnectScript.", endpoint.identifier)
            self._connections.add(connection)
            try:
                yield connection
            finally:
                self._connections.discard(connection)

    def cancel_statements(self) -> None:
        """Cancel the statements that run right now. A statement may begin right after a cancel that came too early."""
        for connection in list(self._connections):
            with suppress(psycopg.Error):
                connection.cancel_safe(timeout=5)

    def cleaned(self, error: Exception) -> str:
        """Return the error in one line without either password."""
        once = Exception(self.job.source.without_password(error))
        return self.job.target.without_password(once)
