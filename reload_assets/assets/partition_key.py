"""The one partition that a run is for: a reload is one window, so that no run can have several, or none."""

from __future__ import annotations

from dagster import DagsterRun

from reload_assets.errors.windows import RunOverPartitions, RunWithoutPartition

_PARTITION = "dagster/partition"
_FIRST, _LAST = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"


def partition_key(run: DagsterRun) -> str:
    """Return the partition that a run was launched for. Raises WindowError where it is not exactly one."""
    key, first, last = (run.tags.get(tag) for tag in (_PARTITION, _FIRST, _LAST))
    if key is not None:
        return key
    if first is None or last is None:
        raise RunWithoutPartition
    if first != last:
        raise RunOverPartitions(first, last)
    return first
