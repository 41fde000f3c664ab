"""Whether CDC has passed an instant, and how far it lags, by what DMS writes into awsdms_status."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from reload_assets.cdc.position import Position

NOON = datetime(2025, 1, 1, 12, tzinfo=timezone.utc)


def at(seconds: float | None) -> datetime | None:
    return None if seconds is None else NOON + timedelta(seconds=seconds)


def position(pending: int, read: float | None, applied: float | None, needed: float | None = None) -> Position:
    return Position(NOON, pending, at(read), at(applied), at(needed), NOON + timedelta(seconds=60))


@pytest.mark.parametrize(
    ("pending", "read", "applied", "passed"),
    [
        (0, 1, None, True),  # read beyond noon, nothing in hand
        (3, 1, None, False),  # what it has in hand may be from before noon
        (3, 5, 1, True),  # a later transaction was applied, and they go in order
        (0, 0, None, False),  # the very instant: a commit of that instant may be missing
        (0, -1, -1, False),
        (3, 9, 0, False),
        (0, None, None, False),
    ],
)
def test_an_instant_is_passed_when_something_later_proves_it(
    pending: int, read: float | None, applied: float | None, passed: bool
) -> None:
    assert position(pending, read, applied).passed(NOON) is passed


@pytest.mark.parametrize(
    ("pending", "read", "applied", "needed", "lag"),
    [
        (0, 50, 10, 10, 10),  # an idle task does not lag behind its last transaction
        (2, 50, 10, None, 50),
        (2, 58, -600, 55, 5),  # the first changes after a quiet time
        (0, 90, None, None, 0),
        (2, 50, None, None, None),
        (0, None, None, None, None),
    ],
)
def test_the_lag_is_the_age_of_what_is_surely_applied(
    pending: int, read: float | None, applied: float | None, needed: float | None, lag: float | None
) -> None:
    assert position(pending, read, applied, needed).lag_seconds(NOON + timedelta(seconds=60)) == lag
