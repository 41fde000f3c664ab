"""Compares rows by the values of columns whose texts may differ for equal values: LOBs and binary floats."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from psycopg import sql

from reload_assets.canonical.oracle_types import Kind
from reload_assets.tables import ReloadColumn

if TYPE_CHECKING:
    from reload_assets.compare.drift import Search
    from reload_assets.compare.drifted import Key

# A value may be large.
_ROWS_AT_ONCE = 20


def _same_text(theirs: Any, ours: Any) -> bool:
    # DMS turns NUL into a blank, and an empty LOB into NULL.
    return (theirs or "").replace("\0", " ") == (ours or "")


def _same_bytes(theirs: Any, ours: Any) -> bool:
    return bytes(theirs or b"") == bytes(ours or b"")


def _close(digits: int) -> Callable[[Any, Any], bool]:
    def same(theirs: Any, ours: Any) -> bool:
        if theirs is None or ours is None:
            return theirs is ours
        one, other = float(theirs), float(ours)
        return math.isclose(one, other, rel_tol=10**-digits) or (math.isnan(one) and math.isnan(other))

    return same


_SAME: Mapping[Kind, Callable[[Any, Any], bool]] = {
    "clob": _same_text,
    "nclob": _same_text,
    "blob": _same_bytes,
    # DMS carries 15 digits of a double and 6 of a single, of which the last one may be rounded.
    "double": _close(14),
    "real": _close(5),
}


def in_doubt(columns: Sequence[ReloadColumn], rules: Mapping[str, Any]) -> list[ReloadColumn]:
    """Return those of the columns whose values say more than their texts."""
    return [column for column in columns if rules[column.source].kind in _SAME]


def equal_by_value(search: Search, keys: Sequence[Key], columns: Sequence[ReloadColumn]) -> Iterable[Key]:
    """Yield the keys of rows that have equal values in these columns on both sides. Values are read in small lists."""
    key, compared = search.table.key, search.compared
    same = [_SAME[compared.rules[column.source].kind] for column in columns]
    for first in range(0, len(keys), _ROWS_AT_ONCE):
        some = keys[first : first + _ROWS_AT_ONCE]
        names = [column.source for column in (*key, *columns)]
        rows = search.reader.rows_as_text(
            search.table.source_table, names, [column.source for column in key], some, _ROWS_AT_ONCE
        )
        theirs = {row[: len(key)]: row[len(key) :] for row in rows}
        ours = search.production_values(some, [sql.Identifier("p", column.name) for column in columns])
        for one in some:
            if one in theirs and one in ours:
                pairs = zip(same, theirs[one], ours[one], strict=True)
                if all(is_same(left, right) for is_same, left, right in pairs):
                    yield one
