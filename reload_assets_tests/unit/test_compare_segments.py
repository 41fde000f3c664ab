"""How a window is cut into segments, and which ranges of it are read again."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reload_assets.compare.segments import Sums, characters, differing, ranges

DAY = datetime(2025, 1, 2)
ONE_DAY = (DAY, DAY + timedelta(days=1))


@pytest.mark.parametrize(
    ("days", "rows", "length"),
    [
        (365, 0, 10),
        (365, 300_000, 10),
        (7, 0, 13),
        (1, 0, 15),
        (1, 140_000, 15),
        (1, 500_000, 16),
        (1, 5_000_000, 18),
        (1, 50_000_000, 19),
        # No more segments than so many, however many rows.
        (1, 10**12, 19),
        (1 / 86_400, 0, 22),
        (1e-9, 10**9, 23),
    ],
)
def test_a_segment_has_about_a_thousand_rows(days: float, rows: int, length: int) -> None:
    assert characters((DAY, DAY + timedelta(days=days)), rows) == length


def test_segments_of_either_side_differ_by_rows_and_by_sum() -> None:
    same = Sums(2, "5")
    assert differing({"a": same, "b": same, "c": same}, {"a": same, "b": Sums(1, "5"), "d": same}) == ["b", "c", "d"]


def test_neighbours_are_one_range_inside_of_the_window() -> None:
    bounds = (DAY.replace(minute=5), DAY.replace(hour=2))
    names = ["2025-01-02 00:0", "2025-01-02 00:1", "2025-01-02 00:3", "2025-01-02 01:5"]
    assert list(ranges(names, bounds)) == [
        (DAY.replace(minute=5), DAY.replace(minute=20)),
        (DAY.replace(minute=30), DAY.replace(minute=40)),
        (DAY.replace(hour=1, minute=50), DAY.replace(hour=2)),
    ]


def test_what_is_rounded_up_belongs_to_the_next_segment() -> None:
    late = timedelta(microseconds=1)
    assert list(ranges(["2025-01-02 10:00", "2025-01-03 00:00"], ONE_DAY, early=True)) == [
        (DAY.replace(hour=10) - late, DAY.replace(hour=10, minute=1)),
        # Rows of the window whose text is of the next day.
        (ONE_DAY[1] - late, ONE_DAY[1]),
    ]


def test_the_last_day_of_the_calendar_can_be_read() -> None:
    bounds = (datetime(9999, 12, 30), datetime(9999, 12, 31, 23, 59, 59))
    assert list(ranges(["9999-12-30", "9999-12-31"], bounds)) == [bounds]


@given(
    st.lists(st.integers(0, 86_399_999_999), min_size=1, max_size=30),
    st.sampled_from([10, 13, 15, 16, 18, 19, 21, 22, 23]),
)
def test_each_instant_lies_in_the_ranges_of_its_segment(instants: list[int], length: int) -> None:
    times = [DAY + timedelta(microseconds=instant) for instant in instants]
    names = sorted({time.isoformat(" ", "microseconds")[:length] for time in times})
    found = list(ranges(names, ONE_DAY))
    assert all(any(start <= time < end for start, end in found) for time in times)
    assert all(before[1] < after[0] for before, after in pairwise(found))
    assert all(ONE_DAY[0] <= start < end <= ONE_DAY[1] for start, end in found)
