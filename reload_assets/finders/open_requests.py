"""The requests that are open already, and what they ask for: nothing is asked for twice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row

from reload_assets.finders.finding import Finding, Key
from reload_assets.postgres.statements import compose
from reload_assets.windows import Window


@dataclass(frozen=True)
class OpenRequest:
    """A request that has not ended. ``healed_until``: when the last confirm of its own reload ended."""

    request_id: int
    group_name: str
    status: str
    keys: Any
    whole_windows: bool
    window_start: datetime | None
    window_end: datetime | None
    tables: list[str] | None
    healed_until: datetime | None

    def counts_for(self, finding: Finding) -> bool:
        """Return whether the request can still fix what was seen: its own confirm may be over by then."""
        return self.group_name == finding.group and (self.healed_until is None or self.healed_until >= finding.seen_at)

    def covers(self, finding: Finding, window: Window) -> bool:
        """Return whether the request asks for a window that holds this one, with the finding's table."""
        if self.window_start is None or self.window_end is None:
            return False
        return (
            self.counts_for(finding)
            and (self.tables is None or finding.table in self.tables)
            and self.window_start <= window.start
            and window.end <= self.window_end
        )

    @cached_property
    def asked_keys(self) -> set[tuple[str, Key]]:
        """The keys that it asks for, each with its table. What cannot be read is left out."""
        return set(_listed(self.keys)) if isinstance(self.keys, Mapping) else set()


def open_requests(connection: Connection[Any], groups: Sequence[str]) -> list[OpenRequest]:
    """Return the open requests of some groups, the oldest first."""
    with connection.cursor(row_factory=class_row(OpenRequest)) as cursor:
        return cursor.execute(compose("finders/requesting:list_open"), {"groups": list(groups)}).fetchall()


def match(finding: Finding, opened: Sequence[OpenRequest]) -> tuple[int | None, list[Key]]:
    """Return the first open request that asks for a finding or for a part of it, and the keys that none asks for."""
    candidates = [request for request in opened if request.counts_for(finding)]
    if not finding.keys:
        assert finding.window is not None
        covering = (one.request_id for one in candidates if one.covers(finding, finding.window))
        return next(covering, None), []
    if not finding.is_complete:
        # Other rows may be wrong in the windows of the keys, which a request for the keys alone would leave.
        candidates = [one for one in candidates if one.whole_windows or one.status == "split"]
    first: int | None = None
    left = dict.fromkeys(finding.keys)
    for request in candidates:
        shared = [key for key in left if (finding.table, key) in request.asked_keys]
        first = request.request_id if shared and first is None else first
        for key in shared:
            del left[key]
    return first, list(left)


def _listed(document: Mapping[str, Any]) -> Iterator[tuple[str, Key]]:
    for table, keys in document.items():
        for key in keys if isinstance(keys, list) else ():
            yield table, tuple(map(str, key)) if isinstance(key, list) else (str(key),)
