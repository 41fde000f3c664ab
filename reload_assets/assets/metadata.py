"""The metadata of materializations, which the UI shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

from dagster import MetadataValue, TableColumn, TableColumnConstraints, TableRecord, TableSchema

from reload_assets.confirm import Confirmed
from reload_assets.ledger.records import Reload, StagedTable, listed_columns
from reload_assets.merge import MergeResult
from reload_assets.tables import ReloadTable
from reload_assets.windows import shown_in_zone

OUTCOMES: Mapping[str, str] = {
    "inserted": "was missing in production",
    "updated": "staged row is newer",
    "repaired": "same version, other content",
    "identical": "nothing to do",
    "refused": "production is newer",
    "unversioned": "differs, and a version is NULL",
    "skipped": "same version, other content, policy is skip; or production lacks it, and only columns are repaired",
}


# So that a line fits into the UI's column of values.
_CHART_WIDTH = 18


def outcome_chart(counts: Mapping[str, int]) -> str:
    """Return the staged rows by outcome as bars, and how many of them were right in production before and after.

    It is Markdown, a block of text. Production is right where it has the staged row or a newer one.
    """
    total = sum(counts.values())
    right = counts["identical"] + counts["refused"]
    fixed = counts["inserted"] + counts["updated"] + counts["repaired"]
    bars = [("before", right), ("after", right + fixed)]
    lines = [f"{name:<12}{_bar(rows, total)} {rows:,} of {total:,} as staged or newer" for name, rows in bars]
    lines += [f"{name:<12}{_bar(rows, total)} {rows:,}" for name, rows in counts.items() if rows]
    return "\n".join(["```", *lines, "```"])


def _bar(rows: int, total: int) -> str:
    """Return a bar of the share; a few rows of many are one block."""
    filled = min(_CHART_WIDTH, max(round(_CHART_WIDTH * rows / total), 1)) if rows else 0
    return "█" * filled + "░" * (_CHART_WIDTH - filled)


def column_schema(table: ReloadTable) -> TableSchema:
    """Return production's columns, as its catalog has them."""
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


def reload_metadata(reload: Reload, zone: ZoneInfo) -> dict[str, Any]:
    """Return the metadata that name the reload, its window (in UTC and in the cadence's zone) and its DMS task."""
    return {
        "reload": reload.reload_id,
        **_selection(reload, zone),
        **({"columns": listed_columns(reload.columns)} if reload.columns else {}),
        "DMS task": reload.task_identifier or "",
        "DMS task ARN": reload.task_arn or "",
        "started by": reload.started_by,
        **_cdc(reload),
    }


def _selection(reload: Reload, zone: ZoneInfo) -> dict[str, Any]:
    if reload.window is None or reload.loaded_window is None:
        return {"selection": reload.selected}
    window = {"start": reload.window.start, "end": reload.window.end}
    return {
        **{
            f"window {bound} ({one.key})": shown_in_zone(instant, one)
            for one in dict.fromkeys((ZoneInfo("UTC"), zone))
            for bound, instant in window.items()
        },
        "loaded from (UTC)": reload.loaded_window.start.isoformat(),
    }


def _cdc(reload: Reload) -> dict[str, Any]:
    if reload.cdc_task_arn is None:
        return {"CDC task": "none is configured"}
    lag = {} if reload.cdc_lag_seconds is None else {"CDC lag before the load (s)": round(reload.cdc_lag_seconds, 1)}
    remarks = {"CDC task, remarks": " ".join(reload.cdc_remarks)} if reload.cdc_remarks else {}
    return {"CDC task": f"{reload.cdc_status}: {reload.cdc_task_arn}", **lag, **remarks}


def staged_metadata(reload: Reload, zone: ZoneInfo, staged: StagedTable, table: ReloadTable) -> dict[str, Any]:
    """Return the metadata of one staged table. ``zone`` is the cadence's."""
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
        **reload_metadata(reload, zone),
    }


def merged_metadata(
    reload: Reload,
    zone: ZoneInfo,
    staged: StagedTable,
    table: ReloadTable,
    merged: MergeResult | None,
    confirmed: Confirmed,
) -> dict[str, Any]:
    """Return the metadata of one merged table: each outcome as a number, which the UI plots, and all as a table.

    ``zone`` is the cadence's. ``merged`` is None if an earlier run merged and this run only confirmed.
    """
    counts = {name: int(getattr(staged, name)) for name in OUTCOMES}
    corrected = {
        f"confirm {what}": int(getattr(staged, f"confirm_{what}")) for what in ("inserted", "updated", "deleted")
    }
    effort: dict[str, float] = {}
    if merged:
        effort = {
            "merge seconds": round(merged.seconds, 3),
            "merge attempts": merged.attempts,
            "merge chunks": merged.chunks,
        }
    return {
        "chart": MetadataValue.md(outcome_chart(counts)),
        "outcomes": MetadataValue.table(
            [
                TableRecord({"outcome": name, "rows": counts[name], "meaning": meaning})
                for name, meaning in OUTCOMES.items()
            ]
        ),
        **counts,
        **effort,
        "confirm": confirmed.detail,
        "confirm passes": confirmed.passes,
        "confirm rows read again": staged.confirm_keys,
        **corrected,
        "orphans": staged.orphans,
        "waited for CDC (s)": round(confirmed.waited_seconds, 1),
        **reload_metadata(reload, zone),
        "dagster/row_count": staged.staged_rows,
        "dagster/partition_row_count": staged.staged_rows,
        "dagster/table_name": table.target,
        "dagster/column_schema": column_schema(table),
    }
