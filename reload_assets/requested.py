"""What a person or a system asks to have reloaded, as a partition and the assets of a job."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from dagster import AssetKey, TimeWindowPartitionsDefinition

from reload_assets.config.model import ReloadConfig
from reload_assets.errors import did_you_mean
from reload_assets.errors.windows import RequestInvalid
from reload_assets.ledger.records import Key
from reload_assets.ledger.request_columns import parse_columns
from reload_assets.ledger.request_keys import parse_keys
from reload_assets.ledger.requests import get_request
from reload_assets.ledger.selected import canonical_keys
from reload_assets.partitions import Family, cadence_key, families, keys_partition, request_of
from reload_assets.reload.lacking_rights import naming_rights
from reload_assets.reload.limited import limited_tables
from reload_assets.reload.parents import with_missing_parents
from reload_assets.reload.parts import group_tables
from reload_assets.reload.services import Services
from reload_assets.tables import resolve_group
from reload_assets.windows import Window


def place_window(
    config: ReloadConfig, group: str, window: Window, now: datetime, *, is_limited: bool = False
) -> tuple[Family, str]:
    """Return the family and partition of a window: the cadence's if it is one of these, else the ad-hoc ones.

    ``is_limited``: only columns are to be repaired, which leaves the cadence's partition as it is.
    Raises RequestInvalid for an unknown group, and WindowError for a window that is not over ``now`` or that the
    source's time zone cannot hold.
    """
    require_group(group, config.groups)
    window.require_past(now)
    window.widened(config.windows.overlap).in_zone(config.source.zone)
    regular, adhoc, _ = families(config, group)
    assert isinstance(regular.partitions, TimeWindowPartitionsDefinition)
    key = None if is_limited else cadence_key(regular.partitions, window)
    return (regular, key) if key else (adhoc, window.key)


def place_keys(config: ReloadConfig, group: str, request_id: int) -> tuple[Family, str]:
    """Return the family and partition of the keys that a request lists. Raises RequestInvalid for an unknown group."""
    require_group(group, config.groups)
    *_, by_keys = families(config, group)
    return by_keys, keys_partition(request_id)


def complete_keys(services: Services, group: str, keys: Mapping[str, Sequence[Key]]) -> Mapping[str, Sequence[Key]]:
    """Return the keys with those of parents that production lacks; the same ones without a source connection.

    Raises ConfigError, KeysUnreadable for keys that production cannot have, RightsMissing and SourceUnavailable.
    """
    with naming_rights(services, group), services.source() as reader:
        if reader is not None:
            return with_missing_parents(services.config, services.target, reader, group, keys)
    require_keys(services, group, keys)
    return keys


def require_keys(services: Services, group: str, keys: Mapping[str, Sequence[Key]]) -> None:
    """Require keys that production can have. Raises ConfigError, KeysUnreadable and SourceUnavailable."""
    with services.source() as reader, services.target.connect(autocommit=True) as connection:
        for table in resolve_group(group_tables(services.config, group), connection, reader, list(keys)):
            canonical_keys(connection, table, keys[table.name])


def requested_keys(services: Services, family: Family, partition_key: str) -> Mapping[str, Sequence[Key]]:
    """Return the keys that the request of a partition lists, by table. Raises RequestInvalid."""
    number = request_of(partition_key)
    request = get_request(services.target, number)
    if request is None or request.group_name != family.group or request.keys is None:
        raise RequestInvalid(
            "the partition",
            f"{partition_key!r} is not a request of the group {family.group} for keys; see admin.reload_requests.",
        )
    return parse_keys(request.keys)


def requested_columns(
    services: Services, family: Family, partition_key: str, request_id: int | None
) -> Mapping[str, Sequence[str]]:
    """Return the columns to which the request of a run limits it, by table; none for whole rows. Raises RequestInvalid.

    A run whose request is gone, or is for something else, is refused: nobody knows to what it was limited.
    """
    request = get_request(services.target, request_id) if request_id is not None else None
    if request_id is not None and request is None:
        raise RequestInvalid(
            "the run", f"admin.reload_requests has no request {request_id}, to which the run belongs; insert a new one."
        )
    if request is None or request.columns is None:
        return {}
    window = family.selected_window(partition_key)
    asked = (request.window_start, request.window_end)
    if request.group_name != family.group or (window is not None and asked != (window.start, window.end)):
        raise RequestInvalid(
            "columns",
            f"request {request_id} limits another window or group to columns; leave the request out of the run, or "
            "launch it for what the request asks for.",
        )
    return parse_columns(request.columns)


def choose_limited(
    services: Services, group: str, columns: Mapping[str, Sequence[str]], tables: Sequence[str] | None
) -> list[str]:
    """Return the tables of a request that is limited to ``columns``; ``tables`` are those that it names, if it does.

    Raises RequestInvalid for a table or column that cannot be repaired, ConfigError, and SourceUnavailable.
    """
    names = choose_tables(services.config.groups[group].tables, group, list(columns), "columns")
    if tables is not None and (apart := sorted({*tables} ^ {*names})):
        raise RequestInvalid(
            "columns",
            f"has other tables than the request: {', '.join(apart)}; name columns of each table, and no other table.",
        )
    with services.source() as reader, services.target.connect(autocommit=True) as connection:
        resolved = resolve_group(group_tables(services.config, group), connection, reader, names)
    limited_tables(resolved, columns)
    return names


def require_group(group: str, groups: Collection[str]) -> None:
    """Raise RequestInvalid if there is no such group."""
    if group not in groups:
        raise RequestInvalid("group_name", f"there is no group {group!r}{did_you_mean(group, groups)}")


def choose_tables(
    tables: Mapping[str, object], group: str, wanted: Sequence[str] | None, column: str = "tables"
) -> list[str]:
    """Return the wanted tables of a group, each once; all of them for None. Raises RequestInvalid.

    ``column`` of the request names them.
    """
    known = list(tables)
    chosen = list(dict.fromkeys(wanted)) if wanted is not None else known
    if not chosen:
        raise RequestInvalid("tables", "the list is empty; leave it NULL for all tables of the group.")
    for unknown in (name for name in chosen if name not in known):
        hint = did_you_mean(unknown, known)
        raise RequestInvalid(column, f"{unknown!r} is not a table of the group {group}{hint}")
    return chosen


def assets_of(family: Family, tables: Sequence[str]) -> list[AssetKey]:
    """Return the assets that a reload of some tables materializes."""
    return [family.key(stage, name) for name in tables for stage in ("staging", "production")]
