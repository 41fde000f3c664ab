"""The jobs that people and the system start: for backfills over the cadence, ad-hoc windows and lists of keys."""

from __future__ import annotations

from dagster import AssetSelection
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition, define_asset_job

from reload_assets.config.model import ReloadConfig
from reload_assets.partitions import Family

MAX_RUNTIME_SECONDS = 24 * 3600


def reload_job_name(family: Family) -> str:
    """Return the job's name: ``reload_<group>``, ``reload_window_<group>`` (ad-hoc) or ``reload_keys_<group>``."""
    return f"reload_{family.name}"


def reload_job(config: ReloadConfig, family: Family) -> UnresolvedAssetJobDefinition:
    """Return the job that loads, verifies and merges one selection of a group."""
    keys = [
        family.key(stage, table) for table in config.groups[family.group].tables for stage in ("staging", "production")
    ]
    what = {
        "cadence": f"one window of the cadence ({config.windows.cadence}, {config.windows.time_zone})",
        "adhoc": "an ad-hoc window",
        "keys": "the keys that a row of admin.reload_requests lists",
    }[family.kind]
    return define_asset_job(
        reload_job_name(family),
        selection=AssetSelection.assets(*keys),
        description=f"Reload {what} of the group {family.group}: load it into staging, verify it, merge it into "
        "production. Launch it for several partitions to backfill.",
        tags={"dagster/max_runtime": str(MAX_RUNTIME_SECONDS), "reload_assets/group": family.group},
    )
