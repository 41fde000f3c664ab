"""The verdicts that a pass gives to keys, and how far a correction is: columns of the tables of keys."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from psycopg import sql


class _Described(str, Enum):
    """A word of the keys' tables, with a sentence about it."""

    meaning: str

    def __new__(cls, value: str, meaning: str) -> _Described:
        """Make a member from its word and its sentence."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member


class Verdict(_Described):
    """What a pass found for a key (column ``verdict``)."""

    SAME = "same", "Both sides have the row, and it is equal; or the source lacks it, and production has it marked."
    ABSENT = "absent", "Neither side has the row."
    OVERTAKEN = "overtaken", "Somebody else wrote production's row while the pass read; the next pass judges it."
    INSERT = "insert", "Production lacks the row."
    UPDATE = "update", "Production has the row with other content."
    DELETE = "delete", "The source no longer has the row."
    SOFT_DELETE = "soft_delete", "The source no longer has the row, which is to be marked as deleted."
    LEFT = "left", "The row differs and stays as it is, by policy."
    ORPHAN = "orphan", "The source no longer has the row, which is only reported, by policy."
    PATCH = "patch", "CDC writes the row at every pass; single columns of it are to be corrected."
    BLOCKED = "blocked", "Production refuses the correction."


class Correction(_Described):
    """How far the correction of a key is (column ``correction``); NULL while none is made."""

    HELD = "held", "It waits for its batch."
    RELEASED = "released", "It is the next to be made."
    MADE = "made", "It is written, and not checked yet."
    DONE = "done", "It is written and checked."
    REFUSED = "refused", "Production does not take it."


WRITTEN = (Verdict.INSERT, Verdict.UPDATE)
"""Corrections that write a row of the source."""

REMOVED = (Verdict.DELETE, Verdict.SOFT_DELETE)
"""Corrections that take a row away."""

CORRECTED = (*WRITTEN, *REMOVED)
"""The verdicts that change whole rows of production."""

LOCKED = (Verdict.UPDATE, *REMOVED)
"""Corrections of rows that production has: these are locked first."""

GONE = (*REMOVED, Verdict.ORPHAN, Verdict.ABSENT)
"""The verdicts that say that the source lost a row: it would be deleted, marked or reported, or both sides lack it."""

FINISHED = (Verdict.SAME, Verdict.ABSENT, Verdict.LEFT, Verdict.ORPHAN)
"""The verdicts after which nothing is left to do."""


def listed(verdicts: Sequence[Verdict]) -> sql.Composed:
    """Write verdicts as statements compare them: ``'insert', 'update'``."""
    return sql.SQL(", ").join(sql.Literal(verdict.value) for verdict in verdicts)
