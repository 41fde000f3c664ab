"""Partition keys and windows, both ways, for every cadence."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from dagster import TimeWindow
from hypothesis import given, settings
from hypothesis import strategies as st

from reload_assets.cadence import Cadence, described, windows_from
from reload_assets.config.model import WindowsConfig
from reload_assets.errors.config import ConfigValue
from reload_assets.errors.windows import PartitionKeyInvalid
from reload_assets.partitions import (
    cadence_key,
    cadence_keys_ending_in,
    cadence_partitions,
    cadence_window,
    yesterday,
)
from reload_assets.windows import Window

UTC = timezone.utc
CADENCES = ["hourly", "daily", "weekly", "monthly", "*/15 * * * *", "30 6 * * 1-5"]
FIRST = datetime(2025, 1, 1, tzinfo=UTC)


def windows(cadence: str) -> WindowsConfig:
    return WindowsConfig(cadence=cadence, first=FIRST)


@settings(max_examples=25)
@given(cadence=st.sampled_from(CADENCES), hours=st.integers(800, 8000))
def test_keys_and_windows_are_one_to_one_and_tile_the_time(cadence: str, hours: int) -> None:
    partitions = cadence_partitions(windows(cadence), "reload.yaml")
    until = FIRST + timedelta(hours=hours)
    span = timedelta(days=1) if cadence.startswith("*/15") else timedelta(days=32)
    keys = partitions.get_partition_keys_in_time_window(TimeWindow(until - span, until))
    found = [cadence_window(partitions, key) for key in keys]
    assert [cadence_key(partitions, window) for window in found] == keys
    assert all(a.end == b.start for a, b in pairwise(found))


@pytest.mark.parametrize("key", ["", "2025-01-1", "2025-01-01T00:00", "tomorrow", "2024-12-31", "2025-02-30"])
def test_a_key_that_is_no_window_of_the_cadence_is_refused(key: str) -> None:
    with pytest.raises(PartitionKeyInvalid):
        cadence_window(cadence_partitions(windows("daily"), "reload.yaml"), key)


def test_a_key_is_refused_before_the_first_window_has_ended_too() -> None:
    config = WindowsConfig(cadence="daily", first="2190-01-01")
    with pytest.raises(PartitionKeyInvalid, match="that the UI offers, once the first one has ended"):
        cadence_window(cadence_partitions(config, "reload.yaml"), "2025-01-01")


def test_a_window_that_is_not_the_cadences_has_no_key() -> None:
    daily = cadence_partitions(windows("daily"), "reload.yaml")
    assert cadence_key(daily, Window(FIRST, FIRST + timedelta(days=1))) == "2025-01-01"
    assert cadence_key(daily, Window(FIRST, FIRST + timedelta(hours=23))) is None
    assert cadence_key(daily, Window(FIRST + timedelta(hours=1), FIRST + timedelta(hours=25))) is None
    assert cadence_key(daily, Window(FIRST - timedelta(days=1), FIRST)) is None


@pytest.mark.parametrize(("cadence", "count"), [("daily", 1), ("hourly", 24), ("weekly", 0), ("monthly", 0)])
def test_the_windows_that_ended_yesterday(cadence: str, count: int) -> None:
    day = yesterday(datetime(2025, 3, 13, 2, 0, tzinfo=UTC), ZoneInfo("UTC"))
    assert day == Window(datetime(2025, 3, 12, tzinfo=UTC), datetime(2025, 3, 13, tzinfo=UTC))
    keys = cadence_keys_ending_in(cadence_partitions(windows(cadence), "reload.yaml"), day)
    assert len(keys) == count
    if cadence == "daily":
        assert keys == ["2025-03-12"]


@pytest.mark.parametrize("cadence", ["fortnightly", "Daily", "", "60 * * * *", "0 0 31 2 *", "0 0 31 4,6 *"])
def test_an_unknown_cadence_is_refused(cadence: str) -> None:
    with pytest.raises(ConfigValue) as caught:
        cadence_partitions(windows(cadence), "reload.yaml")
    assert f"reload.yaml: windows.cadence: {cadence!r} is not a cadence; write hourly" in str(caught.value)


@pytest.mark.parametrize(
    ("zone", "cadence", "first", "where"),
    [
        # The clock jumps by half an hour, and the hours of one side do not begin where those of the other end.
        ("Australia/Lord_Howe", "hourly", "2025-03-01", "2025-04-06T01:59+11:00 and 2025-04-06T01:30+10:30"),
        ("America/Caracas", "hourly", "2016-01-01", "2016-05-01T02:29-04:30 and 2016-05-01T03:00-04:00"),
        # The clock leaves out the beginning of a window, or a whole one.
        ("Africa/Casablanca", "30 2 * * *", "2025-03-01", "2025-04-06T02:00+01:00 and 2025-04-07T02:30+01:00"),
        ("Pacific/Apia", "daily", "2011-01-01", "2012-01-01T00:00+14:00 and 2011-12-31T00:00+14:00"),
    ],
)
def test_a_cadence_that_leaves_time_out_where_the_clock_changes_is_refused(
    zone: str, cadence: str, first: str, where: str
) -> None:
    with pytest.raises(ConfigValue) as caught:
        cadence_partitions(WindowsConfig(cadence=cadence, time_zone=zone, first=first), "reload.yaml")
    assert f"windows.cadence: {cadence!r} in {zone} does not tile the time where the clock changes" in str(caught.value)
    assert f"windows end and begin at {where}, which do not meet" in str(caught.value)
    cadence_partitions(WindowsConfig(cadence=cadence, first=first), "reload.yaml")


@settings(max_examples=30, deadline=None)
@given(
    zone=st.sampled_from(
        ["Europe/Zurich", "America/New_York", "America/Havana", "Africa/Cairo", "Asia/Kolkata", "Australia/Lord_Howe"]
    ),
    cadence=st.sampled_from(["daily", "weekly", "monthly", "*/15 * * * *", "*/30 * * * *", "0 */6 * * *"]),
    hours=st.integers(0, 8000),
)
def test_local_windows_tile_the_time_too(zone: str, cadence: str, hours: int) -> None:
    config = WindowsConfig(cadence=cadence, time_zone=zone, first="2025-01-01")
    partitions = cadence_partitions(config, "reload.yaml")
    until = FIRST + timedelta(hours=hours + 800)
    span = timedelta(days=2) if cadence.startswith("*/") else timedelta(days=32)
    keys = partitions.get_partition_keys_in_time_window(TimeWindow(until - span, until))
    found = [cadence_window(partitions, key) for key in keys]
    assert len(set(keys)) == len(keys)
    assert [cadence_key(partitions, window) for window in found] == keys
    assert all(a.end == b.start for a, b in pairwise(found))


def described_at(now: str, **written: str) -> Cadence:
    config = WindowsConfig(**written)
    return described(cadence_partitions(config, "reload.yaml"), config.first, datetime.fromisoformat(now))


@pytest.mark.parametrize("cadence", CADENCES)
@pytest.mark.parametrize("zone", ["UTC", "Europe/Zurich", "America/New_York"])
# The last: both hours that the clock of one of these zones shows twice; the first: before the first window.
@pytest.mark.parametrize("start", ["2024-12-30T10:00", "2025-01-06T00:00", "2025-10-26T00:30", "2025-11-02T05:30"])
def test_the_windows_from_an_instant_on_hold_it_and_meet_up_to_the_end(cadence: str, zone: str, start: str) -> None:
    config = WindowsConfig(cadence=cadence, time_zone=zone, first="2025-01-01")
    partitions = cadence_partitions(config, "reload.yaml")
    instant = datetime.fromisoformat(start).replace(tzinfo=UTC)
    end = instant + timedelta(hours=50, microseconds=1)
    found = list(windows_from(partitions, instant, end))
    assert found[0].start <= instant < found[0].end
    assert found[-1].end == end
    assert all(a.end == b.start for a, b in pairwise(found))
    whole = found[:-1] if found[0].start >= partitions.start else []
    assert [cadence_key(partitions, window) is not None for window in whole] == [True] * len(whole)
    assert list(windows_from(partitions, end, end)) == []


def test_the_windows_that_have_ended_are_counted() -> None:
    assert described_at("2025-01-31T12:00+00:00", first="2025-01-01") == Cadence("2025-01-01", "2025-01-30", 30, [])
    # Half past midnight in Zurich, where the day before has ended.
    local = described_at("2025-01-30T23:30+00:00", first="2025-01-01", time_zone="Europe/Zurich")
    assert local == Cadence("2025-01-01", "2025-01-30", 30, [])


@pytest.mark.parametrize(
    ("written", "windows_ended", "warning"),
    [
        (
            {"first": "2025-01-01T05:00", "time_zone": "America/New_York"},
            29,
            "windows.first, 2025-01-01T05:00-05:00, is not where a window of the cadence begins: the first window "
            "begins at 2025-01-02T00:00-05:00, and none has the rows before that",
        ),
        (
            {"first": "2025-01-01", "cadence": "weekly"},
            3,
            "windows.first, 2025-01-01T00:00+00:00, is not where a window of the cadence begins: the first window "
            "begins at 2025-01-05T00:00+00:00, and none has the rows before that",
        ),
        (
            {"first": "2025-03-01"},
            0,
            "windows.first, 2025-03-01T00:00+00:00, is in the future: no window has ended yet; the first one ends at "
            "2025-03-02T00:00+00:00",
        ),
        ({"first": "2025-01-31"}, 0, "no window has ended yet; the first one ends at 2025-02-01T00:00+00:00"),
        (
            {"first": "2013-01-01", "cadence": "hourly"},
            105_924,
            "105,924 windows are more than the 100,000 that Dagster recommends; write a longer cadence or a later "
            "windows.first, and reload older rows by ad-hoc windows",
        ),
    ],
)
def test_a_first_window_that_was_perhaps_not_meant_is_said(
    written: dict[str, str], windows_ended: int, warning: str
) -> None:
    cadence = described_at("2025-01-31T12:00+00:00", **written)
    assert (cadence.windows, cadence.warnings) == (windows_ended, [warning])
