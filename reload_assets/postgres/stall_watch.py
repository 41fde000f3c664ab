"""Sees to it that the merge is the one that yields: nobody waits for its locks longer than a limit."""

from __future__ import annotations

import contextlib
import logging
import threading
from types import TracebackType
from typing import Any

import psycopg
from psycopg import Connection

from reload_assets.errors import TargetError
from reload_assets.postgres.connection import TargetDatabase
from reload_assets.postgres.statements import run

_LOG = logging.getLogger(__name__)
_CANCEL_SECONDS = 5.0
# How often in a limit's time it is looked: what somebody waits beyond the limit is at most one look.
_LOOKS = 8


class StallWatch:
    """Watches one connection from another one while it is open; a context manager.

    When some session has waited for ``limit_ms`` milliseconds for a lock of the watched one, the statement that runs
    there is cancelled (QueryCanceled) and ``tripped`` is true until ``reset``.
    """

    def __init__(self, target: TargetDatabase, watched: Connection[Any], limit_ms: int) -> None:
        self._target, self._watched, self._limit_ms = target, watched, limit_ms
        self._pid = watched.info.backend_pid
        self._ended = threading.Event()
        self._tripped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="reload_assets stall watch", daemon=True)

    @property
    def tripped(self) -> bool:
        """Whether the merge has been asked to yield."""
        return self._tripped.is_set()

    def reset(self) -> None:
        """The transaction is over; the next one begins without blame."""
        self._tripped.clear()

    def __enter__(self) -> StallWatch:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        # Whoever sees a wait of this age by the next look only would be late.
        pause = self._limit_ms / _LOOKS
        try:
            with self._target.connect(autocommit=True) as connection:
                while not self._ended.wait(pause / 1000):
                    row = run(connection, "stall_watch", pid=self._pid).fetchone()
                    if row is not None and row[0] + pause >= self._limit_ms:
                        self._yield()
        except (psycopg.Error, TargetError):
            # The merge goes on: its own locks are bounded by lock_timeout, and a lost server ends it anyway.
            _LOG.warning("nobody watches how long others wait for the merge", exc_info=True)

    def _yield(self) -> None:
        self._tripped.set()
        with contextlib.suppress(psycopg.Error):
            self._watched.cancel_safe(timeout=_CANCEL_SECONDS)
