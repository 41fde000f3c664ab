"""Windows: half-open stretches ``[start, end)`` of UTC instants, and their bounds in the time zone of the source.

Oracle's DATE and TIMESTAMP carry no zone, so a window is converted into wall-clock bounds in the source's zone. Twice a
year the two do not match one to one. The rule here gives every wall-clock value exactly one instant, so that every row
lies in exactly one window: if the clock shows an hour twice, its values count as the first time; if the clock skips an
hour, its values count as the moment of the change.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

from reload_assets.errors.windows import (
    PartitionKeyInvalid,
    WindowInFuture,
    WindowOutOfRange,
    WindowReversed,
    WindowWithWrongZone,
)

_STEP = timedelta(microseconds=1)
_EARLIEST = datetime.min.replace(tzinfo=timezone.utc)
# Each window has one spelling only: a window with two partition keys would be loaded twice.
_INSTANT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{6})?Z"
_KEY_FIX = (
    "write two UTC instants as 2025-01-03T04:10:00Z--2025-01-03T09:45:00Z (microseconds as .000001 only where they are "
    "not zero)"
)
_KEY = re.compile(rf"({_INSTANT})--({_INSTANT})")


@dataclass(frozen=True, order=True)
class Window:
    """``[start, end)``, both UTC instants. Raises WindowError if the end is not after the start."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        for instant in (self.start, self.end):
            if instant.tzinfo is None or instant.utcoffset() != timedelta(0):
                raise WindowWithWrongZone(instant.isoformat(), "UTC")
        if self.end <= self.start:
            raise WindowReversed(_written(self.start), _written(self.end))

    def __str__(self) -> str:
        return self.key

    @property
    def key(self) -> str:
        """The partition key of an ad-hoc window, for example ``2025-01-03T04:10:00Z--2025-01-03T09:45:00Z``."""
        return f"{_written(self.start)}--{_written(self.end)}"

    def shown(self, zone: ZoneInfo) -> str:
        """Return both instants for a person who thinks in a zone; in UTC it is the key."""
        if zone.key == "UTC":
            return self.key
        return f"{shown_in_zone(self.start, zone)}--{shown_in_zone(self.end, zone)}"

    def widened(self, overlap: timedelta) -> Window:
        """Return the window with its start moved back by the margin for late commits.

        Raises WindowError where that is before year 1.
        """
        try:
            return Window(self.start - overlap, self.end)
        except OverflowError:
            raise WindowOutOfRange(self.key, "its margin for late commits begins") from None

    def require_past(self, now: datetime) -> None:
        """Raise WindowError if part of the window is in the future: its rows can still change without notice."""
        if self.end > now:
            raise WindowInFuture(self.key, _written(now.replace(microsecond=0)))

    def in_zone(self, zone: ZoneInfo) -> tuple[datetime, datetime]:
        """Return the half-open wall-clock bounds, without a zone, of the rows that belong to this window.

        Both are equal if the window lies entirely in the second pass of a repeated hour: no rows belong to it. Raises
        WindowError if a bound is not in the years 1 to 9999 there.
        """
        try:
            return wall_clock_bound(self.start, zone), wall_clock_bound(self.end, zone)
        except OverflowError:
            raise WindowOutOfRange(self.key, f"its wall-clock times in {zone.key} lie") from None


def parse_window_key(key: str) -> Window:
    """Return the window that an ad-hoc partition key names.

    Raises WindowError for anything that is not exactly such a key.
    """
    match = _KEY.fullmatch(key)
    if match:
        try:
            window = Window(_read(match[1]), _read(match[2]))
        except ValueError as error:
            raise PartitionKeyInvalid(key, str(error), _KEY_FIX) from None
        if window.key == key:
            return window
    raise PartitionKeyInvalid(key, "", _KEY_FIX)


def wall_clock_bound(instant: datetime, zone: ZoneInfo) -> datetime:
    """Return the smallest wall-clock value of the zone, without a zone, that counts as ``instant`` (UTC) or later.

    Smaller values count as before the instant.
    """
    local = instant.astimezone(zone)
    if local.fold:
        # In the second pass of a repeated hour: all values that the clock shows twice belong to the first pass.
        repeated = _offset(local.replace(fold=0)) - _offset(local)
        return _wall(_change_before(instant, zone, repeated).astimezone(zone)) + repeated
    # No clock changes in year 1, and there is no instant before it.
    before = instant - _STEP if instant > _EARLIEST else instant
    left_out = _offset(local) - _offset(before.astimezone(zone))
    # At the moment of a jump forward, the values that the clock skips count as this instant: the bound is before them.
    return _wall(local) - max(left_out, timedelta(0))


def shown_in_zone(instant: datetime, zone: ZoneInfo) -> str:
    """Return an instant as ISO text with the offset of the zone; in UTC where that is not in the years 1 to 9999."""
    try:
        return instant.astimezone(zone).isoformat()
    except OverflowError:
        return instant.isoformat()


def _change_before(instant: datetime, zone: ZoneInfo, reach: timedelta) -> datetime:
    """Return the moment, at most ``reach`` before ``instant``, since which the zone has the offset of ``instant``."""
    offset = _offset(instant.astimezone(zone))
    before, after = instant - reach, instant
    while after - before > _STEP:
        middle = before + (after - before) // 2
        if _offset(middle.astimezone(zone)) == offset:
            after = middle
        else:
            before = middle
    return after


def _offset(moment: datetime) -> timedelta:
    offset = moment.utcoffset()
    assert offset is not None
    return offset


def _wall(moment: datetime) -> datetime:
    return moment.replace(tzinfo=None, fold=0)


def _written(instant: datetime) -> str:
    return instant.astimezone(timezone.utc).replace(tzinfo=None).isoformat() + "Z"


def _read(written: str) -> datetime:
    return datetime.fromisoformat(written[:-1]).replace(tzinfo=timezone.utc)
