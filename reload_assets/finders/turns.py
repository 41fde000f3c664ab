"""Decides which windows are compared next, so that each was compared within ``finders.drift.within_days``."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta, timezone

from reload_assets.config.finders import DriftConfig
from reload_assets.finders.comparisons import Last
from reload_assets.windows import Window

TICK = timedelta(hours=1)
# A round over all windows takes this share of within_days: the rest is for comparisons that fail, and for outages.
_SHARE = 0.75
# A comparison that failed, or was stopped, is tried again after this share of within_days.
_AGAIN = 1 / 24

LastByWindow = Mapping[tuple[str, Window], Last]


def next_windows(
    windows: Sequence[Window], tables: Collection[str], last: LastByWindow, settings: DriftConfig, now: datetime
) -> list[Window]:
    """Return the windows whose turn it is in this tick, those first that were not tried for the longest time.

    They are no more than an even load needs. ``windows`` are all that the promise covers.
    """
    within = timedelta(days=settings.within_days)
    due = [
        window
        for window in windows
        if any(_is_due(last.get((table, window)), now - within * _SHARE, now - within * _AGAIN) for table in tables)
    ]
    never = datetime.min.replace(tzinfo=timezone.utc)

    def turn(window: Window) -> tuple[datetime, timedelta]:
        tried = [last.get((table, window)) for table in tables]
        # Of windows that were never tried, the latest ones first.
        return min(one.tried_at if one else never for one in tried), now - window.end

    ticks = max(1, math.floor(within * _SHARE / TICK))
    return sorted(due, key=turn)[: math.ceil(len(windows) / ticks)]


def _is_due(last: Last | None, compared_before: datetime, tried_before: datetime) -> bool:
    if last is None:
        return True
    return (last.compared_at is None or last.compared_at < compared_before) and last.tried_at < tried_before


def overdue(
    windows: Sequence[Window], table: str, last: LastByWindow, settings: DriftConfig, now: datetime
) -> list[Window]:
    """Return the windows of a table for which the promise is broken. One that has just ended has its time, too."""
    before = now - timedelta(days=settings.within_days)
    found = []
    for window in windows:
        known = last.get((table, window))
        compared_at = None if known is None else known.compared_at
        if window.end < before and (compared_at is None or compared_at < before):
            found.append(window)
    return found
