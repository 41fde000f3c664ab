"""Cancels the merge's statement if another session waits too long for its locks, so that the merge yields."""

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
# How many checks to make within the time of the limit.
_LOOKS = 8


class StallWatch:
    """Watches one connection from another one. A context manager.

    When a session has waited for ``limit_ms`` milliseconds for a lock of the watched one, the statement that runs there
    is cancelled (QueryCanceled), and ``tripped`` is true until ``reset``.
    """

    def __init__(self, target: TargetDatabase, watched: Connection[Any], limit_ms: int) -> None:
        self._target, self._watched, self._limit_ms = target, watched, limit_ms
        self._pid = watched.info.backend_pid
        self._ended = threading.Event()
        self._tripped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="reload_assets stall watch", daemon=True)

    @property
    def tripped(self) -> bool:
        """Whether the watched session had to yield."""
        return self._tripped.is_set()

    def reset(self) -> None:
        """Clear ``tripped``, since the transaction is over."""
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
        # The next check would come too late for a wait that exceeds the limit by then, so the merge yields now.
        pause = self._limit_ms / _LOOKS
        try:
            with self._target.connect(autocommit=True) as connection:
                while not self._ended.wait(pause / 1000):
                    row = run(connection, "stall_watch", pid=self._pid).fetchone()
                    if row is not None and row[0] + pause >= self._limit_ms:
                        self._yield()
        except (psycopg.Error, TargetError):
            # The merge continues: lock_timeout limits its own waits, and a lost server ends it anyway.
            _LOG.warning("nobody watches how long others wait for the merge", exc_info=True)

    def _yield(self) -> None:
        self._tripped.set()
        with contextlib.suppress(psycopg.Error):
            self._watched.cancel_safe(timeout=_CANCEL_SECONDS)
