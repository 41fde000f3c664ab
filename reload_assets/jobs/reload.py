"""The jobs that people and the system start: one for backfills over the cadence, one for ad-hoc windows."""

from __future__ import annotations

from dagster import AssetSelection
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition, define_asset_job

from reload_assets.config.model import ReloadConfig
from reload_assets.partitions import Family

MAX_RUNTIME_SECONDS = 24 * 3600


def reload_job_name(family: Family) -> str:
    """Return the job's name: ``reload_<group>``, or ``reload_window_<group>`` for ad-hoc windows."""
    return f"reload_{family.name}"


def reload_job(config: ReloadConfig, family: Family) -> UnresolvedAssetJobDefinition:
    """Return the job that loads, verifies and merges one window of a group."""
    keys = [
        family.key(stage, table) for table in config.groups[family.group].tables for stage in ("staging", "production")
    ]
    cadence = f"{config.windows.cadence}, {config.windows.time_zone}"
    what = "an ad-hoc window" if family.adhoc else f"one window of the cadence ({cadence})"
    return define_asset_job(
        reload_job_name(family),
        selection=AssetSelection.assets(*keys),
        description=f"Reload {what} of the group {family.group}: load it into staging, verify it, merge it into "
        "production. Launch it for several partitions to backfill.",
        tags={"dagster/max_runtime": str(MAX_RUNTIME_SECONDS), "reload_assets/group": family.group},
    )
