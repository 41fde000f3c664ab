"""Runs transactions that give way to other sessions, and tries them again."""

from __future__ import annotations

import logging
from collections.abc import Callable
from types import TracebackType
from typing import Any, TypeVar

from psycopg import Connection, errors

from reload_assets.postgres.connection import TargetDatabase
from reload_assets.postgres.session import set_up
from reload_assets.postgres.stall_watch import StallWatch
from reload_assets.retries import AFTER_CONTENTION, pause, try_again

_LOG = logging.getLogger(__name__)

T = TypeVar("T")


class Contention(Exception):
    """A concurrent writer changed what this transaction relied on, so it is tried again from the start."""


_MET = (errors.SerializationFailure, errors.DeadlockDetected, errors.LockNotAvailable, Contention)


class Contended(Exception):
    """A transaction met another session at each of its attempts.

    ``met``: the last error. ``yielded``: that error was a cancel, because another session had waited too long.
    """

    def __init__(self, met: Exception, *, yielded: bool) -> None:
        super().__init__(str(met))
        self.met, self.yielded = met, yielded


class Transactions:
    """Runs the transactions of one connection, and tries them again if they met another session. A context manager.

    A transaction waits for any one lock for ``lock_timeout_ms`` milliseconds at most. Inside the context, a statement
    is cancelled if another session has waited for this one for ``stall_limit_ms`` milliseconds. After a lock timeout, a
    cancel, a deadlock, a serialization failure or a Contention, the transaction is rolled back and tried again:
    ``attempts`` times in all.
    """

    def __init__(
        self,
        target: TargetDatabase,
        connection: Connection[Any],
        *,
        lock_timeout_ms: int,
        stall_limit_ms: int,
        attempts: int,
    ) -> None:
        self._connection = connection
        self._lock_timeout_ms, self._stall_limit_ms, self._attempts = lock_timeout_ms, stall_limit_ms, attempts
        self._watch = StallWatch(target, connection, stall_limit_ms)

    def __enter__(self) -> Transactions:
        self._watch.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._watch.__exit__(kind, error, trace)

    def run(
        self,
        title: str,
        work: Callable[[], T],
        *,
        after_contention: Callable[[], None] = lambda: None,
        foreign_key_attempts: int = 1,
        sleep: Callable[[float], None] = pause,
    ) -> T:
        """Do some work in a separate transaction, commit it and return what the work returned.

        ``title`` begins the lines of the log. ``after_contention`` is called after each rollback because of another
        session. A foreign key violation counts as one too, for ``foreign_key_attempts`` attempts: the parent may have
        been deleted since it was looked for. Raises Contended after the last attempt, and what the work raises.
        """
        attempt = 0

        def once() -> T:
            nonlocal attempt
            attempt += 1
            try:
                with self._connection.transaction():
                    set_up(self._connection, self._lock_timeout_ms, self._stall_limit_ms)
                    return work()
            except (*_MET, errors.QueryCanceled, errors.ForeignKeyViolation) as error:
                yielded = self._watch.tripped
                self._watch.reset()
                if isinstance(error, errors.QueryCanceled) and not yielded:
                    raise
                if isinstance(error, errors.ForeignKeyViolation) and attempt >= foreign_key_attempts:
                    raise
                after_contention()
                raise Contended(error, yielded=yielded) from error

        def log(number: int, error: BaseException) -> None:
            _LOG.info("%s: attempt %d met %s", title, number, error)

        return try_again(once, Contended, AFTER_CONTENTION, self._attempts, before_pause=log, sleep=sleep)
