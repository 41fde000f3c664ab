"""Divides a window into segments: rows whose window column has the same first characters as canonical text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from reload_assets.tables import ReloadColumn

# To which unit a prefix of ``YYYY-MM-DD HH24:MI:SS.FF6`` gives the time, by its length.
_UNITS = {
    10: timedelta(days=1),
    13: timedelta(hours=1),
    15: timedelta(minutes=10),
    16: timedelta(minutes=1),
    18: timedelta(seconds=10),
    19: timedelta(seconds=1),
    21: timedelta(milliseconds=100),
    22: timedelta(milliseconds=10),
    23: timedelta(milliseconds=1),
}
_REST = "0001-01-01 00:00:00.000000"
_ROWS = 1_000
# The fewest segments guard against an estimate of rows that is far too low. More than the most would take more memory
# than they save in reading.
_FEWEST = 50
_MOST = 20_000

Bounds = tuple[datetime, datetime]


@dataclass(frozen=True)
class Slice:
    """The rows whose ``column`` lies in the half-open ``bounds``, wall-clock values in the source's time zone."""

    column: ReloadColumn
    bounds: Bounds


class Sums(NamedTuple):
    """The rows and the checksum of one side's segment. ``checksum`` is a sum as text."""

    rows: int
    checksum: str


def characters(bounds: Bounds, rows: int) -> int:
    """Return the length of prefix that makes segments of about a thousand rows at most, for about ``rows`` rows.

    Each further character divides a segment by up to ten, so a segment may be as small as a hundred rows.
    """
    wanted = min(max(_FEWEST, rows // _ROWS), _MOST)
    span = bounds[1] - bounds[0]
    return next((length for length, unit in _UNITS.items() if span / unit >= wanted), max(_UNITS))


def differing(source: Mapping[str, Sums], production: Mapping[str, Sums]) -> list[str]:
    """Return the segments in which the two sides differ, in order."""
    return sorted(name for name in source.keys() | production.keys() if source.get(name) != production.get(name))


def ranges(segments: Iterable[str], bounds: Bounds, *, early: bool = False) -> Iterator[Bounds]:
    """Yield half-open ranges of instants, within the window, that hold the segments' rows. Neighbours are joined.

    ``early``: a segment also holds rows whose value is rounded up to its first microsecond.
    """
    start: datetime | None = None
    end = bounds[0]
    for name in segments:
        unit = _UNITS[len(name)]
        first = datetime.fromisoformat(name + _REST[len(name) :])
        # Adding the unit must not pass the year 9999, which Python cannot hold.
        last = first + unit if first < bounds[1] - unit else bounds[1]
        first = max(bounds[0], first - timedelta(microseconds=1) if early else first)
        if start is not None and first <= end:
            end = last
            continue
        if start is not None:
            yield start, end
        start, end = first, last
    if start is not None:
        yield start, end
