"""The columns of a staging table: what DMS calls them, short enough for PostgreSQL, and no two alike."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from itertools import combinations

from reload_assets.config.table_names import TableName
from reload_assets.dms.patterns import transforms
from reload_assets.errors.tables import ColumnsAlike

_LONGEST = 63
"""Bytes of a name in PostgreSQL, which cuts what is longer."""


def lowered(source_column: str) -> str:
    """Return the name of a column after a rule that converts all columns to lower case."""
    return source_column.lower() if transforms(source_column) else source_column


def staged_columns(source_columns: Iterable[str]) -> dict[str, str]:
    """Return the name in staging of each source column.

    It is ``lowered``, unless an earlier column has that name already or PostgreSQL would cut it.
    """
    found: dict[str, str] = {}
    for name in source_columns:
        # DMS renames none of the others either; Oracle keeps them apart.
        found[name] = _free(name.lower(), found.values()) if transforms(name) else name
    return found


def require_apart(place: str, source: TableName, target: TableName, columns: Sequence[tuple[str, str]]) -> None:
    """Raise ConfigError if two columns, each given by its names in source and production, are one on either side.

    ``place`` is where the configuration has the table.
    """
    for (first, first_there), (second, second_there) in combinations(columns, 2):
        if first_there == second_there:
            raise ColumnsAlike(
                f"{place}.ignored_source_columns",
                f"{first!r} and {second!r} of {source} would both be loaded into {first_there!r} of {target}; list one "
                "of them here, or add a column to production",
            )
        if first == second:
            raise ColumnsAlike(
                f"{place}.columns",
                f"{first_there!r} and {second_there!r} of {target} would both be loaded from {first!r} of {source}; "
                "leave one of them out here, or configure source.connection",
            )


def _free(name: str, taken: Collection[str]) -> str:
    candidate, number = _cut(name, _LONGEST), 1
    while candidate in taken:
        number += 1
        candidate = f"{_cut(name, _LONGEST - len(str(number)) - 1)}_{number}"
    return candidate


def _cut(name: str, size: int) -> str:
    return name.encode()[:size].decode(errors="ignore")
