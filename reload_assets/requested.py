"""What a person or a system asks to have reloaded, as a partition and the assets of a job."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from dagster import AssetKey, TimeWindowPartitionsDefinition

from reload_assets.config.model import ReloadConfig
from reload_assets.errors import did_you_mean
from reload_assets.errors.windows import RequestInvalid
from reload_assets.partitions import Family, cadence_key, families
from reload_assets.windows import Window


def place_window(config: ReloadConfig, group: str, window: Window, now: datetime) -> tuple[Family, str]:
    """Return the family and partition of a window: the cadence's if it is one of these, else the ad-hoc ones.

    Raises RequestInvalid for an unknown group, and WindowError for a window that is not over ``now``, or for which the
    source has no times.
    """
    require_group(group, config.groups)
    window.require_past(now)
    window.widened(config.windows.overlap).in_zone(config.source.zone)
    regular, adhoc = families(config, group)
    assert isinstance(regular.partitions, TimeWindowPartitionsDefinition)
    key = cadence_key(regular.partitions, window)
    return (regular, key) if key else (adhoc, window.key)


def require_group(group: str, groups: Collection[str]) -> None:
    """Raise RequestInvalid if there is no such group."""
    if group not in groups:
        raise RequestInvalid("group_name", f"there is no group {group!r}{did_you_mean(group, groups)}")


def choose_tables(tables: Mapping[str, object], group: str, wanted: Sequence[str] | None) -> list[str]:
    """Return the wanted tables of a group, each once; all of them for None. Raises RequestInvalid."""
    known = list(tables)
    chosen = list(dict.fromkeys(wanted)) if wanted is not None else known
    if not chosen:
        raise RequestInvalid("tables", "the list is empty; leave it NULL for all tables of the group.")
    for unknown in (name for name in chosen if name not in known):
        hint = did_you_mean(unknown, known)
        raise RequestInvalid("tables", f"{unknown!r} is not a table of the group {group}{hint}")
    return chosen


def assets_of(family: Family, tables: Sequence[str]) -> list[AssetKey]:
    """Return the assets that a reload of some tables materializes."""
    return [family.key(stage, name) for name in tables for stage in ("staging", "production")]
