"""Compares the rows with some keys in production and in the source, one by one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from psycopg import Connection, sql

from reload_assets.cdc.position import Cdc
from reload_assets.compare.window import Comparison, Contents
from reload_assets.postgres.statements import run
from reload_assets.source.reader import SourceReader
from reload_assets.tables import ReloadTable

_NO_WINDOW = (datetime.min, datetime.min)


def compare_keys(
    connection: Connection[Any],
    table: ReloadTable,
    keys: Sequence[Sequence[Any]],
    selected: sql.Composable,
    reader: SourceReader,
    cdc: Cdc | None = None,
) -> Contents:
    """Compare the rows with ``keys``, given as canonical text, and as a query of values of production's types.

    Waits for CDC, reads again and raises as ``compare_contents`` does.
    """
    return _KeyComparison(connection, table, keys, selected, reader, cdc).run()


class _KeyComparison(Comparison):
    bounds_table = "source_keys"

    def __init__(
        self,
        connection: Connection[Any],
        table: ReloadTable,
        keys: Sequence[Sequence[Any]],
        selected: sql.Composable,
        reader: SourceReader,
        cdc: Cdc | None,
    ) -> None:
        super().__init__(connection, table, _NO_WINDOW, reader, cdc)
        self._keys, self._selected = keys, selected

    def run(self) -> Contents:
        return self._rounds(Contents({}, 0, 0, self.compared.left_out), 0, self._copy_keys)

    def _copy_keys(self) -> None:
        names = sql.SQL(", ").join(sql.Identifier(name) for name in self.names)
        self.create_source_window()
        keys = {"compared_keys": names, "selected_keys": self._selected}
        run(self.connection, "verify/5_window:create_source_keys", keys)
        self.copy(self.by_key(self._keys, self.compared.sources))
        self.analyze()

    @property
    def is_in_range(self) -> sql.Composable:
        return sql.SQL(" AND ").join(
            sql.SQL("{} = {}").format(sql.Identifier("p", column.name), sql.Identifier("bounds", name))
            for name, column in zip(self.names, self.table.key, strict=True)
        )
