"""Whether CDC carries tables at present, without a lag: whoever sees a difference before that should wait for CDC."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from reload_assets.cdc.position import Cdc
from reload_assets.dms.verdict import COMPLETED
from reload_assets.errors import CdcNotReady, DmsError, ReloadError
from reload_assets.errors.cdc import CdcTableSuspended

TableName = tuple[str, str]
"""A source table: its schema and its name."""


def why_wait(cdc: Cdc, tables: Collection[TableName]) -> ReloadError | None:
    """Return why CDC does not carry these tables of the source without a lag; None if it does.

    A task that a reload keeps stopped for a moment carries them. If DMS does not answer, that is the reason.
    """
    try:
        _, why = cdc.look()
        if why is not None:
            return None if cdc.is_fenced() else why
        return _why_suspended(cdc, tables)
    except (CdcNotReady, DmsError) as error:
        return error


def suspended(statistics: Collection[Mapping[str, Any]], tables: Collection[TableName]) -> dict[TableName, str]:
    """Return the state, as DMS calls it, of those of some tables whose changes the task does not carry."""
    states = {(str(one.get("SchemaName")), str(one.get("TableName"))): str(one.get("TableState")) for one in statistics}
    return {name: states[name] for name in tables if states.get(name, COMPLETED) != COMPLETED}


def _why_suspended(cdc: Cdc, tables: Collection[TableName]) -> ReloadError | None:
    found = suspended(cdc.task.statistics(), tables)
    if not found:
        return None
    listed = ", ".join(f"{'.'.join(name)} ({state})" for name, state in sorted(found.items()))
    return CdcTableSuspended(cdc.task.resource, listed)
