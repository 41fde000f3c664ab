"""Finds the reload that a step belongs to: the newest one of its window in the ledger."""

from __future__ import annotations

from collections.abc import Collection

from reload_assets.errors.reloads import LoadedApart, NothingLoaded
from reload_assets.ledger.ledger import Ledger
from reload_assets.ledger.records import Reload
from reload_assets.partitions import Family


def current_reload(ledger: Ledger, family: Family, partition_key: str, tables: Collection[str]) -> Reload:
    """Return the newest reload of the window for these tables.

    Raises ReloadRefused if there is no such reload, or if different reloads loaded the tables.
    """
    window = family.selected_window(partition_key)
    found = {name: ledger.latest(family.group, window, partition_key, name) for name in sorted(tables)}
    missing = [name for name, reload in found.items() if reload is None]
    if missing:
        raise NothingLoaded(", ".join(missing), partition_key)
    newest = {reload.reload_id: reload for reload in found.values() if reload is not None}
    if len(newest) > 1:
        each = ", ".join(f"{name} by reload {reload.reload_id}" for name, reload in found.items() if reload)
        raise LoadedApart(partition_key, each)
    return next(iter(newest.values()))


def awaits_confirm(reload: Reload, tables: Collection[str]) -> bool:
    """Return whether the reload has merged all of these tables together, and only its confirm is missing or failed."""
    return (
        reload.status == "merged"
        and reload.confirm_status in ("pending", "unconfirmed")
        and set(tables) == set(reload.tables)
    )


def take_up(ledger: Ledger, reload: Reload, run_id: str) -> None:
    """Note in the ledger that this run resumes a reload of perhaps another run, if something is left to do."""
    failed_in_merge = reload.status == "failed" and reload.merge_started_at is not None
    left_to_do = reload.status in ("verified", "merging") or reload.confirm_status in ("pending", "unconfirmed")
    if left_to_do or failed_in_merge:
        ledger.set_run(reload.reload_id, run_id)
