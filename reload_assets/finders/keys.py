"""The keys that finders read in lists of DMS, as keys of production."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import chain
from typing import Any

from psycopg import Connection

from reload_assets.finders.finding import Key
from reload_assets.postgres.catalog import Column
from reload_assets.postgres.statements import run

_BYTES = re.compile("(?:[0-9a-fA-F]{2})+")


def as_given(value: str, column: Column) -> str:
    """Return a value as keys are given for a reload: bytes as hexadecimal digits, without PostgreSQL's prefix."""
    return value.removeprefix("\\x") if column.base_type in ("bytea", "uuid") else value


def unfit(connection: Connection[Any], columns: Sequence[Column], keys: Sequence[Key]) -> set[Key]:
    """Return the keys with values that the types of the key's columns do not have: no row of production has them."""
    if not keys:
        return set()
    # As bytea, PostgreSQL would read digits without the prefix as characters.
    types = ["text" if column.base_type == "bytea" else column.type for column in columns]
    texts = list(chain.from_iterable(keys))
    rows = run(connection, "finders/requesting:list_unfit", read_values=texts, read_types=types * len(keys)).fetchall()
    found = {keys[(position - 1) // len(types)] for (position,) in rows}
    for number, column in enumerate(columns):
        if column.base_type == "bytea":
            found |= {key for key in keys if not _BYTES.fullmatch(key[number])}
    return found


def described(columns: Sequence[Column]) -> str:
    """Return the columns of a key with their types, for messages."""
    return ", ".join(f"{column.name} {column.type}" for column in columns)
