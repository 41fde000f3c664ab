"""How a wrong row came about: what the writer, the reloads and CDC did to it, in the order of the clock."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import psycopg
from psycopg import Connection

from reload_assets_tests.campaigns.judge import AuditFault, RowFault
from reload_assets_tests.campaigns.reloads import Reloads
from reload_assets_tests.campaigns.schema import SPECS
from reload_assets_tests.campaigns.writer import Committed

_MOST = 8

_CHANGES = """
SELECT changed_at, format('audit of reload %%s: %%s %%s, before %%s', reload_id, step, operation, before)
FROM admin.reload_changes WHERE table_name = %(table)s AND key = %(key)s
"""
_MADE = """
SELECT at, format('production: %%s -> %%s', before, after) FROM campaign.made
WHERE table_name = %(table)s AND (before @> %(key)s OR after @> %(key)s)
"""
_SKIPPED = """
SELECT "ERROR_TIME" AT TIME ZONE 'UTC', format('CDC passed over: %%s (%%s)', "STATEMENT", left("ERROR", 120))
FROM public.awsdms_apply_exceptions WHERE "TABLE_NAME" = %(table)s
"""


def tell(
    target_url: str,
    rows: Sequence[RowFault],
    audit: Sequence[AuditFault],
    journal: Sequence[Committed],
    done: Reloads,
) -> str:
    """The stories of some faults, for whoever looks for the cause. Seconds count from the first event."""
    lines = []
    began = min([at for at, _ in done.events] + [committed.at for committed in journal])
    with psycopg.connect(target_url) as connection:
        faults: list[RowFault | AuditFault] = [*rows[:_MOST], *audit[:_MOST]]
        for fault in faults:
            if isinstance(fault, RowFault):
                lines.append(f"{fault.kind}{' outside' if fault.outside else ''}: {fault.table} {fault.key}")
                for side in ("source", "production", "shadow"):
                    lines.append(f"    {side:10} {_row(getattr(fault, side))}")
            else:
                lines.append(fault.said)
            events = [*_written(fault, journal), *done.events, *_noted(connection, fault)]
            lines += [f"    {at - began:7.3f} s  {said}" for at, said in sorted(events)]
    return "\n".join(lines)


def _written(fault: RowFault | AuditFault, journal: Sequence[Committed]) -> Iterator[tuple[float, str]]:
    for committed in journal:
        for change in committed.changes:
            if change.touches(fault.table, fault.key):
                yield committed.at, f"source: {change}"


def _noted(connection: Connection[Any], fault: RowFault | AuditFault) -> Iterator[tuple[float, str]]:
    key = dict(zip(SPECS[fault.table].key, fault.key, strict=True))
    values = {"table": fault.table, "key": json.dumps(key)}
    for query in (_CHANGES, _MADE):
        for at, said in connection.execute(query.encode(), values):
            yield at.timestamp(), said
    for at, said in connection.execute(_SKIPPED.encode(), values):
        if all(f"'{value}'" in said for value in fault.key):
            yield at.timestamp(), said


def _row(row: Any) -> str:
    return "none" if row is None else ", ".join(f"{column} {value}" for column, value in row.items())
