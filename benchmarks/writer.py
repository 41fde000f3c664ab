"""Writes like CDC beside a merge, from a process of its own, and notes how late each transaction was committed."""

from __future__ import annotations

import multiprocessing
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from multiprocessing.connection import Connection as Pipe
from types import TracebackType
from typing import Any

import psycopg

# One transaction is due each time, whether or not those before it have been held up.
_PACE_SECONDS = 0.005
_SEVERAL_ROWS = 6
_SHARE_OF_SEVERAL = 0.3
_UPSERT = (
    "INSERT INTO production.orders (order_id, customer_id, status, amount, note, created_at, updated_at) "
    "VALUES (%s, 1, 'cdc', 1, 'cdc', '2024-01-01', %s) "
    "ON CONFLICT (order_id) DO UPDATE SET status = 'cdc', updated_at = excluded.updated_at"
)
# Later than every window: whatever the writer writes is the newest version of its row.
_FIRST_VERSION = datetime(2101, 1, 1)


@dataclass
class Written:
    """What the writer did between ``start`` and ``stop``.

    ``seconds``: from when a transaction was due until it was committed, each; a transaction that others before it held
    up is late, as a change is that CDC brings. ``errors``: the SQLSTATEs of those that failed. ``versions``: the
    version that was committed last, by key.
    """

    seconds: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    versions: dict[int, datetime] = field(default_factory=dict)


class Writer:
    """A context manager: connected and waiting inside. Single rows, and several in one transaction in no order."""

    def __init__(self, url: str, keys: list[int], seed: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(theirs, url, keys, seed), daemon=True)
        self.pid = 0

    def __enter__(self) -> Writer:
        self._process.start()
        self.pid = self._pipe.recv()
        return self

    def start(self) -> None:
        """Begin to write."""
        self._pipe.send("start")
        # The first transactions are over: what follows is the writer at its pace.
        self._pipe.recv()

    def stop(self) -> Written:
        """End after the transactions that are due by now."""
        self._pipe.send("stop")
        written: Written = self._pipe.recv()
        return written

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # SIGKILL, because a process that inherits an ignored SIGTERM would not end.
        self._process.kill()
        self._process.join()


def _work(pipe: Pipe, url: str, keys: list[int], seed: int) -> None:
    draw = random.Random(seed)
    with psycopg.connect(url, application_name="cdc") as connection:
        pipe.send(connection.info.backend_pid)
        pipe.recv()
        version = _FIRST_VERSION
        warm, written = Written(), Written()
        for number in range(20):
            version += timedelta(milliseconds=1)
            _transaction(connection, [keys[number % len(keys)]], version, warm, time.perf_counter())
        written.versions.update(warm.versions)
        pipe.send("warm")
        due = time.perf_counter()
        stopped: float | None = None
        # What was due when the merge ended is written all the same: it is late.
        while stopped is None or due < stopped:
            version += timedelta(milliseconds=1)
            several = draw.random() < _SHARE_OF_SEVERAL
            _transaction(connection, draw.sample(keys, _SEVERAL_ROWS if several else 1), version, written, due)
            due += _PACE_SECONDS
            if stopped is None and pipe.poll():
                pipe.recv()
                stopped = time.perf_counter()
            time.sleep(max(0.0, min(due, stopped or due) - time.perf_counter()))
        pipe.send(written)
        pipe.recv()


def _transaction(
    connection: psycopg.Connection[Any], keys: list[int], version: datetime, written: Written, due: float
) -> None:
    try:
        for key in keys:
            connection.execute(_UPSERT, (key, version))
        connection.commit()
    except psycopg.Error as error:
        connection.rollback()
        written.errors[error.sqlstate or "connection"] += 1
        return
    written.seconds.append(time.perf_counter() - due)
    written.versions.update(dict.fromkeys(keys, version))
