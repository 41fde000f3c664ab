"""The bases of every error that a user is meant to read. They are what callers catch; only their leaves are raised.

A leaf is one situation: its stable ``code`` stands behind the sentence, in the ledger and in a check's metadata. The
leaves are in the modules of this package, by area; ``docs/troubleshooting.md`` is generated from them.

No message here ever holds a password: connections are named by host, port, database and user.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

_CODE = re.compile(r"\[([a-z0-9]+(?:-[a-z0-9]+)+)\]")


def closest(wrong: str, known: Iterable[str]) -> str | None:
    """Return the known word that was probably meant, whatever its case; None where none is near."""
    by_folded = {word.casefold(): word for word in known}
    near = difflib.get_close_matches(wrong.casefold(), by_folded, n=1)
    return by_folded[near[0]] if near else None


def did_you_mean(wrong: str, known: Iterable[str]) -> str:
    """Return the end of a sentence: ``; did you mean 'x'?`` for the closest known word, or all known words."""
    words = sorted(known)
    if meant := closest(wrong, words):
        return f"; did you mean {meant!r}?"
    return f"; there are {', '.join(words)}." if words else "."


def in_brackets(reason: str) -> str:
    """Return `` (reason)``, or nothing for an empty reason."""
    return f" ({reason})" if reason else ""


def without_secret(text: str, secret: str | None) -> str:
    """Return a driver's words without a password, which none of them is known to say.

    A word of a few letters stays: it may stand in any sentence, and the gap would tell it.
    """
    told_by_the_gap = secret is None or len(secret) < 8 or secret.isalpha()
    return text if told_by_the_gap or secret is None else text.replace(secret, "***")


def code_of(text: str) -> str | None:
    """Return the code at the end of an error's text, as it is in the ledger; None for a text without one."""
    found = _CODE.findall(text)
    return found[-1] if found else None


def sample(**fields: Any) -> Mapping[str, Any]:
    """Return the fields of an example of an error, for the page about errors."""
    return fields


class ReloadError(Exception):
    """The base of all. ``sentence`` names the thing, the place and the fix; ``str`` puts the code behind it.

    A leaf has a docstring whose first sentence says when it happens, a ``code``, ``advice`` on what to do, and an
    ``example``: the fields with which the page about errors makes one.
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
    """The source could not be read: not reached, login refused, not a primary, or a table or column is not there."""


class LedgerError(ReloadError):
    """The ledger has no such reload, or the reload is not in the state that the step needs."""


class ReloadRefused(ReloadError):
    """A guard refused the step; nothing was changed."""


class NeverMergeable(ReloadRefused):
    """A refusal that no second try can fix: the reload is over, its window has to be loaded again."""


class TableChanged(ReloadRefused):
    """A table is no longer as it was when the reload was opened; its staged rows may not fit it."""


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


class DmsRefusal(DmsError):
    """DMS answered a call with an error; ``fault`` is its name on the wire."""

    def __init__(self, sentence: str, fault: str) -> None:
        super().__init__(sentence)
        self.fault = fault


class LoadFailed(DmsError):
    """The one-time load ended without loading every table whole."""
