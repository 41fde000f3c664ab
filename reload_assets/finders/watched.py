"""Finds the tables of the configuration by the names that DMS's control tables give them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from reload_assets.config.table_names import TableName


@dataclass(frozen=True)
class WatchedTable:
    """A table of a group. ``name`` is its name in the configuration."""

    group: str
    name: str
    source: TableName
    target: TableName


class WatchedTables:
    """The tables of all groups, by their names on either side."""

    def __init__(self, tables: Iterable[WatchedTable]) -> None:
        self._tables = list(tables)

    def named(self, schema: str, name: str) -> list[WatchedTable]:
        """Return the tables that a name may stand for: production's or the source's, in any case.

        A production table comes before a source table, and the exact name before one that differs in case. More than
        one is returned only if all of them fit equally well.
        """
        wanted = TableName(schema, name)
        for names in ([table.target for table in self._tables], [table.source for table in self._tables]):
            pairs = list(zip(names, self._tables, strict=True))
            exact = [table for found, table in pairs if found == wanted]
            if alike := exact or [table for found, table in pairs if _folded(found) == _folded(wanted)]:
                return alike
        return []


def _folded(name: TableName) -> tuple[str, str]:
    return name.schema.lower(), name.name.lower()
