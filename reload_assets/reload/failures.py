"""What is said of an error that ends a step of a reload."""

from __future__ import annotations

import psycopg

from reload_assets.errors import ReloadError


def describe(error: BaseException) -> str:
    """One sentence for the ledger; never a traceback, which could show values."""
    if isinstance(error, ReloadError):
        return str(error)
    if isinstance(error, psycopg.Error):
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        if isinstance(error, psycopg.OperationalError) and error.sqlstate in (None, "25P03"):
            return (
                f"The session on the target database was lost in the middle of this step ({said}); see whether the "
                "server was restarted, the network cut, or this process paused, and launch the window again."
            )
        return f"The target database refused a statement of this step: {said}; fix that and launch the window again."
    return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no message'}"
