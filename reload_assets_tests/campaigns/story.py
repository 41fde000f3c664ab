"""How a wrong row came about: what the writer, the reloads and CDC did to it, in the order of the clock."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import psycopg
from psycopg import Connection

from reload_assets_tests.campaigns.judge import AuditFault, RowFault
from reload_assets_tests.campaigns.reloads import Reloads
from reload_assets_tests.campaigns.tables import Specs
from reload_assets_tests.campaigns.writer import Committed

_MOST = 8

# When, the keys that it concerns (rows that hold them), and what to tell of it.
_CHANGES = """
SELECT changed_at, key, NULL, format('audit of reload %%s: %%s %%s, before %%s', reload_id, step, operation, before)
FROM admin.reload_changes WHERE table_name = %(table)s
"""
_MADE = """
SELECT at, before, after, format('production: %%s -> %%s', before, after) FROM campaign.made
WHERE table_name = %(table)s
"""
_SKIPPED = """
SELECT "ERROR_TIME" AT TIME ZONE 'UTC', format('CDC skipped: %%s (%%s)', "STATEMENT", left("ERROR", 120))
FROM public.awsdms_apply_exceptions WHERE "TABLE_NAME" = %(table)s
"""


def tell(
    target_url: str,
    specs: Specs,
    rows: Sequence[RowFault],
    audit: Sequence[AuditFault],
    journal: Sequence[Committed],
    done: Reloads,
) -> str:
    """Return the stories of some faults, which help to find the cause. Seconds count from the first event."""
    lines = []
    began = min([at for at, _ in done.events] + [committed.at for committed in journal])
    with psycopg.connect(target_url) as connection:
        faults: list[RowFault | AuditFault] = [*rows[:_MOST], *audit[:_MOST]]
        for fault in faults:
            if isinstance(fault, RowFault):
                where = " outside" if fault.outside else ""
                lines.append(f"{fault.kind}{where}{', worse' if fault.worse else ''}: {fault.table} {fault.key}")
                for side in ("source", "production", "shadow"):
                    lines.append(f"    {side:10} {_row(getattr(fault, side))}")
            else:
                lines.append(fault.said)
            events = [*_written(fault, journal), *done.events, *_noted(connection, specs, fault)]
            lines += [f"    {at - began:7.3f} s  {said}" for at, said in sorted(events)]
    return "\n".join(lines)


def _written(fault: RowFault | AuditFault, journal: Sequence[Committed]) -> Iterator[tuple[float, str]]:
    for committed in journal:
        for change in committed.changes:
            if change.touches(fault.table, fault.key):
                yield committed.at, f"source: {change}"


def _noted(connection: Connection[Any], specs: Specs, fault: RowFault | AuditFault) -> Iterator[tuple[float, str]]:
    spec = specs[fault.table]
    values = {"table": fault.table}
    for query in (_CHANGES, _MADE):
        for at, *images, said in connection.execute(query.encode(), values):
            if any(image and spec.key_in(image) == fault.key for image in images):
                yield at.timestamp(), said
    stored = [spec.stored(column, value) for column, value in zip(spec.key, fault.key, strict=True)]
    for at, said in connection.execute(_SKIPPED.encode(), values):
        if all(f"'{value}'" in said for value in stored):
            yield at.timestamp(), said


def _row(row: Any) -> str:
    return "none" if row is None else ", ".join(f"{column} {value}" for column, value in row.items())
