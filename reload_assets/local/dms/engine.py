"""What every engine shares: a thread that takes a task from ``starting`` to its end."""

from __future__ import annotations

import logging
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psycopg

from reload_assets.local.dms.faults import Faults
from reload_assets.local.dms.mapping import TableMapping
from reload_assets.local.dms.records import Endpoint, TableRun

_log = logging.getLogger(__name__)


class Stopped(Exception):
    """The task was stopped, or is given up because another of its tables failed."""


class TaskFailed(Exception):
    """The whole task ends as ``failed`` with this text."""


@dataclass(frozen=True)
class Delays:
    """How long a task stays in its passing states, in seconds."""

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


@dataclass(frozen=True)
class Job:
    """What an engine is to do; ``start_type`` is start-replication, resume-processing or reload-target."""

    task: str
    source: Endpoint
    target: Endpoint
    mapping: TableMapping
    settings: dict[str, Any]
    start_type: str


class Engine(threading.Thread, ABC):
    """One run of a task. A new migration type is a subclass with ``work``, entered in ``tasks.ENGINES``.

    ``tables`` is the progress that DescribeTableStatistics shows; ``running`` and ``finish`` report back to the task.
    """

    def __init__(
        self,
        job: Job,
        tables: dict[tuple[str, str], TableRun],
        faults: Faults,
        delays: Delays,
        running: Callable[[], None],
        finish: Callable[[Ending], None],
    ) -> None:
        super().__init__(name=f"dms-{job.task}", daemon=True)
        self.job, self.tables, self.faults = job, tables, faults
        self._delays, self._running, self._finish = delays, running, finish
        self.halt = threading.Event()

    def stop(self) -> None:
        """Ask for an end; the run ends as stopped / NORMAL soon after, also in the middle of a statement."""
        self.halt.set()

    def pause(self, seconds: float) -> None:
        """Wait so long. Raises Stopped as soon as the run is to end."""
        if self.halt.wait(seconds):
            raise Stopped

    @abstractmethod
    def work(self) -> Ending:
        """Do the job. Raises Stopped when ``halt`` is set, TaskFailed when the task cannot go on."""

    def run(self) -> None:
        try:
            self.pause(self._delays.start)
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

    def cleaned(self, error: Exception) -> str:
        """The error in one line without either password."""
        once = Exception(self.job.source.without_password(error))
        return self.job.target.without_password(once)
