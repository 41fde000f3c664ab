"""Describes the error that ended a step of a reload, or a tick."""

from __future__ import annotations

from types import TracebackType

import psycopg

from reload_assets.errors import ReloadError
from reload_assets.errors.target import SessionLost, StatementRefused


class ReadableError(Exception):
    """One sentence for a person who reads it in the Dagster UI, which shows no stack trace below it.

    The UI shows the traceback of an error that ended a step. The sentence says all that a user needs, and the
    frames would only hide it. Python's own report of an uncaught error still has them.
    """

    @property
    def __traceback__(self) -> TracebackType | None:
        """None, no matter where the error was raised."""
        return None

    @__traceback__.setter
    def __traceback__(self, traceback: TracebackType | None) -> None:
        """Ignore what contextlib sets."""


def describe(error: BaseException) -> str:
    """Return one sentence for the ledger, with its code. It is never a traceback, which could show values."""
    if isinstance(error, ReloadError):
        return str(error)
    if isinstance(error, psycopg.Error):
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        if isinstance(error, psycopg.OperationalError) and error.sqlstate in (None, "25P03"):
            return str(SessionLost(said))
        return str(StatementRefused(said))
    return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no message'}"
