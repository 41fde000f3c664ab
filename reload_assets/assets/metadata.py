"""What materializations say of themselves in the UI."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dagster import MetadataValue, TableColumn, TableColumnConstraints, TableRecord, TableSchema

from reload_assets.ledger import Reload, StagedTable
from reload_assets.merge import Outcomes
from reload_assets.tables import ReloadTable

OUTCOMES: Mapping[str, str] = {
    "inserted": "was missing in production",
    "updated": "staged row is newer",
    "repaired": "same version, other content",
    "identical": "nothing to do",
    "refused": "production is newer",
    "unversioned": "differs, and a version is NULL",
    "skipped": "same version, other content, policy is skip",
}


def column_schema(table: ReloadTable) -> TableSchema:
    """Production's columns, as its catalog has them."""
    unique = set(table.production.primary_key)
    return TableSchema(
        columns=[
            TableColumn(
                column.name,
                column.type,
                constraints=TableColumnConstraints(nullable=not column.not_null, unique=unique == {column.name}),
            )
            for column in table.production.columns
        ]
    )


def reload_metadata(reload: Reload) -> dict[str, Any]:
    """Which reload, which window, which DMS task."""
    return {
        "reload": reload.reload_id,
        "window start (UTC)": reload.window.start.isoformat(),
        "window end (UTC)": reload.window.end.isoformat(),
        "loaded from (UTC)": reload.loaded_window.start.isoformat(),
        "DMS task": reload.task_identifier or "",
        "DMS task ARN": reload.task_arn or "",
        "started by": reload.started_by,
    }


def staged_metadata(reload: Reload, staged: StagedTable, table: ReloadTable) -> dict[str, Any]:
    """Metadata of one staged table."""
    counts = {
        "source rows before load": staged.source_rows_before,
        "source rows after load": staged.source_rows_after,
        "rows according to DMS": staged.dms_rows,
    }
    return {
        "dagster/row_count": staged.staged_rows,
        "dagster/partition_row_count": staged.staged_rows,
        "dagster/table_name": f"{staged.staging_schema}.{staged.staging_table}",
        "dagster/column_schema": column_schema(table),
        "trimmed rows": staged.trimmed_rows,
        **{name: count for name, count in counts.items() if count is not None},
        **reload_metadata(reload),
    }


def merged_metadata(
    reload: Reload, staged: StagedTable, table: ReloadTable, outcomes: Outcomes, seconds: float, attempts: int
) -> dict[str, Any]:
    """Metadata of one merged table: each outcome as a number, which the UI plots, and all of them as a table."""
    counts = {name: int(getattr(outcomes, name)) for name in OUTCOMES}
    return {
        "dagster/row_count": staged.staged_rows,
        "dagster/partition_row_count": staged.staged_rows,
        "dagster/table_name": table.target,
        "dagster/column_schema": column_schema(table),
        **counts,
        "outcomes": MetadataValue.table(
            [
                TableRecord({"outcome": name, "rows": counts[name], "meaning": meaning})
                for name, meaning in OUTCOMES.items()
            ]
        ),
        "merge seconds": round(seconds, 3),
        "merge attempts": attempts,
        **reload_metadata(reload),
    }
