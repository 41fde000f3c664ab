"""Describes the error that ended a step of a reload."""

from __future__ import annotations

import psycopg

from reload_assets.errors import ReloadError
from reload_assets.errors.target import SessionLost, StatementRefused


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
