"""The job that compares a window of a group with the source."""

from __future__ import annotations

from dagster import AssetSelection
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition, define_asset_job

from reload_assets.config.model import ReloadConfig
from reload_assets.jobs.reload import MAX_RUNTIME_SECONDS
from reload_assets.partitions import Family


def drift_job_name(family: Family) -> str:
    """Return the job's name: ``drift_<group>``."""
    return f"drift_{family.name}"


def drift_job(config: ReloadConfig, family: Family) -> UnresolvedAssetJobDefinition:
    """Return the job that compares one window of a group."""
    keys = [family.key("drift", table) for table in config.groups[family.group].tables]
    return define_asset_job(
        drift_job_name(family),
        selection=AssetSelection.assets(*keys),
        description=f"Compare one window of the group {family.group} with the source. Nothing is loaded.",
        # Reloads go first in the queue.
        tags={
            "dagster/max_runtime": str(MAX_RUNTIME_SECONDS),
            "dagster/priority": "-1",
            "reload_assets/group": family.group,
        },
    )
