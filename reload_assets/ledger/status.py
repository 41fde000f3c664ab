"""What became of windows, as ``admin.window_status`` has it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row

from reload_assets.postgres.statements import compose
from reload_assets.windows import Window


@dataclass(frozen=True)
class TableStatus:
    """One table of one window: the state of its latest reload, the rows that this changed, and why it is not green.

    ``columns`` are the only ones that this reload repaired; None stands for whole rows.
    """

    group_name: str
    window_start: datetime
    window_end: datetime
    table_name: str
    state: str
    reload_id: int
    changed: int
    reason: str
    columns: list[str] | None = None

    @property
    def label(self) -> str:
        """The name of the table, with the columns if only these were repaired."""
        return f"{self.table_name} ({', '.join(self.columns)})" if self.columns else self.table_name

    @property
    def window(self) -> Window:
        """The window, in UTC instants."""
        return Window(self.window_start, self.window_end)


@dataclass(frozen=True)
class WindowStatus:
    """One window of a group with its tables. It is as bad as its worst table."""

    group_name: str
    window: Window
    tables: list[TableStatus]

    @property
    def state(self) -> str:
        """``red``, ``running`` or ``green``."""
        states = {table.state for table in self.tables}
        return next(state for state in ("red", "running", "green") if state in states)

    @property
    def changed(self) -> int:
        """The rows that the latest reloads of the tables changed."""
        return sum(table.changed for table in self.tables)


def read_status(connection: Connection[Any], group: str | None, last: int) -> list[WindowStatus]:
    """Return the ``last`` windows of each group (or of one), the newest first, that were ever reloaded.

    Raises psycopg's UndefinedTable if there is no ledger.
    """
    values = {"group_name": group or "", "last_windows": last}
    with connection.cursor(row_factory=class_row(TableStatus)) as cursor:
        rows = cursor.execute(compose("ledger/status:list_window_status"), values).fetchall()
    return list(_by_window(rows))


def _by_window(rows: Iterable[TableStatus]) -> Iterator[WindowStatus]:
    for (group, window), tables in groupby(rows, key=lambda row: (row.group_name, row.window)):
        yield WindowStatus(group, window, list(tables))
