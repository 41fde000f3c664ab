"""What PostgreSQL says when it refuses a row."""

from __future__ import annotations

import re

import psycopg

_CHECK_VIOLATION = "23514"


def words_of(error: psycopg.Error) -> str:
    """Return the SQLSTATE and PostgreSQL's words, without the row's values."""
    state = error.sqlstate or "none"
    said = error.diag.message_primary or "no message"
    if state.startswith("22"):
        # PostgreSQL quotes the value that does not fit.
        said = re.sub(r'"[^"]*"', '"..."', said)
    return f"SQLSTATE {state}: {said}"


def lacks_partition(error: psycopg.Error) -> bool:
    """Return whether a partitioned table has no partition for a row. Other violations of a check name a constraint."""
    return error.sqlstate == _CHECK_VIOLATION and error.diag.constraint_name is None
