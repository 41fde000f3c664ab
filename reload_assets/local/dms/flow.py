"""The rows of a COPY on their way, straight from and to libpq: as fast as psql, in the memory of one chunk."""

from __future__ import annotations

import selectors
from collections.abc import Callable
from types import TracebackType
from typing import Any

import psycopg
from psycopg import errors, pq

_WAIT_SECONDS = 0.1


class CopiedRows:
    """The rows that a COPY in the text format, begun on ``connection``, has still to give; a context manager.

    psycopg's own loop over a COPY starts a generator and a wait for every row, which cost more than the row.
    ``waiting`` is called before each wait for the source, which takes up to 0.1 s, and may raise.
    """

    def __init__(self, connection: psycopg.Connection[Any], waiting: Callable[[], None]) -> None:
        self._pgconn = connection.pgconn
        self._encoding = connection.info.encoding
        self._waiting = waiting
        self._readable = selectors.DefaultSelector()
        self._readable.register(self._pgconn.socket, selectors.EVENT_READ)
        self._ended = False

    def __enter__(self) -> CopiedRows:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._readable.close()

    def take(self, limit: int, size: int) -> tuple[bytearray, int]:
        """Return the next rows, at most ``limit`` and none after the one that fills ``size`` bytes, and how many they
        are.

        0 of them is the end. Raises psycopg.Error where the source fails.
        """
        # Joined at once: lists of a thousand rows bring the garbage collector, which costs more than reading them.
        rows, count = bytearray(), 0
        fetch = self._pgconn.get_copy_data
        while count < limit and len(rows) < size and not self._ended:
            # Without blocking (1), because libpq would wait with the interpreter's lock held: nothing else of this
            # process would run, and no stop would come through. In the text format each message is one row.
            length, row = fetch(1)
            if length > 0:
                rows += row
                count += 1
            elif length == 0:
                self._wait()
            else:
                self._end()
        return rows, count

    def _wait(self) -> None:
        self._waiting()
        if self._readable.select(_WAIT_SECONDS):
            self._pgconn.consume_input()

    def _end(self) -> None:
        self._ended = True
        failed = None
        while True:
            while self._pgconn.is_busy():
                self._wait()
            result = self._pgconn.get_result()
            if result is None:
                break
            if result.status != pq.ExecStatus.COMMAND_OK:
                failed = failed or errors.error_from_result(result, self._encoding)
        if failed:
            raise failed


class Outflow:
    """What was written to ``connection`` and is not sent yet; a context manager.

    libpq keeps all that the server has not taken, and psycopg need not wait for it: up to 3.2 it never does, so that a
    whole COPY may lie in memory. ``waiting`` is called before each wait for the target, as for ``CopiedRows``.
    """

    def __init__(self, connection: psycopg.Connection[Any], waiting: Callable[[], None]) -> None:
        self._pgconn = connection.pgconn
        self._waiting = waiting
        self._ready = selectors.DefaultSelector()
        self._ready.register(self._pgconn.socket, selectors.EVENT_READ | selectors.EVENT_WRITE)

    def __enter__(self) -> Outflow:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ready.close()

    def flush(self) -> None:
        """Wait until the server has taken all of it. Raises psycopg.Error where the connection is lost."""
        while self._pgconn.flush():
            self._waiting()
            for _, events in self._ready.select(_WAIT_SECONDS):
                if events & selectors.EVENT_READ:
                    self._pgconn.consume_input()
