"""The keys that finders read in lists of DMS, as keys of production."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import Connection, sql

from reload_assets.conversions.declared import INTEGERS
from reload_assets.finders.finding import Key
from reload_assets.key_texts import says
from reload_assets.postgres.catalog import Column
from reload_assets.postgres.statements import run

_NO_FRACTION = re.compile(r"\.0+$")
_BYTES = re.compile("(?:[0-9a-fA-F]{2})+")


@dataclass(frozen=True, kw_only=True)
class UnfitPieces:
    """Whether a text of a key (``v``) says the value that production's type makes of it."""

    v_says_it: sql.Composable


def as_given(value: str, column: Column) -> str:
    """Return a value as a key that a reload notes: 7.0 as an integer, bytes as digits without PostgreSQL's prefix."""
    if column.base_type in INTEGERS:
        return _NO_FRACTION.sub("", value)
    return value.removeprefix("\\x") if column.base_type in ("bytea", "uuid") else value


def unfit(connection: Connection[Any], columns: Sequence[Column], keys: Sequence[Key]) -> set[Key]:
    """Return the keys with values that the types of the key's columns do not have: no row of production has them."""
    found: set[Key] = set()
    for number, column in enumerate(columns if keys else ()):
        if column.base_type == "bytea":
            # As bytea, PostgreSQL would read digits without the prefix as characters.
            found |= {key for key in keys if not _BYTES.fullmatch(key[number])}
            continue
        text = sql.SQL("v.value")
        value = sql.SQL("CAST({} AS {})").format(text, sql.SQL(column.type))
        rows = run(
            connection,
            "finders/requesting:list_unfit",
            UnfitPieces(v_says_it=says(column, None, text, value)),
            read_values=[key[number] for key in keys],
            read_type=column.type,
        )
        found |= {keys[position - 1] for (position,) in rows.fetchall()}
    return found


def described(columns: Sequence[Column]) -> str:
    """Return the columns of a key with their types, for messages."""
    return ", ".join(f"{column.name} {column.type}" for column in columns)
