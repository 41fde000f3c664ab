"""What can go wrong, each said in one sentence that names the thing, the place and the fix.

No message here ever holds a password: connections are named by host, port, database and user.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def closest(wrong: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant, whatever its case; None where none is near."""
    by_folded = {word.casefold(): word for word in known}
    near = difflib.get_close_matches(wrong.casefold(), by_folded, n=1)
    return by_folded[near[0]] if near else None


class ReloadError(Exception):
    """The base of every error that a user is meant to read."""


class ConfigError(ReloadError):
    """``reload.yaml`` or the environment it refers to is wrong; the message names file, field, value and fix."""


class WindowError(ReloadError):
    """A partition key or a pair of instants is not a window that can be reloaded."""


class DatabaseUnreachable(ReloadError):
    """The target could not be reached, or refused the login."""


class SourceUnavailable(ReloadError):
    """The source could not be read: not reached, login refused, no primary, or a table or column is not there."""


class LedgerError(ReloadError):
    """The ledger holds no such reload, or the reload is not in the state that the step needs."""


class ReloadRefused(ReloadError):
    """A guard refused to go on; nothing was changed."""


class TableChanged(ReloadRefused):
    """A table is not any more as it was when the reload was opened; its staged rows may not fit it."""


class MergeFailed(ReloadError):
    """The merge transaction was rolled back: production refused a row, or contention outlived the retries."""


class MappingError(ReloadError):
    """A table mapping has a mistake that DMS would accept silently or refuse unclearly."""


class CdcNotReady(ReloadError):
    """The CDC task does not run, lags too much, or does not say how far it is; the step may succeed later."""


class DmsError(ReloadError):
    """DMS refused a call or answered something that cannot be used."""


class DmsUnreachable(DmsError):
    """DMS did not answer, or throttled past the limit; the same step may succeed when tried again."""


class LoadFailed(DmsError):
    """The one-time load ended without loading every table whole."""


class SweepIncomplete(ReloadError):
    """Something that a dead run left behind could not be cleaned; the next sweep tries again."""
