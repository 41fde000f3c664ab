"""Each window is compared within its time, evenly spread: the turns of weeks of ticks, played through."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from reload_assets.config.finders import DriftConfig
from reload_assets.finders.comparisons import Last
from reload_assets.finders.turns import TICK, next_windows, overdue
from reload_assets.windows import Window

NOW = datetime(2025, 6, 1, tzinfo=timezone.utc)
TABLES = ("orders", "customers")


def windows(number: int, now: datetime = NOW) -> list[Window]:
    """The windows of the days before ``now``, the oldest first."""
    day = timedelta(days=1)
    midnight = now.replace(hour=0)
    return [Window(midnight - day * (one + 1), midnight - day * one) for one in reversed(range(number))]


def compared(window: Window, at: datetime, whole: datetime | None) -> dict[tuple[str, Window], Last]:
    return {(table, window): Last(at, whole) for table in TABLES}


@pytest.mark.parametrize(("days", "within"), [(90, 7), (3, 7), (365, 1), (30, 0.25)])
def test_within_the_time_each_window_has_its_turn_and_no_tick_has_many(days: int, within: float) -> None:
    settings = DriftConfig(days=days, within_days=within)
    last: dict[tuple[str, Window], Last] = {}
    per_tick: list[int] = []
    ticks = round(timedelta(days=3 * within) / TICK)
    for number in range(ticks):
        now = NOW + TICK * number
        promised = windows(days, now)
        chosen = next_windows(promised, TABLES, last, settings, now)
        per_tick.append(len(chosen))
        for window in chosen:
            last |= compared(window, now, now)
        if number > ticks / 3:
            assert overdue(promised, "orders", last, settings, now) == [], now
    most = -(-days // int(within * 24 * 0.75))
    assert max(per_tick) == most
    # A window is not compared more often than it has to be.
    assert sum(per_tick) <= (days + 3 * within) * (3 / 0.75 + 1)


def test_the_latest_windows_come_first_and_then_those_not_tried_for_the_longest_time() -> None:
    settings = DriftConfig(days=4, within_days=0.25)
    one, two, three, four = windows(4)
    assert next_windows([one, two, three, four], TABLES, {}, settings, NOW) == [four]
    last = compared(four, NOW - timedelta(hours=9), None) | compared(three, NOW - timedelta(hours=8), None)
    last |= compared(two, NOW - timedelta(hours=10), NOW - timedelta(hours=10)) | compared(one, NOW, NOW)
    assert next_windows([one, two, three, four], TABLES, last, settings, NOW) == [two]


def test_one_that_failed_is_tried_again_after_a_while_and_one_table_is_enough() -> None:
    settings = DriftConfig(days=1, within_days=2)
    (window,) = windows(1)
    last = compared(window, NOW - timedelta(hours=1), NOW - timedelta(hours=1))
    assert next_windows([window], TABLES, last, settings, NOW) == []
    last["orders", window] = Last(NOW - timedelta(hours=1), None)
    assert next_windows([window], TABLES, last, settings, NOW) == []
    last["orders", window] = Last(NOW - timedelta(hours=3), None)
    assert next_windows([window], TABLES, last, settings, NOW) == [window]


def test_overdue_is_what_was_not_compared_as_a_whole_and_has_had_its_time() -> None:
    settings = DriftConfig(days=4, within_days=2)
    oldest, older, old, new = windows(4)
    last = compared(oldest, NOW, None) | compared(older, NOW, NOW - timedelta(days=1))
    assert overdue([oldest, older, old, new], "orders", last, settings, NOW) == [oldest]
    assert overdue([old, new], "orders", {}, settings, NOW + timedelta(days=2)) == [old]
