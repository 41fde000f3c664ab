"""Windows of a zone's own hours and days, against PostgreSQL's arithmetic, where the clock changes and around it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest
from dagster import RunRequest, ScheduleDefinition, SkipReason, TimeWindow, build_schedule_context
from dagster._utils.schedules import schedule_execution_time_iterator
from psycopg import Connection

from reload_assets.config.model import WindowsConfig
from reload_assets.errors.windows import PartitionKeyInvalid
from reload_assets.local.postgres import PostgresServer
from reload_assets.partitions import Family, cadence_key, cadence_partitions, cadence_window
from reload_assets.schedules.nightly import nightly_schedule
from reload_assets.windows import Window

# The days of spring and autumn on which the clock changes, and how long each is.
CHANGES = [
    ("Europe/Zurich", date(2025, 3, 30), 23),
    ("Europe/Zurich", date(2025, 10, 26), 25),
    ("America/New_York", date(2025, 3, 9), 23),
    ("America/New_York", date(2025, 11, 2), 25),
]
on_each_change = pytest.mark.parametrize(("zone", "day", "hours"), CHANGES)


@pytest.fixture(scope="module")
def database(postgres: PostgresServer) -> Iterator[Connection[Any]]:
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        yield connection


def family(cadence: str, zone: str) -> Family:
    config = WindowsConfig(cadence=cadence, time_zone=zone, first="2025-01-01")
    return Family("sales", "cadence", "sales", cadence_partitions(config, "reload.yaml"), {})


def keys_between(family: Family, start: datetime, end: datetime) -> list[str]:
    keys = family.partitions.get_partition_keys_in_time_window(TimeWindow(start, end))  # type: ignore[attr-defined]
    return list(keys)


def local_midnights(database: Connection[Any], zone: str, days: list[date]) -> list[datetime]:
    """The instants at which these days begin there, as PostgreSQL has them."""
    rows = database.execute(
        "SELECT d::timestamp AT TIME ZONE %s FROM unnest(%s::date[]) AS d ORDER BY d", (zone, days)
    ).fetchall()
    return [instant for (instant,) in rows]


def evaluate(nightly: ScheduleDefinition, night: datetime) -> list[Any]:
    """What the schedule wants in that night."""
    return list(nightly(build_schedule_context(scheduled_execution_time=night)))  # type: ignore[arg-type]


@on_each_change
def test_days(database: Connection[Any], zone: str, day: date, hours: int) -> None:
    days = [day + timedelta(days=n) for n in range(-2, 4)]
    midnights = local_midnights(database, zone, days)
    daily = family("daily", zone)
    windows = [daily.window(one.isoformat()) for one in days[:-1]]
    assert windows == [Window(*pair) for pair in pairwise(midnights)]
    assert windows[2].end - windows[2].start == timedelta(hours=hours)
    assert keys_between(daily, midnights[0], midnights[-1]) == [one.isoformat() for one in days[:-1]]


@on_each_change
def test_hours(database: Connection[Any], zone: str, day: date, hours: int) -> None:
    start, end = local_midnights(database, zone, [day, day + timedelta(days=1)])
    # Of each hour that passes: when it begins, what the clock shows then, and the offset where it shows that again.
    expected = database.execute(
        """
        SELECT
            h,
            to_char(h AT TIME ZONE %(zone)s, 'YYYY-MM-DD-HH24:MI'),
            (h AT TIME ZONE %(zone)s) = ((h - interval '1 hour') AT TIME ZONE %(zone)s)
        FROM generate_series(%(start)s::timestamptz, %(end)s::timestamptz - interval '1 hour', '1 hour') AS h
        """,
        {"zone": zone, "start": start, "end": end},
    ).fetchall()
    hourly = family("hourly", zone)
    keys = keys_between(hourly, start, end)
    assert len(keys) == len(set(keys)) == len(expected) == hours
    for key, (instant, shown, again) in zip(keys, expected, strict=True):
        offset = f"{instant.astimezone(ZoneInfo(zone)):%z}" if again else ""
        assert key == shown + offset
        window = Window(instant, instant + timedelta(hours=1))
        assert hourly.window(key) == window
        assert cadence_key(hourly.partitions, window) == key  # type: ignore[arg-type]


@pytest.mark.parametrize("zone", ["Europe/Zurich", "America/New_York"])
@pytest.mark.parametrize(("cadence", "unit"), [("weekly", "week"), ("monthly", "month")])
def test_weeks_and_months(database: Connection[Any], zone: str, cadence: str, unit: str) -> None:
    # Weeks of the cadence begin on Sunday, PostgreSQL's on Monday.
    first = date(2025, 1, 5) if unit == "week" else date(2025, 1, 1)
    rows = database.execute(
        "SELECT d::date, d AT TIME ZONE %s, (d + %s::interval) AT TIME ZONE %s "
        "FROM generate_series(%s::timestamp, timestamp '2025-12-01', %s::interval) AS d",
        (zone, f"1 {unit}", zone, first, f"1 {unit}"),
    ).fetchall()
    regular = family(cadence, zone)
    assert [regular.window(day.isoformat()) for day, _, _ in rows] == [Window(start, end) for _, start, end in rows]
    assert len({end - start for _, start, end in rows}) > 1


@on_each_change
def test_a_local_day_of_a_source_in_that_zone_is_its_calendar_day(zone: str, day: date, hours: int) -> None:
    window = family("daily", zone).window(day.isoformat())
    midnight = datetime(day.year, day.month, day.day)
    assert window.in_zone(ZoneInfo(zone)) == (midnight, midnight + timedelta(days=1))
    # The margin is as long as it says, whatever the clock did.
    assert window.start - window.widened(timedelta(minutes=90)).start == timedelta(minutes=90)
    assert (window.end - window.start) == timedelta(hours=hours)


@on_each_change
def test_every_row_of_the_day_is_in_one_of_its_hours(
    database: Connection[Any], zone: str, day: date, hours: int
) -> None:
    """Rows as a source in that zone writes them: without an offset, so that a repeated hour is in its first pass."""
    midnight = datetime(day.year, day.month, day.day)
    start, end = local_midnights(database, zone, [day, day + timedelta(days=1)])
    hourly = family("hourly", zone)
    bounds = [hourly.window(key).in_zone(ZoneInfo(zone)) for key in keys_between(hourly, start, end)]
    for minutes in range(0, 24 * 60, 10):
        row = midnight + timedelta(minutes=minutes)
        assert sum(lower <= row < upper for lower, upper in bounds) == 1
    assert len([lower for lower, upper in bounds if lower == upper]) == (1 if hours == 25 else 0)


@pytest.mark.parametrize("key", ["2025-10-26-02:00+0200", "2025-10-26-03:00+0100", "2025-03-30-02:00", "2025-10-26"])
def test_another_spelling_of_an_hour_is_no_key(key: str) -> None:
    with pytest.raises(PartitionKeyInvalid):
        family("hourly", "Europe/Zurich").window(key)


@on_each_change
@pytest.mark.parametrize("cadence", ["daily", "hourly"])
def test_the_nightly_schedule_reloads_the_local_day_once(
    database: Connection[Any], zone: str, day: date, hours: int, cadence: str
) -> None:
    regular = family(cadence, zone)
    nightly = nightly_schedule(regular)
    assert nightly.execution_timezone == zone
    start, _, after, last = local_midnights(database, zone, [day + timedelta(days=n) for n in range(4)])
    ticks = schedule_execution_time_iterator(start.timestamp(), nightly.cron_schedule, zone, ascending=True)
    keys: list[str] = []
    run_keys: list[str] = []
    for tick in ticks:
        if tick >= last:
            break
        for request in evaluate(nightly, tick):
            assert isinstance(request, RunRequest)
            keys.append(request.partition_key or "")
            run_keys.append(request.run_key or "")
    # The nights of the change, after it, and after that; each reloads the day before, whole and once.
    (before,) = local_midnights(database, zone, [day - timedelta(days=1)])
    assert keys == keys_between(regular, before, after)
    assert len(set(run_keys)) == len(run_keys)
    if cadence == "hourly":
        assert len(keys) == 24 + hours + 24


def test_a_night_after_which_no_window_ended_is_skipped_by_its_local_day() -> None:
    nightly = nightly_schedule(family("weekly", "America/New_York"))
    (skipped,) = evaluate(nightly, datetime(2025, 1, 8, 7, tzinfo=timezone.utc))
    assert isinstance(skipped, SkipReason)
    assert skipped.skip_message == "No window of the cadence ended on 2025-01-07 (America/New_York)."


def test_windows_of_the_utc_day_are_not_those_of_the_local_day() -> None:
    utc, local = family("daily", "UTC"), family("daily", "America/New_York")
    assert utc.window("2025-01-03") != local.window("2025-01-03")
    assert cadence_key(local.partitions, utc.window("2025-01-03")) is None  # type: ignore[arg-type]
    assert cadence_window(local.partitions, "2025-01-03").start.hour == 5  # type: ignore[arg-type]
