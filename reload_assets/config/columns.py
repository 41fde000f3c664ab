"""The field ``columns`` of a table: which column of the source each column of production is loaded from."""

from __future__ import annotations

from collections import Counter

Columns = dict[str, str] | list[str | dict[str, str]]
"""Pairs ``{column: SOURCE_COLUMN}`` where the names differ, or a list of all columns, of which some are such pairs."""


def source_names(columns: Columns | None) -> dict[str, str]:
    """Return the columns of production whose column of the source is written, with that column."""
    if isinstance(columns, dict):
        return dict(columns)
    return {name: source for one in columns or () if isinstance(one, dict) for name, source in one.items()}


def listed(columns: Columns | None) -> list[str] | None:
    """Return the columns of production in the source's order; None if they are not listed."""
    if columns is None or isinstance(columns, dict):
        return None
    return [name for one in columns for name in ([one] if isinstance(one, str) else one)]


def each_once(columns: Columns | None) -> Columns | None:
    """Return the columns. Raises ValueError if one is named twice, or an item of a list is more than one pair."""
    if columns is None:
        return None
    if not columns:
        raise ValueError("it names no column; leave the field out")
    for one in columns:
        if isinstance(one, dict) and len(one) != 1:
            raise ValueError("an item of the list is a column of production, or one pair {column: SOURCE_COLUMN}")
    for names in (listed(columns) or (), source_names(columns).values()):
        if twice := [name for name, times in Counter(names).items() if times > 1]:
            raise ValueError(f"{twice[0]!r} is written twice; each column is loaded from one column")
    return columns
