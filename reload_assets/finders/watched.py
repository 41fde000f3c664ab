"""Finds the tables of the configuration by the names that DMS's control tables give them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from reload_assets.config.table_names import TableName


@dataclass(frozen=True)
class WatchedTable:
    """A table of a group. ``name`` is its name in the configuration."""

    group: str
    name: str
    source: TableName
    target: TableName


_Table = TypeVar("_Table", bound=WatchedTable)


class WatchedTables(Generic[_Table]):
    """Tables of groups, by their names on either side."""

    def __init__(self, tables: Iterable[_Table]) -> None:
        # By target and by source, each by the exact name and by the folded one.
        self._by_name: list[dict[tuple[str, str], list[_Table]]] = [{}, {}, {}, {}]
        for table in tables:
            names = (table.target, _folded(table.target), table.source, _folded(table.source))
            for found, name in zip(self._by_name, names, strict=True):
                found.setdefault(name, []).append(table)

    def named(self, schema: str, name: str) -> list[_Table]:
        """Return the tables that a name may stand for: production's or the source's, in any case.

        A production table comes before a source table, and the exact name before one that differs in case. More than
        one is returned only if all of them fit equally well.
        """
        wanted = TableName(schema, name)
        spelled = (wanted, _folded(wanted), wanted, _folded(wanted))
        return next((one[key] for one, key in zip(self._by_name, spelled, strict=True) if key in one), [])


def _folded(name: TableName) -> tuple[str, str]:
    return name.schema.lower(), name.name.lower()
