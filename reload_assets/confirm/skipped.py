"""Reads the keys out of the statements that CDC has passed over, as DMS writes them into awsdms_apply_exceptions."""

from __future__ import annotations

import re
from collections.abc import Sequence

_VALUE = r"'(?:[^']|'')*'|NULL|-?[0-9][0-9.eE+-]*"
_PAIR = re.compile(rf'"?(\w+)"?\s*=\s*({_VALUE})', re.IGNORECASE)
_INSERT = re.compile(r"^\s*INSERT\s+INTO\s+.*?\(([^()]*)\)\s*VALUES\s*\((.*)\)\s*;?\s*$", re.IGNORECASE | re.DOTALL)
_LISTED = re.compile(_VALUE, re.IGNORECASE)


def keys_named(statement: str, key: Sequence[str]) -> set[tuple[str, ...]]:
    """The keys that a statement names, as text: one for most, two for an update that changes the key.

    ``key`` are production's key columns. Nothing where the statement is of a form that is not known.
    """
    if inserted := _INSERT.match(statement):
        names = [name.strip().strip('"').lower() for name in inserted[1].split(",")]
        values = [_plain(value) for value in _LISTED.findall(inserted[2])]
        if len(names) != len(values):
            return set()
        return _complete([dict(zip(names, values, strict=True))], key)
    head, _, tail = _split_where(statement)
    before = {name.lower(): _plain(value) for name, value in _PAIR.findall(tail)}
    # Columns of the key that an update does not set stay as they are.
    after = {**before, **{name.lower(): _plain(value) for name, value in _PAIR.findall(head)}}
    return _complete([before, after], key)


def _split_where(statement: str) -> tuple[str, str, str]:
    """At the last WHERE outside of a quoted value."""
    hidden = re.sub(r"'(?:[^']|'')*'", lambda match: "'" + "x" * (len(match[0]) - 2) + "'", statement)
    place = hidden.upper().rfind(" WHERE ")
    if place < 0:
        return statement, "", ""
    return statement[:place], " WHERE ", statement[place + 7 :]


def _complete(rows: Sequence[dict[str, str | None]], key: Sequence[str]) -> set[tuple[str, ...]]:
    found = set()
    for row in rows:
        values = [row.get(name.lower()) for name in key]
        if all(value is not None for value in values):
            found.add(tuple(str(value) for value in values))
    return found


def _plain(value: str) -> str | None:
    if value.upper() == "NULL":
        return None
    return value[1:-1].replace("''", "'") if value.startswith("'") else value
