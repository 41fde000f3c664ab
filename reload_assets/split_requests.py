"""Splits a request for many keys into the windows of the cadence that hold them, and one for tables that are gone.

Keys whose rows lie in no such window, on neither side, stay keys: those of rows without a time or of a window that has
not ended, and keys that neither side has. So do those of parents that production lacks, which may lie in any window.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from zoneinfo import ZoneInfo

from dagster import TimeWindowPartitionsDefinition

from reload_assets.config.model import ReloadConfig
from reload_assets.ledger.records import Key
from reload_assets.ledger.request_keys import parse_keys, write_keys
from reload_assets.ledger.requests import Part, Request
from reload_assets.partitions import cadence_window, families
from reload_assets.reload.lacking_rights import naming_rights
from reload_assets.reload.parents import missing_parents
from reload_assets.reload.services import Services
from reload_assets.reload.split import Moments, moments_of
from reload_assets.windows import Window


def without_gone(request: Request, tables: Collection[str], reason: str) -> list[Part]:
    """Return a finder's request in two parts if its group has only some of its tables any more: ``tables``.

    The second part has the others, and will be refused. Else nothing is returned. Raises RequestInvalid.
    """
    if request.found_by == "person":
        # A name that a person wrote may be a mistake.
        return []
    keys = {} if request.keys is None else parse_keys(request.keys)
    named = list(keys) or [str(name) for name in request.tables or ()]
    gone = [name for name in named if name not in tables]
    there = [name for name in named if name in tables]
    if not gone or not there:
        return []
    window = None
    if not keys and request.window_start is not None and request.window_end is not None:
        window = Window(request.window_start.astimezone(timezone.utc), request.window_end.astimezone(timezone.utc))
    return [
        Part(
            window,
            None if keys else some,
            write_keys({name: keys[name] for name in some}) if keys else None,
            f"{reason} ({', '.join(gone)} left the group)",
            whole_windows=request.whole_windows,
        )
        for some in (there, gone)
    ]


def too_long(config: ReloadConfig, keys: Mapping[str, Sequence[Key]], *, whole_windows: bool = False) -> list[str]:
    """Return the tables whose keys become windows: too many, or all if ``whole_windows`` are asked for."""
    return [name for name, some in keys.items() if whole_windows or len(some) > config.keys.most]


def parts_of(
    services: Services,
    group: str,
    keys: Mapping[str, Sequence[Key]],
    now: datetime,
    reason: str,
    columns: Mapping[str, Sequence[str]] | None = None,
    *,
    whole_windows: bool = False,
) -> list[Part]:
    """Return the parts of a list of keys that is too long. ``now`` is UTC; ``reason`` begins the reason of each part.

    Windows come last, because rows there may have parents that production lacks, which are among the keys.
    Each part is limited to those of the ``columns`` that are of its tables. Raises ConfigError, KeysUnreadable,
    RightsMissing and SourceUnavailable.
    """
    config, target = services.config, services.target
    regular = families(config, group)[0].partitions
    assert isinstance(regular, TimeWindowPartitionsDefinition)
    long = too_long(config, keys, whole_windows=whole_windows)
    with naming_rights(services, group), services.source() as reader:
        listed = {name: keys[name] for name in long}
        placed = moments_of(config, target, reader, group, listed)
        parents = missing_parents(config, target, reader, group, listed) if reader and columns is None else {}
    windows: dict[Window, dict[str, int]] = {}
    rest: dict[str, list[Key]] = {name: list(some) for name, some in keys.items() if name not in long}
    for name, moments in placed.items():
        for key, held in _windows(regular, config.source.zone, moments, now):
            for window in held:
                windows.setdefault(window, {}).setdefault(name, 0)
                windows[window][name] += 1
            if not held:
                rest.setdefault(name, []).append(key)
    for name, missing in parents.items():
        rest[name] = list(dict.fromkeys([*missing, *rest.get(name, ())]))
    found = [(part, list(held)) for part, held in _key_parts(reason, rest, config.keys.most)]
    found += [(part, list(held)) for part, held in _window_parts(reason, windows)]
    if columns is None:
        return [part for part, _ in found]
    return [replace(part, columns={name: columns[name] for name in held}) for part, held in found]


def _windows(
    regular: TimeWindowPartitionsDefinition, zone: ZoneInfo, moments: Moments, now: datetime
) -> Iterator[tuple[Key, Collection[Window]]]:
    """Yield each key with the ended windows of the cadence in which its rows lie."""
    known: dict[datetime, Window | None] = {}
    for key, times in moments.items():
        for moment in times:
            if moment not in known:
                known[moment] = _window(regular, zone, moment, now)
        yield key, {window for moment in times if (window := known[moment]) is not None}


def _window(regular: TimeWindowPartitionsDefinition, zone: ZoneInfo, moment: datetime, now: datetime) -> Window | None:
    """Return the ended window of the cadence that holds a wall-clock value of the source's zone; None if none does."""
    try:
        instant = moment.replace(tzinfo=zone).astimezone(timezone.utc)
    except OverflowError:
        # The last hours of the year 9999 are later in UTC, and the first ones of the year 1 earlier.
        return None
    if instant < regular.start or instant >= now:
        return None
    window = cadence_window(regular, regular.get_partition_key_for_timestamp(instant.timestamp()))
    first, last = window.in_zone(zone)
    # Where the clock changes, a value may belong to the neighbour: then the row is reloaded by its key.
    return window if window.end <= now and first <= moment < last else None


def _window_parts(why: str, windows: Mapping[Window, Mapping[str, int]]) -> Iterator[tuple[Part, Collection[str]]]:
    """Yield requests for windows, each with its tables."""
    for window in sorted(windows):
        counts = windows[window]
        listed = ", ".join(f"{count} of {name}" for name, count in counts.items())
        yield Part(window, list(counts), None, f"{why} (keys in this window: {listed})".strip()), list(counts)


def _key_parts(why: str, keys: Mapping[str, Sequence[Key]], most: int) -> Iterator[tuple[Part, Collection[str]]]:
    """Yield requests for at most ``most`` keys of each table, the tables together, each with its tables."""
    longest = max((len(some) for some in keys.values()), default=0)
    for first in range(0, longest, most):
        some = {name: held for name, all_keys in keys.items() if (held := all_keys[first : first + most])}
        reason = f"{why} (keys that no ended window holds, or of missing parents)".strip()
        yield Part(None, None, write_keys(some), reason), list(some)
