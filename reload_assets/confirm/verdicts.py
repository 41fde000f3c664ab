"""The verdicts that a pass gives to keys, and the states of a correction. Tables of keys have a column for each."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from psycopg import sql


class _Described(str, Enum):
    """A value in the tables of keys, with a sentence about its meaning."""

    meaning: str

    def __new__(cls, value: str, meaning: str) -> _Described:
        """Make a member from its value and the sentence."""
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
    """The state of a key's correction (column ``correction``); NULL if it has none."""

    HELD = "held", "It waits for its batch."
    RELEASED = "released", "It is the next to be made."
    MADE = "made", "It is written, and not checked yet."
    DONE = "done", "It is written and checked."
    REFUSED = "refused", "Production does not take it."


WRITTEN = (Verdict.INSERT, Verdict.UPDATE)
"""The verdicts whose correction writes a row of the source."""

REMOVED = (Verdict.DELETE, Verdict.SOFT_DELETE)
"""The verdicts whose correction deletes a row or marks it as deleted."""

CORRECTED = (*WRITTEN, *REMOVED)
"""The verdicts that change whole rows of production."""

LOCKED = (Verdict.UPDATE, *REMOVED)
"""The verdicts whose correction changes a row that production has, and so locks it first."""

GONE = (*REMOVED, Verdict.ORPHAN, Verdict.ABSENT)
"""The verdicts that claim that the source lost a row, so that they need proof that it would have been found."""

FINISHED = (Verdict.SAME, Verdict.ABSENT, Verdict.LEFT, Verdict.ORPHAN)
"""The verdicts after which nothing is left to do."""


def listed(verdicts: Sequence[Verdict]) -> sql.Composed:
    """Return verdicts as a list for SQL: ``'insert', 'update'``."""
    return sql.SQL(", ").join(sql.Literal(verdict.value) for verdict in verdicts)
