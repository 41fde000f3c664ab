"""Whether the CDC task carries a group's tables as a reload beside it needs: asked before a load, after a confirm."""

from __future__ import annotations

from collections.abc import Sequence

from reload_assets.cdc.position import Cdc
from reload_assets.config.model import ReloadConfig, text
from reload_assets.dms.examination import CarriedColumn, CarriedTable, TaskFinding, examine
from reload_assets.errors.cdc import CdcUnsuitable
from reload_assets.tables import ReloadTable


def find_obstacles(
    cdc: Cdc, config: ReloadConfig, group: str, tables: Sequence[ReloadTable]
) -> tuple[list[TaskFinding], list[TaskFinding]]:
    """What forbids a reload of these tables beside the task, and what is worth a warning. Raises DmsError.

    With ``against_cdc: fence`` what asks for the fence is no obstacle.
    """
    carried = [_carried(config, table) for table in tables]
    load_source = text(config.dms.source_endpoint_arn, f"{config.file}: dms.source_endpoint_arn")
    found = examine(cdc.task.describe(load_source), carried, config.dms.task.lob_limit_kb)
    forbidding = ("refuse",) if config.groups[group].against_cdc == "fence" else ("refuse", "fence")
    return (
        [finding for finding in found if finding.severity in forbidding],
        [finding for finding in found if finding.severity == "warn"],
    )


def require_carried(cdc: Cdc, config: ReloadConfig, group: str, tables: Sequence[ReloadTable]) -> list[str]:
    """Refuse a reload that the task does not allow; the warnings, a sentence each. Raises CdcNotReady, DmsError."""
    obstacles, warnings = find_obstacles(cdc, config, group, tables)
    if obstacles:
        raise CdcUnsuitable(" ".join(map(str, obstacles)))
    return [str(finding) for finding in warnings]


def _carried(config: ReloadConfig, table: ReloadTable) -> CarriedTable:
    # Without a description of the source nobody knows which columns are LOBs.
    lobs = {column.name for column in table.source_columns or () if column.type.is_lob}
    return CarriedTable(
        config.source.schema_name,
        table.source_table,
        table.production.schema,
        table.production.name,
        tuple(CarriedColumn(column.source, column.name, column.source in lobs) for column in table.columns),
        table.options.soft_delete_column,
    )
