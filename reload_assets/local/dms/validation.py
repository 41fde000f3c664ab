"""The validation of a loaded table, and what every validation shares: limits and refusals."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg

from reload_assets.local.dms.comparison import Comparison, Difference, NoKey
from reload_assets.local.dms.copying import TableFailed
from reload_assets.local.dms.engine import Engine, Job
from reload_assets.local.dms.failure_table import FailureTable
from reload_assets.local.dms.mapping import Selection
from reload_assets.local.dms.records import TableRun

_log = logging.getLogger(__name__)

_TOO_MANY = "Validation is suspended: more records failed than FailureMaxCount or TableFailureMaxCount allow."


class Limits:
    """How many rows may fail before validation is suspended: TableFailureMaxCount of a table, FailureMaxCount of all.

    ``unlimited`` is for a full-load task that only validates, which the service never suspends.
    """

    def __init__(self, job: Job, *, unlimited: bool = False) -> None:
        self._lock = threading.Lock()
        self._unlimited, self._is_over = unlimited, False
        self._of_table, self._left = job.validation["TableFailureMaxCount"], job.validation["FailureMaxCount"]

    def room(self, run: TableRun) -> int | None:
        """Return how many more rows of a table may fail; None for any number."""
        return None if self._unlimited else max(0, min(self._of_table - run.validation.failed, self._left))

    def take(self, run: TableRun, differences: Sequence[Difference]) -> Sequence[Difference]:
        """Count rows as failed, as far as there is room. Returns those that were counted."""
        with self._lock:
            counted = differences[: self.room(run)]
            run.validation.failed += len(counted)
            self._left -= len(counted)
            self._is_over = self._is_over or (self._left <= 0 and len(counted) < len(differences))
            return counted

    @property
    def is_over(self) -> bool:
        """Whether more rows of the task failed than may, so that nothing more is validated."""
        return self._is_over and not self._unlimited and self._left <= 0

    def give(self, run: TableRun, rows: int) -> None:
        """Count some rows of a table as failed no more."""
        with self._lock:
            run.validation.failed = max(0, run.validation.failed - rows)
            self._left += rows


def validate(
    source: psycopg.Connection[Any],
    target: psycopg.Connection[Any],
    selection: Selection,
    run: TableRun,
    engine: Engine,
    limits: Limits,
) -> None:
    """Compare all rows of a table once. Rows that differ have failed at once. Raises Stopped."""
    validation = run.validation
    limits.give(run, validation.failed)
    if run.state == "Table error":
        validation.give_up("Table error")
        return
    validation.begin("Preparing table")
    with refusals(run, engine):
        comparison = Comparison(source, target, selection, engine.job)
        failures = FailureTable(target, engine.job)
        validation.pending = comparison.whole(lambda: engine.pause(0))
        validation.state = "Pending records"
        if limits.is_over:
            suspend(run, validation.pending, failures, comparison)
            return
        room = limits.room(run)
        found = comparison.differences(everywhere=True, most=None if room is None else room + 1)
        counted = limits.take(run, found)
        failures.add(comparison.owner, comparison.table, counted)
        if len(counted) < len(found):
            suspend(run, comparison.rows_from(found[len(counted)].key), failures, comparison)
        else:
            validation.pending = 0
            validation.judge()


def suspend(run: TableRun, rest: int, failures: FailureTable, comparison: Comparison) -> None:
    """Give up the ``rest`` of a table's records, because too many failed."""
    run.validation.pending = 0
    run.validation.suspended += max(rest, 1)
    run.validation.details = _TOO_MANY
    run.validation.judge()
    failures.warn(comparison.owner, comparison.table, _TOO_MANY)


@contextmanager
def refusals(run: TableRun, engine: Engine) -> Iterator[None]:
    """Note on the table why it cannot be validated. Raises Stopped if the cause is that the task is stopped, and
    psycopg.OperationalError if a connection is lost.
    """
    try:
        yield
    except NoKey:
        run.validation.give_up("No primary key")
    except psycopg.OperationalError:
        engine.pause(0)
        raise
    except (psycopg.Error, TableFailed) as error:
        why = engine.cleaned(error)
        _log.warning("Task %s cannot validate '%s'.'%s': %s", engine.job.task, run.schema, run.table, why)
        run.validation.give_up("Error", why)
