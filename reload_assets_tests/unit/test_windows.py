"""Windows tile the time line, in UTC and in the source's zone, also where the clock jumps."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from reload_assets.dms.mappings import literal_bounds
from reload_assets.errors import WindowError
from reload_assets.errors.windows import WindowInFuture, WindowOutOfRange
from reload_assets.windows import Window, parse_window_key, shown_in_zone, wall_clock_bound

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


FIRST_DAY = parse_window_key("0001-01-01T00:00:00Z--0001-01-02T00:00:00Z")
LAST_DAY = parse_window_key("9999-12-31T00:00:00Z--9999-12-31T23:59:59.999999Z")


def test_the_first_day_that_there_is_can_be_a_window() -> None:
    assert FIRST_DAY.widened(timedelta(0)) == FIRST_DAY
    assert FIRST_DAY.in_zone(ZoneInfo("UTC")) == (datetime(1, 1, 1), datetime(1, 1, 2))
    # Before there was standard time.
    assert FIRST_DAY.in_zone(ZoneInfo("Europe/Zurich"))[0] == datetime(1, 1, 1, 0, 34, 8)
    assert LAST_DAY.in_zone(ZoneInfo("America/New_York"))[0] == datetime(9999, 12, 30, 19)


@pytest.mark.parametrize(
    ("window", "zone", "why"),
    [
        (FIRST_DAY, "America/New_York", "as its wall-clock times in America/New_York lie outside the years 1 to 9999"),
        (LAST_DAY, "Europe/Zurich", "as its wall-clock times in Europe/Zurich lie outside the years 1 to 9999"),
    ],
)
def test_a_window_that_the_source_has_no_times_for_is_refused(window: Window, zone: str, why: str) -> None:
    with pytest.raises(WindowOutOfRange) as caught:
        window.in_zone(ZoneInfo(zone))
    assert f"The window {window.key} cannot be reloaded, {why}" in str(caught.value)
    assert shown_in_zone(window.start if zone == "America/New_York" else window.end, ZoneInfo(zone)).endswith("+00:00")


def test_a_margin_before_the_first_year_is_refused() -> None:
    with pytest.raises(WindowOutOfRange, match="as its margin for late commits begins outside the years 1 to 9999"):
        FIRST_DAY.widened(timedelta(minutes=1))


def test_a_filter_that_would_end_after_the_last_year_is_refused() -> None:
    with pytest.raises(WindowOutOfRange, match="as the filter of DMS ends outside the years 1 to 9999"):
        literal_bounds(*LAST_DAY.in_zone(ZoneInfo("UTC")))


@pytest.mark.parametrize(
    "key", ["0000-12-31T00:00:00Z--0001-01-02T00:00:00Z", "9999-12-31T00:00:00Z--10000-01-01T00:00:00Z"]
)
def test_a_key_of_another_year_is_refused(key: str) -> None:
    with pytest.raises(WindowError):
        parse_window_key(key)
