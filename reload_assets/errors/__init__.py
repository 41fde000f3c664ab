"""The base classes of all errors that users read. Callers catch the bases; only leaf classes are raised.

A leaf class stands for one situation. Its stable ``code`` follows the sentence, and is in the ledger and in a check's
metadata. The modules of this package define the leaves, by area; ``docs/troubleshooting.md`` is generated from them.

No message ever holds a password: connections are named by host, port, database and user.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

_CODE = re.compile(r"\[([a-z0-9]+(?:-[a-z0-9]+)+)\]")
# Of a password: what is shorter may be part of a word.
_LEAST_SECRET = 8


def closest(wrong: str, known: Iterable[str]) -> str | None:
    """Return the known word that is most similar to ``wrong``, ignoring case; None if none is similar."""
    by_folded = {word.casefold(): word for word in known}
    near = difflib.get_close_matches(wrong.casefold(), by_folded, n=1)
    return by_folded[near[0]] if near else None


def did_you_mean(wrong: str, known: Iterable[str]) -> str:
    """Return the end of a sentence: ``; did you mean 'x'?`` with the closest known word, else all known words."""
    words = sorted(known)
    if meant := closest(wrong, words):
        return f"; did you mean {meant!r}?"
    return f"; there are {', '.join(words)}." if words else "."


def in_brackets(reason: str) -> str:
    """Return `` (reason)``, or nothing for an empty reason."""
    return f" ({reason})" if reason else ""


def without_secret(text: str, secret: str) -> str:
    """Return a driver's message without a password, in case the driver quotes it; no driver is known to.

    A short password, or a plain word, is not replaced: any sentence may have it, and the gap would show it.
    """
    return text if len(secret) < _LEAST_SECRET or secret.isalpha() else text.replace(secret, "***")


def code_of(text: str) -> str | None:
    """Return the code at the end of an error's text, such as one from the ledger; None for a text without one."""
    found = _CODE.findall(text)
    return found[-1] if found else None


def sample(**fields: Any) -> Mapping[str, Any]:
    """Return the arguments that make the example of an error on the page about errors."""
    return fields


class ReloadError(Exception):
    """The base class of all errors. ``sentence`` names the thing, the place and the fix; ``str`` appends the code.

    A leaf has a docstring whose first sentence says when it happens, a ``code``, ``advice`` on what to do, and an
    ``example``: the arguments with which the page about errors creates one.
    """

    code: ClassVar[str]
    advice: ClassVar[str]
    example: ClassVar[Mapping[str, Any]]

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence

    def __str__(self) -> str:
        return f"{self.sentence} [{self.code}]"


class ConfigError(ReloadError):
    """``reload.yaml``, the environment it refers to, or a table that it names is wrong.

    The sentence names the file and the field (``place``), then the ``problem`` with its fix.
    """

    def __init__(self, place: str, problem: str) -> None:
        super().__init__(f"{place}: {problem}{'' if problem.endswith(('?', '.')) else '.'}")


class WindowError(ReloadError):
    """A partition key or a pair of instants is not a window that can be reloaded."""


class TargetError(ReloadError):
    """The target database failed a step."""


class SourceUnavailable(ReloadError):
    """The source could not be read: unreachable, login refused, not a primary, or without the table or column."""


class LedgerError(ReloadError):
    """The ledger has no such reload, or the reload is not in the state that the step needs."""


class ReloadRefused(ReloadError):
    """A guard refused the step; nothing was changed."""


class NeverMergeable(ReloadRefused):
    """A refusal that no second try can fix: the reload is over, and its window has to be loaded again."""


class TableChanged(ReloadRefused):
    """A table has changed since the reload was opened; its staged rows may not fit it any more."""


class MergeFailed(ReloadError):
    """The merge transaction was rolled back: production refused a row, or every attempt met another transaction."""


class MappingError(ReloadError):
    """A table mapping has a mistake that DMS would accept silently or refuse unclearly."""


class CdcNotReady(ReloadError):
    """The CDC task does not run, lags too much, or does not report its position; the step may succeed later."""


class DmsError(ReloadError):
    """DMS refused a call, or its answer cannot be used."""


class DmsUnreachable(DmsError):
    """DMS did not answer, or throttled every attempt; the same step may succeed when it is tried again."""


class DmsRefusal(DmsError):
    """DMS answered a call with an error; ``fault`` is the error's name in the API."""

    def __init__(self, sentence: str, fault: str) -> None:
        super().__init__(sentence)
        self.fault = fault


class LoadFailed(DmsError):
    """The one-time load ended, and at least one table was not loaded completely."""
