"""Which rows a window is, from the configuration to production: the source's zone, and the margin for late commits."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from reload_assets.local.dms.faults import Pause
from reload_assets.local.stack import checkout_file
from reload_assets_tests.scenarios.runs import Runner, failures

Bounds = tuple[datetime, datetime]
CUSTOMERS = ["staging/customers", "production/customers"]
HOUR = timedelta(hours=1)


@pytest.fixture
def with_windows(configured: Callable[[str], Runner]) -> Callable[[str, str], Runner]:
    """A runner of reload.yaml with one thing changed."""
    text = checkout_file("reload.yaml").read_text(encoding="utf-8")

    def make(old: str, new: str) -> Runner:
        assert old in text
        return configured(text.replace(old, new, 1))

    return make


def spoil(runner: Runner, start: datetime, end: datetime) -> int:
    """Give the customers of a stretch of wall-clock time another name; how many."""
    with runner.stack.connect_target() as target:
        return target.execute(
            "UPDATE production.customers SET name = 'spoiled' WHERE updated_at >= %s AND updated_at < %s", (start, end)
        ).rowcount


def spoiled(runner: Runner) -> list[datetime]:
    found = runner.query("SELECT updated_at FROM production.customers WHERE name = 'spoiled' ORDER BY 1")
    return [at for (at,) in found]


@pytest.fixture(autouse=True)
def _mended(runner: Runner) -> Iterator[None]:
    """What a test leaves spoiled is no other test's business."""
    names = runner.query("SELECT name, customer_id FROM production.customers")
    yield
    with runner.stack.connect_target() as target:
        target.cursor().executemany(
            "UPDATE production.customers SET name = %s WHERE customer_id = %s AND name = 'spoiled'", names
        )


def test_hazard_11_the_window_is_cut_by_the_clock_of_the_source(
    with_windows: Callable[[str, str], Runner], day: date, bounds: Bounds
) -> None:
    abroad = with_windows("time_zone: UTC", "time_zone: Europe/Zurich")
    assert spoil(abroad, *bounds) > 10
    first_hour = [at for at in spoiled(abroad) if at < bounds[0] + HOUR]
    assert first_hour
    # A winter's day in UTC is 01:00 to 01:00 on the clock in Zurich.
    result = abroad.run(day.isoformat(), assets=CUSTOMERS)
    assert failures(result) == []
    assert spoiled(abroad) == first_hour


def test_a_local_day_is_reloaded_from_midnight_to_midnight_there(
    with_windows: Callable[[str, str], Runner], day: date, bounds: Bounds
) -> None:
    local = with_windows("first: 2025-01-01", "time_zone: America/New_York\n  first: 2025-01-01")
    # The source's clock is in UTC, where a day in New York is 05:00 to 05:00 in winter.
    at_midnight = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo("America/New_York"))
    shift = bounds[0] - at_midnight.replace(tzinfo=None) - (at_midnight.utcoffset() or timedelta())
    assert shift in (4 * HOUR, 5 * HOUR)
    assert spoil(local, bounds[0], bounds[1] + shift) > 10
    before, after = ([at for at in spoiled(local) if (at < bounds[0] + shift) is early] for early in (True, False))
    assert before
    assert after
    result = local.run(day.isoformat(), assets=CUSTOMERS)
    assert failures(result) == []
    assert spoiled(local) == before
    row = local.ledger(result.run_id)
    assert [row[name].replace(tzinfo=None) for name in ("window_start", "window_end")] == [
        bound + shift for bound in bounds
    ]
    (staged,) = result.asset_materializations_for_node("load_sales.finish_staging_sales")
    assert staged.metadata["window start (America/New_York)"].value == at_midnight.isoformat()
    assert staged.metadata["window start (UTC)"].value == f"{(bounds[0] + shift).isoformat()}+00:00"
    status = "SELECT state FROM admin.window_status WHERE window_start = %s AND table_name = 'customers'"
    assert local.query(status, row["window_start"]) == [("green",)]


def test_a_window_for_which_the_source_has_no_times_is_refused_in_one_sentence(
    with_windows: Callable[[str, str], Runner],
) -> None:
    abroad = with_windows("time_zone: UTC", "time_zone: America/New_York")
    first_day = "0001-01-01T00:00:00Z--0001-01-02T00:00:00Z"
    abroad.instance.add_dynamic_partitions("sales_windows", [first_day])
    result = abroad.run(first_day, job="reload_window_sales")
    assert failures(result) == [
        f"The window {first_day} cannot be reloaded, as its wall-clock times in America/New_York lie outside the years "
        "1 to 9999; let it begin later, or end earlier. [window-out-of-range]"
    ]


def test_hazard_10_a_margin_reloads_what_was_committed_late_beside_the_neighbours_reload(
    with_windows: Callable[[str, str], Runner], day: date, bounds: Bounds
) -> None:
    """Neighbours run side by side, as a backfill has them: their margins must not make them refuse each other."""
    careful = with_windows("first: 2025-01-01", "first: 2025-01-01\n  overlap_minutes: 90")
    start = bounds[0] - timedelta(minutes=90)
    assert spoil(careful, start, bounds[0]) > 0
    pause = Pause(table="DOCUMENTS", after_rows=1)
    careful.stack.dms.faults.set(pause)
    results = []
    before = (day - timedelta(days=1)).isoformat()
    both = [*CUSTOMERS, "staging/documents", "production/documents"]
    first = threading.Thread(target=lambda: results.append(careful.run(before, assets=both)))
    first.start()
    try:
        assert pause.reached.wait(60)
        second = careful.run(day.isoformat(), assets=CUSTOMERS)
        assert failures(second) == []
        assert spoiled(careful) == []
    finally:
        careful.stack.dms.faults.clear()
        first.join()
    assert failures(results[0]) == []
    row = careful.ledger(second.run_id)
    assert (row["load_start"].replace(tzinfo=None), row["window_start"].replace(tzinfo=None)) == (start, bounds[0])
