"""Runs SQL in a thread of its own, so that the calling thread can be interrupted while a statement waits.

A signal handler's exception (Dagster raises one to end a run) reaches Python code only, never a thread that waits for
the server: https://www.psycopg.org/psycopg3/docs/api/connections.html#psycopg.Connection.cancel_safe
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
    """Return what ``work`` returns or raises. It gets an event that is set when it has to end without trying again.

    Any exception in the calling thread cancels the statement on the connection and waits for the work to end, which
    then has been rolled back or, too late, committed; it comes out after that.
    """
    future: Future[T] = Future()
    stop, done = threading.Event(), threading.Event()

    def body() -> None:
        try:
            future.set_result(work(stop))
        except BaseException as error:  # carried over to the calling thread
            future.set_exception(error)
        finally:
            done.set()

    # Not Thread.join: once it has been interrupted, some versions of Python hold the thread for ended.
    threading.Thread(target=body, name="reload_assets merge", daemon=True).start()
    try:
        while not done.wait(_POLL_SECONDS):
            pass
    except BaseException:
        stop.set()
        while not done.is_set():
            # A cancel that comes between two statements hits nothing, so it is sent until the work has ended. A second
            # interrupt must not leave the transaction running.
            with contextlib.suppress(BaseException):
                connection.cancel_safe(timeout=_CANCEL_SECONDS)
            with contextlib.suppress(BaseException):
                done.wait(_POLL_SECONDS)
        raise
    return future.result()
