"""What a cadence comes to: whether its windows leave any time out, and which of them have ended."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo

from dagster import TimeWindow, TimeWindowPartitionsDefinition

from reload_assets.windows import Window

_DAY = timedelta(days=1)
_HOUR = timedelta(hours=1)
_SECOND = timedelta(seconds=1)
# Countries say when their clocks change, and change that, about so long before.
_AHEAD = timedelta(days=2 * 366)
_FEW = 60
# Dagster recommends no more for an asset.
_MANY = 100_000


@dataclass(frozen=True)
class Cadence:
    """The windows that have ended: the keys of the ``first`` and the ``last``, None where there is none, and how many.

    ``warnings``: sentences about a cadence that its user may not have meant.
    """

    first: str | None
    last: str | None
    windows: int
    warnings: list[str]


def described(partitions: TimeWindowPartitionsDefinition, first: datetime, now: datetime) -> Cadence:
    """Return what a cadence comes to ``now`` whose windows begin at ``first`` (``windows.first``)."""
    zone = ZoneInfo(partitions.timezone)
    earliest = partitions.get_next_partition_window(partitions.start, respect_bounds=False)
    assert earliest is not None
    keys = partitions.get_partition_keys(current_time=now)
    warnings = []
    if earliest.start.timestamp() != first.timestamp():
        warnings.append(
            f"windows.first, {_local(first, zone)}, is not where a window of the cadence begins: the first window "
            f"begins at {_local(earliest.start, zone)}, and none has the rows before that"
        )
    if not keys:
        future = f"windows.first, {_local(first, zone)}, is in the future: " if first > now else ""
        warnings.append(f"{future}no window has ended yet; the first one ends at {_local(earliest.end, zone)}")
    if len(keys) > _MANY:
        warnings.append(
            f"{len(keys):,} windows are more than the {_MANY:,} that Dagster recommends; write a longer cadence or a "
            "later windows.first, and reload older rows by ad-hoc windows"
        )
    return Cadence(keys[0] if keys else None, keys[-1] if keys else None, len(keys), warnings)


def windows_from(partitions: TimeWindowPartitionsDefinition, start: datetime, end: datetime) -> Iterator[Window]:
    """Yield the cadence's windows from the one that holds ``start`` on, the last of them cut at ``end``.

    Windows before the first of the cadence are cut in the same way.
    """
    while start < end:
        key = partitions.get_partition_key_for_timestamp(start.timestamp())
        window = partitions.time_window_for_partition_key(key)
        first, last = (moment.astimezone(timezone.utc) for moment in (window.start, window.end))
        yield Window(first, min(last, end))
        start = last


@lru_cache
def torn(partitions: TimeWindowPartitionsDefinition) -> str | None:
    """Return where time is in no window of the cadence, or in two, as local times; None where the windows tile it.

    They tile it wherever the zone's clock goes on. Looks at its changes from the first window on, and at those of the
    next two years.
    """
    zone = ZoneInfo(partitions.timezone)
    earliest = partitions.get_next_partition_window(partitions.start, respect_bounds=False)
    assert earliest is not None
    length = timedelta(seconds=earliest.end.timestamp() - earliest.start.timestamp())
    for change, by in _clock_changes(zone, partitions.start, datetime.now(timezone.utc) + _AHEAD):
        if not _HOUR % length and by % length:
            # Dagster counts on from such a change in steps of the same length: hourly windows at 02:30, 03:30 ...
            return f"{_local(change - _SECOND, zone)} and {_local(change, zone)}"
        around = TimeWindow(change - by - _HOUR, change + by + _HOUR)
        inside = partitions.get_partition_keys_in_time_window(around)
        if len(inside) > _FEW:
            # Each of these is shorter than what the clock jumps over.
            continue
        keys = dict.fromkeys([partitions.get_partition_key_for_timestamp(around.start.timestamp()), *inside])
        windows = [partitions.time_window_for_partition_key(key) for key in keys]
        for one, other in pairwise(windows):
            if one.end.timestamp() != other.start.timestamp():
                return f"{_local(one.end, zone)} and {_local(other.start, zone)}"
    return None


def _clock_changes(zone: ZoneInfo, start: datetime, end: datetime) -> Iterator[tuple[datetime, timedelta]]:
    """Yield each instant within a day of which the zone's clock changes, and by how much it can have changed."""
    instant = start.astimezone(timezone.utc)
    offset = instant.astimezone(zone).utcoffset()
    while instant < end:
        before, after = instant, instant + _DAY
        instant, offset_before = after, offset
        offset = after.astimezone(zone).utcoffset()
        if offset == offset_before:
            continue
        while after - before > _SECOND:
            middle = before + (after - before) / 2
            if middle.astimezone(zone).utcoffset() == offset_before:
                before = middle
            else:
                after = middle
        assert offset is not None
        assert offset_before is not None
        yield after.replace(microsecond=0), abs(offset - offset_before)


def _local(instant: datetime, zone: ZoneInfo) -> str:
    return instant.astimezone(zone).isoformat(timespec="minutes")
