"""Runs SQL in a separate thread, so that the calling thread can be interrupted while a statement waits.

Dagster ends a run by an exception from a signal handler. Such an exception reaches Python code only, and not a thread
that waits for the server: https://www.psycopg.org/psycopg3/docs/api/connections.html#psycopg.Connection.cancel_safe
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from psycopg import Connection

_POLL_SECONDS = 0.1
_CANCEL_SECONDS = 5.0

T = TypeVar("T")


def run_cancellable(connection: Connection[Any], work: Callable[[threading.Event], T]) -> T:
    """Run ``work`` in a thread, and return or raise what it does. Its event is set when it must end without retrying.

    An exception in the calling thread cancels the statement on the connection. It is raised once the work has ended,
    which by then was rolled back or, if the cancel came too late, committed.
    """
    future: Future[T] = Future()
    stop, done = threading.Event(), threading.Event()

    def body() -> None:
        try:
            future.set_result(work(stop))
        except BaseException as error:  # The calling thread raises it.
            future.set_exception(error)
        finally:
            done.set()

    # Not Thread.join: once it was interrupted, some versions of Python take the thread for ended.
    threading.Thread(target=body, name="reload_assets merge", daemon=True).start()
    try:
        while not done.wait(_POLL_SECONDS):
            pass
    except BaseException:
        stop.set()
        while not done.is_set():
            # A cancel between two statements has no effect, so it is sent until the work has ended. A second
            # interrupt must not leave the transaction running.
            with contextlib.suppress(BaseException):
                connection.cancel_safe(timeout=_CANCEL_SECONDS)
            with contextlib.suppress(BaseException):
                done.wait(_POLL_SECONDS)
        raise
    return future.result()
