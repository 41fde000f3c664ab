"""Runs the strategies in turn on fresh copies of the same data, with or without a writer beside them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType

import psycopg

from benchmarks.orders import Case, Cases, Copy, count_wrong
from benchmarks.statements import run
from benchmarks.strategies import STRATEGIES, Strategy
from benchmarks.writer import Writer, Written

_HOT_KEYS = 500
_LOOK_SECONDS = 0.02
# A server process reports its counters when it ends, which may be a moment after its client has gone.
_COUNTERS_SECONDS = 0.1

Say = Callable[[str], None]


@dataclass
class Run:
    """One merge: wall seconds, bytes of WAL, dead rows it left, and what was wrong afterwards.

    With a writer: its transactions' seconds, its errors by SQLSTATE, how often and how long at most it waited for a
    lock (seconds, as seen every 20 ms), and deadlocks of the database.
    """

    strategy: str
    seconds: float
    wal_bytes: int
    dead_rows: int
    wrong: dict[str, int]
    error: str | None = None
    cdc_seconds: list[float] = field(default_factory=list)
    cdc_errors: dict[str, int] = field(default_factory=dict)
    lock_waits: int = 0
    deadlocks: int = 0


def measure(
    cases: Cases, case: Case, names: Sequence[str], repetitions: int, say: Say, *, beside_cdc: bool = False
) -> list[Run]:
    """Round-robin over the strategies, each repetition on a copy of its own."""
    template = cases.prepare(case)
    runs = []
    for repetition in range(repetitions):
        for name in names:
            copy = cases.copy(template)
            try:
                runs.append(_run(copy, STRATEGIES[name], repetition if beside_cdc else None))
            finally:
                cases.drop(copy)
            say(f"{case}{' beside CDC' if beside_cdc else ''}: {name} {runs[-1].seconds:.2f} s {runs[-1].error or ''}")
    cases.drop(template)
    return runs


def _run(copy: Copy, strategy: Strategy, seed: int | None) -> Run:
    with ExitStack() as stack:
        connection = stack.enter_context(copy.connect())
        writer = watch = None
        merge = strategy.prepare(copy)
        if seed is not None:
            keys = [key for (key,) in run(connection, "list_hot_keys", keys=_HOT_KEYS).fetchall()]
            writer = stack.enter_context(Writer(copy.server.url(copy.database), keys, seed))
            writer.start()
            watch = stack.enter_context(_Waits(copy, writer.pid))
        wal, dead, deadlocks = run(connection, "get_counters").fetchone() or (0, 0, 0)
        error = None
        began = time.perf_counter()
        try:
            merge()
        except psycopg.Error as failure:
            error = f"{failure.sqlstate} {type(failure).__name__}"
        seconds = time.perf_counter() - began
        written = writer.stop() if writer else Written()
        time.sleep(_COUNTERS_SECONDS)
        wal_now, dead_now, deadlocks_now = run(connection, "get_counters").fetchone() or (0, 0, 0)
        wrong = count_wrong(connection, list(written.versions))
        if written.versions and (lost := _rolled_back(connection, written)):
            wrong["overwritten"] = lost
        return Run(
            strategy=strategy.name,
            seconds=seconds,
            wal_bytes=int(wal_now - wal),
            dead_rows=dead_now - dead,
            wrong=wrong,
            error=error,
            cdc_seconds=written.seconds,
            cdc_errors=dict(written.errors),
            lock_waits=len(watch.seen) if watch else 0,
            deadlocks=deadlocks_now - deadlocks,
        )


def _rolled_back(connection: psycopg.Connection[object], written: Written) -> int:
    found = run(
        connection, "count_rolled_back", keys=list(written.versions), versions=list(written.versions.values())
    ).fetchone()
    assert found is not None
    return int(found[0])


class _Waits:
    """Notes each wait of a session for a lock that lasts long enough to be seen; a context manager."""

    def __init__(self, copy: Copy, pid: int) -> None:
        self._copy, self._pid = copy, pid
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.seen: set[datetime] = set()

    def __enter__(self) -> _Waits:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        with self._copy.connect() as connection:
            while not self._ended.wait(_LOOK_SECONDS):
                self.seen.update(at for (at,) in run(connection, "list_waits", pid=self._pid).fetchall() if at)
