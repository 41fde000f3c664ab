"""Segments of a window: the rows whose window column's canonical text begins alike."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from reload_assets.tables import ReloadColumn

# How many characters of ``YYYY-MM-DD HH24:MI:SS.FF6`` say the time down to what.
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
# Few rows and an estimate that is far too low still cut the window so often; more segments than the other would take
# more memory than they save of reading.
_FEWEST = 50
_MOST = 20_000

Bounds = tuple[datetime, datetime]


@dataclass(frozen=True)
class Slice:
    """The rows whose ``column`` lies in the half-open ``bounds``: wall-clock values of the source's zone."""

    column: ReloadColumn
    bounds: Bounds


class Sums(NamedTuple):
    """What one side has in a segment. ``checksum`` is a sum as text."""

    rows: int
    checksum: str


def characters(bounds: Bounds, rows: int) -> int:
    """Return how long a prefix makes segments of at most about a thousand rows, where the window has about ``rows``.

    Each longer prefix cuts up to ten times finer, so a segment may be as small as a hundred rows.
    """
    wanted = min(max(_FEWEST, rows // _ROWS), _MOST)
    span = bounds[1] - bounds[0]
    return next((length for length, unit in _UNITS.items() if span / unit >= wanted), max(_UNITS))


def differing(source: Mapping[str, Sums], production: Mapping[str, Sums]) -> list[str]:
    """Return the segments in which the two sides do not have the same, in order."""
    return sorted(name for name in source.keys() | production.keys() if source.get(name) != production.get(name))


def ranges(segments: Iterable[str], bounds: Bounds, *, early: bool = False) -> Iterator[Bounds]:
    """Half-open ranges of instants that hold the segments' rows, inside of the window; neighbours are one range.

    ``early``: a segment also holds what is rounded up to its first microsecond.
    """
    start: datetime | None = None
    end = bounds[0]
    for name in segments:
        unit = _UNITS[len(name)]
        first = datetime.fromisoformat(name + _REST[len(name) :])
        # No sum beyond the year 9999.
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
