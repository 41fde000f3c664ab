"""Moves the rows of a COPY directly from and to libpq: as fast as psql, in the memory of one chunk."""

from __future__ import annotations

import selectors
from collections.abc import Callable
from types import TracebackType
from typing import Any

import psycopg
from psycopg import errors, pq

_WAIT_SECONDS = 0.1


class CopiedRows:
    """The remaining rows of a COPY in text format that was begun on ``connection``; a context manager.

    psycopg's own loop over a COPY starts a generator and a wait for every row, which costs more than the row itself.
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
        """Return the next rows and their number: at most ``limit``, and none after the one that fills ``size`` bytes.

        0 rows mean the end. Raises psycopg.Error if the source fails.
        """
        # Joined at once: lists of a thousand rows start the garbage collector, which costs more than reading the rows.
        rows, count = bytearray(), 0
        fetch = self._pgconn.get_copy_data
        while count < limit and len(rows) < size and not self._ended:
            # Without blocking (1), because libpq would wait with the interpreter's lock held: no other thread would
            # run, and no stop would take effect. In the text format each message is one row.
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
    """The rows that were written to ``connection`` and are not sent yet; a context manager.

    libpq buffers everything that the server has not taken yet. psycopg does not have to wait for it, and up to 3.2 it
    never does, so a whole COPY could be kept in memory. ``waiting`` is called before each wait for the target, as for
    ``CopiedRows``.
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
        """Wait until the server has taken everything. Raises psycopg.Error if the connection is lost."""
        while self._pgconn.flush():
            self._waiting()
            for _, events in self._ready.select(_WAIT_SECONDS):
                if events & selectors.EVENT_READ:
                    self._pgconn.consume_input()
