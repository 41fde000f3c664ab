"""What the name of a column says about when its value is set. A name is a hint, never a proof."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Literal

Hint = Literal["change", "creation"]
"""Set by every change of the row, or once when the row is created."""

_CHANGE = re.compile(
    r"upd(?:t|ate|ated)?|mod(?:if|ify|ified|ification)?|ch(?:g|ng|ange|anged)|edit(?:ed)?|alter(?:ed)?|touch(?:ed)?"
    r"|revised"
)
_CREATION = re.compile(r"creat(?:e|ed|ion)?|cre|crt|crtd|ins|insert|inserted|added|entered|entry")
# Words that say nothing of what was changed or created.
_PLAIN = re.compile(
    r"last|latest|lst|date|dt|dat|time|tm|ts|tstamp|timestamp|stamp|dttm|dtm|datetime|at|on|when|utc|gmt|d|t"
    r"|row|rec|record|entity|sys|system|db|dml"
)
_VERSION = re.compile(
    r"(?:row|lock|rec|record|object|entity|opt)?_?(?:version|vers?|vsn|optlock|opt_lock)_?(?:no|nr|num|number|nbr|id)?"
)
# What is written together: LASTUPDATE, MODDATE, UPDATETIMESTAMP.
_JOINED = re.compile(
    r"last|latest|timestamp|datetime|date|time|stamp|modification|modified|modify|modif|mod|updated|update|upd"
    r"|changed|change|chg|creation|created|create|inserted|insert"
)


def says(column: str, table: str, beside: Collection[str] = ()) -> Hint | None:
    """Return what the name says, or None. ``beside``: all columns of the table, some of which may begin alike.

    A name that says what was changed, such as STATUS_CHANGED_AT, says nothing of the other columns.
    """
    words = _words(column)
    if len(words) > 1 and _is_prefix(words[0], table, beside):
        words = words[1:]
    rest = [word for word in words if not _PLAIN.fullmatch(word)]
    if not rest:
        return None
    if all(_CHANGE.fullmatch(word) for word in rest):
        return "change"
    known = [word for word in rest if not _CHANGE.fullmatch(word)]
    if all(_CREATION.fullmatch(word) for word in known):
        # CREATED_OR_UPDATED has both.
        return "creation" if known == rest else "change"
    return None


def counts_versions(column: str) -> bool:
    """Return whether the name is one of a number that every change raises, such as LOCK_VERSION."""
    return _VERSION.fullmatch(column.lower()) is not None


def _words(column: str) -> list[str]:
    # lastUpdated is written in words, too.
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", column).lower()
    found = [word for word in re.split(r"[^a-z]+", spaced) if word and word not in ("or", "and")]
    return [part for word in found for part in _parted(word)]


def _parted(word: str) -> list[str]:
    """Take LASTUPDATE apart, if nothing is left over."""
    if _PLAIN.fullmatch(word) or _CHANGE.fullmatch(word) or _CREATION.fullmatch(word):
        return [word]
    parts = _JOINED.findall(word)
    return parts if "".join(parts) == word else [word]


def _is_prefix(word: str, table: str, beside: Collection[str]) -> bool:
    """Return whether a name begins with a word for its table, as CUST_UPD_DT of CUSTOMERS does."""
    if _CHANGE.fullmatch(word) or _CREATION.fullmatch(word) or _PLAIN.fullmatch(word):
        return False
    alike = sum(name.lower().startswith(f"{word}_") for name in beside)
    return table.lower().startswith(word) or 2 * alike > len(beside) > 0
