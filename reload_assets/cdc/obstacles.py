"""Checks, before a load and after a confirm, that the CDC task carries a group's tables as a reload needs it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reload_assets.cdc.position import Cdc
from reload_assets.dms.examination import CarriedColumn, CarriedTable, TaskDescription, TaskFinding, examine
from reload_assets.errors.cdc import CdcUnsuitable
from reload_assets.tables import ReloadTable


@dataclass(frozen=True)
class Beside:
    """The settings of reloads that a CDC task must be compatible with.

    ``fenced``: the task is stopped while production is written.
    """

    source_endpoint_arn: str
    lob_limit_kb: int
    fenced: bool


def find_obstacles(
    described: TaskDescription, beside: Beside, tables: Sequence[ReloadTable]
) -> tuple[list[TaskFinding], list[TaskFinding]]:
    """Return what forbids a reload of these tables beside the task, and what deserves a warning.

    If reloads are fenced, a finding that demands the fence is not an obstacle.
    """
    found = examine(described, [_carried(table) for table in tables], beside.lob_limit_kb)
    forbidding = ("refuse",) if beside.fenced else ("refuse", "fence")
    return (
        [finding for finding in found if finding.severity in forbidding],
        [finding for finding in found if finding.severity == "warn"],
    )


def require_carried(cdc: Cdc, beside: Beside, tables: Sequence[ReloadTable]) -> list[str]:
    """Refuse a reload that the task does not allow. Returns warnings as sentences. Raises CdcNotReady, DmsError."""
    obstacles, warnings = find_obstacles(cdc.task.describe(beside.source_endpoint_arn), beside, tables)
    if obstacles:
        raise CdcUnsuitable(" ".join(map(str, obstacles)))
    return [str(finding) for finding in warnings]


def _carried(table: ReloadTable) -> CarriedTable:
    # Only a description of the source says which columns are LOBs.
    lobs = {column.name for column in table.source_columns or () if column.type.is_lob}
    return CarriedTable(
        table.source_schema,
        table.source_table,
        table.production.schema,
        table.production.name,
        tuple(CarriedColumn(column.source, column.name, column.source in lobs) for column in table.columns),
        table.options.soft_delete_column,
    )
