"""Partition keys and windows, both ways, for every cadence."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from itertools import pairwise

import pytest
from dagster import TimeWindow
from hypothesis import given, settings
from hypothesis import strategies as st

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


def test_a_window_that_is_not_the_cadences_has_no_key() -> None:
    daily = cadence_partitions(windows("daily"), "reload.yaml")
    assert cadence_key(daily, Window(FIRST, FIRST + timedelta(days=1))) == "2025-01-01"
    assert cadence_key(daily, Window(FIRST, FIRST + timedelta(hours=23))) is None
    assert cadence_key(daily, Window(FIRST + timedelta(hours=1), FIRST + timedelta(hours=25))) is None
    assert cadence_key(daily, Window(FIRST - timedelta(days=1), FIRST)) is None


@pytest.mark.parametrize(("cadence", "count"), [("daily", 1), ("hourly", 24), ("weekly", 0), ("monthly", 0)])
def test_the_windows_that_ended_yesterday(cadence: str, count: int) -> None:
    day = yesterday(datetime(2025, 3, 13, 2, 0, tzinfo=UTC))
    assert day == Window(datetime(2025, 3, 12, tzinfo=UTC), datetime(2025, 3, 13, tzinfo=UTC))
    keys = cadence_keys_ending_in(cadence_partitions(windows(cadence), "reload.yaml"), day)
    assert len(keys) == count
    if cadence == "daily":
        assert keys == ["2025-03-12"]


def test_an_unknown_cadence_is_refused() -> None:
    with pytest.raises(ConfigValue, match="windows.cadence: 'fortnightly'"):
        cadence_partitions(windows("fortnightly"), "reload.yaml")
