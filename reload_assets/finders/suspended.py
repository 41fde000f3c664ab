"""Finds the tables whose changes a CDC task does not carry, because it has suspended them after an error.

The windows since then are asked for at once, and their requests are held until CDC carries the table again: so people
see them. What is lost until then is asked for when that has happened.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from psycopg import Connection

from reload_assets.cdc.position import Cdc
from reload_assets.dms.verdict import COMPLETED
from reload_assets.finders.finding import Finding
from reload_assets.finders.skipped import FedTable, WindowsFrom
from reload_assets.postgres.statements import run
from reload_assets.windows import Window

_SUSPENDED = frozenset({"Table error", "Table cancelled"})
_TO_DO = (
    "Read awsdms_apply_exceptions and the task's log, fix the cause, and reload the table in DMS or resume the task."
)


def find_suspended(
    cdc: Cdc, connection: Connection[Any], tables: Sequence[FedTable], windows_from: WindowsFrom, now: datetime
) -> Iterator[Finding]:
    """Yield what the task does not carry, or did not carry until now (UTC). Raises DmsError."""
    statistics = {(str(one["SchemaName"]), str(one["TableName"])): one for one in cdc.task.statistics()}
    known: dict[tuple[str, str], tuple[bool, datetime]] = {}
    for group in {table.group for table in tables}:
        rows = run(connection, "finders/skipped:list_suspensions", group_name=group).fetchall()
        known |= {(group, name): (is_suspended, until) for name, is_suspended, until in rows}
    for table in tables:
        found = statistics.get((table.source.schema, table.source.name), {})
        state = found.get("TableState")
        was_suspended, until = known.get((table.group, table.name), (False, now))
        if state in _SUSPENDED and not was_suspended:
            changed = found.get("LastUpdateTime")
            since = min(changed, now) if isinstance(changed, datetime) else now
            note = (
                f"DMS says {state!r} and carries none of its changes. {_TO_DO} "
                + ("" if changed else "Since when is not known. ")
                + "Its rows may lie in other windows."
            )
            for window in windows_from(since, now):
                yield _finding(cdc, table, "table_suspended", window, since, {"state": state, "note": note})
        elif state == COMPLETED and was_suspended:
            for window in windows_from(until, now):
                late = Window(max(window.start, until), window.end)
                note = "The table was suspended until now; what was lost meanwhile may lie in other windows, too."
                yield _finding(cdc, table, "table_carried", late, now, {"state": state, "note": note})


def _finding(
    cdc: Cdc, table: FedTable, kind: str, window: Window, seen_at: datetime, evidence: Mapping[str, Any]
) -> Finding:
    return Finding(
        finder="skipped",
        evidence_id=f"{kind}:{cdc.task.resource}:{table.source}:{window}",
        group=table.group,
        table=table.name,
        keys=(),
        window=window,
        evidence={"kind": kind, "task": cdc.task.resource, **evidence},
        seen_at=seen_at,
    )
