"""The requests that have not ended, as people read them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from psycopg import Connection
from psycopg.rows import class_row

from reload_assets.postgres.statements import compose
from reload_assets.windows import shown_in_zone


@dataclass(frozen=True)
class OpenRequest:
    """A row of ``admin.reload_requests`` that has not ended, with whatever people wrote into it.

    An instant that no window can have is None.
    """

    request_id: int
    status: str
    group_name: str
    window_start: datetime | None
    window_end: datetime | None
    tables: list[str | None] | None
    keys: Any
    columns: Any
    whole_windows: bool
    found_by: str
    requested_by: str
    reason: str
    age_seconds: float
    held_because: str | None
    waits_because: str | None
    split_from: int | None

    def what(self, zone: ZoneInfo) -> str:
        """Return what it asks for: keys by table, or a window, in the zone, with its tables; and only which columns."""
        limits = self.columns.items() if isinstance(self.columns, Mapping) else ()
        only = "; ".join(f"{_listed(names)} of {table}" for table, names in limits)
        return self._selection(zone) + (f" (only {only})" if only else "")

    def _selection(self, zone: ZoneInfo) -> str:
        if self.keys is not None:
            counts = self.keys if isinstance(self.keys, Mapping) else {}
            listed = ", ".join(f"{table} {len(keys):,}" for table, keys in counts.items() if isinstance(keys, list))
            return f"{'windows of keys' if self.whole_windows else 'keys'}: {listed or 'none'}"
        start, end = (
            "?" if instant is None else shown_in_zone(instant, zone) for instant in (self.window_start, self.window_end)
        )
        return f"{start}--{end}" + (f": {_listed(self.tables)}" if self.tables else "")

    def as_json(self) -> dict[str, Any]:
        """Return the row for a script; instants are ISO texts in UTC."""
        instants = {name: value.isoformat() for name, value in asdict(self).items() if isinstance(value, datetime)}
        return {**asdict(self), **instants}


def list_unfinished(connection: Connection[Any]) -> list[OpenRequest]:
    """Return the requests that have not ended, the oldest first. Raises psycopg's UndefinedTable without a ledger."""
    with connection.cursor(row_factory=class_row(OpenRequest)) as cursor:
        return cursor.execute(compose("requests:list_unfinished")).fetchall()


def _listed(names: Any) -> str:
    """Return names as a person wrote them, which nobody has checked yet."""
    return ", ".join(map(str, names)) if isinstance(names, list) else str(names)
