"""Windows tile the time line, in UTC and in the source's zone, also where the clock jumps."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from reload_assets.errors import WindowError
from reload_assets.errors.windows import WindowInFuture
from reload_assets.windows import Window, parse_window_key, wall_clock_bound

UTC = timezone.utc
ZONES = ["UTC", "Europe/Zurich", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Casablanca"]
instants = st.datetimes(datetime(2000, 1, 1), datetime(2037, 1, 1)).map(lambda moment: moment.replace(tzinfo=UTC))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@given(
    zone=st.sampled_from(ZONES).map(ZoneInfo),
    cuts=st.lists(instants, min_size=2, max_size=6, unique=True).map(sorted),
    wall=st.datetimes(datetime(1999, 1, 1), datetime(2038, 1, 1)),
)
@example(  # hourly windows over the night in which the clock shows 02:00-03:00 twice
    zone=ZoneInfo("Europe/Zurich"),
    cuts=[at("2025-10-25T23:00") + timedelta(hours=n) for n in range(6)],
    wall=datetime(2025, 10, 26, 2, 30),
)
@example(  # and over the one in which it leaves 02:00-03:00 out
    zone=ZoneInfo("Europe/Zurich"),
    cuts=[at("2025-03-29T23:00") + timedelta(hours=n) for n in range(6)],
    wall=datetime(2025, 3, 30, 2, 30),
)
def test_every_wall_clock_value_falls_in_exactly_one_window(
    zone: ZoneInfo, cuts: list[datetime], wall: datetime
) -> None:
    bounds = [wall_clock_bound(cut, zone) for cut in cuts]
    assert bounds == sorted(bounds)
    windows = [Window(a, b).in_zone(zone) for a, b in pairwise(cuts)]
    probes = [wall] + [bound + timedelta(microseconds=n) for bound in bounds for n in (-1, 0, 1)]
    for probe in probes:
        hits = sum(start <= probe < end for start, end in windows)
        assert hits == (1 if bounds[0] <= probe < bounds[-1] else 0)


@given(zone=st.sampled_from(ZONES).map(ZoneInfo), instant=instants)
def test_a_row_written_in_the_window_is_found_in_it_unless_the_clock_repeats(zone: ZoneInfo, instant: datetime) -> None:
    local = instant.astimezone(zone)
    start, end = Window(instant, instant + timedelta(microseconds=1)).in_zone(zone)
    if not local.fold:
        assert start <= local.replace(tzinfo=None) < end


@given(start=instants, length=st.timedeltas(timedelta(microseconds=1), timedelta(days=4000)))
def test_a_key_and_its_window_are_one_to_one(start: datetime, length: timedelta) -> None:
    window = Window(start, start + length)
    assert parse_window_key(window.key) == window


def test_hazard_11_a_day_of_25_hours_is_cut_where_the_source_cuts_it() -> None:
    zurich = ZoneInfo("Europe/Zurich")
    day = Window(at("2025-10-25T22:00"), at("2025-10-26T23:00"))
    assert day.in_zone(zurich) == (datetime(2025, 10, 26), datetime(2025, 10, 27))


@pytest.mark.parametrize(
    "key",
    [
        "",
        "2025-01-03",
        "2025-01-03T04:10:00Z",
        "2025-01-03T04:10:00Z..2025-01-03T09:45:00Z",
        "2025-01-03T04:10:00--2025-01-03T09:45:00",
        "2025-01-03T04:10:00+01:00--2025-01-03T09:45:00Z",
        "2025-01-03T04:10:00.000000Z--2025-01-03T09:45:00Z",
        "2025-02-30T04:10:00Z--2025-03-03T09:45:00Z",
        "2025-01-03T09:45:00Z--2025-01-03T04:10:00Z",
        "2025-01-03T04:10:00Z--2025-01-03T04:10:00Z",
        "2025-01-03T04:10:00Z--2025-01-03T09:45:00Z,x",
    ],
)
def test_a_key_that_is_no_window_is_refused(key: str) -> None:
    with pytest.raises(WindowError):
        parse_window_key(key)


def test_a_window_that_has_not_ended_is_refused() -> None:
    with pytest.raises(WindowInFuture):
        Window(at("2025-01-01"), at("2025-01-02")).require_past(at("2025-01-01T23:59:59"))
