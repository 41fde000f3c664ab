"""What PostgreSQL says when it refuses a value."""

from __future__ import annotations

import re

import psycopg


def words_of(error: psycopg.Error) -> str:
    """Return the SQLSTATE and PostgreSQL's words, without the row's values."""
    state = error.sqlstate or "none"
    said = error.diag.message_primary or "no message"
    if state.startswith("22"):
        # PostgreSQL quotes the value that does not fit.
        said = re.sub(r'"[^"]*"', '"..."', said)
    return f"SQLSTATE {state}: {said}"
