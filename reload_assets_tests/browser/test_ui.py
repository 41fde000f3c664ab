"""`make ui`, end to end: backfills, requests and cancellation over the UI's own API, and the pages in a browser."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reload_assets.verify.production import AFTER_CHECKS
from reload_assets.verify.staging import STAGING_CHECKS
from reload_assets_tests.browser.served import Served, wait_for

CHECKOUT = Path(__file__).parents[2]
TABLES = ["customers", "orders", "order_items", "documents"]
ALL = [[stage, table] for stage in ("staging", "production") for table in TABLES]
CHROMIUM = next((path for name in ("chromium", "chromium-browser") if (path := shutil.which(name))), None)
# Where pictures of the pages go, for a person to look at.
PICTURES = os.environ.get("RELOAD_TEST_PICTURES")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    running = Served(CHECKOUT)
    try:
        yield running
        assert running.stop() == 0
        assert running.left_behind() == []
        assert not running.folder_exists()
    finally:
        running.kill()


@pytest.fixture(scope="module")
def days(served: Served) -> list[str]:
    """Two of the damaged days."""
    return [served.day(0), served.day(1)]


@pytest.fixture(scope="module")
def backfill(served: Served, days: list[str]) -> str:
    """Asked for first of all, so that everything else goes on beside it."""
    with_request = served.query(
        "INSERT INTO admin.reload_requests (group_name, window_start, window_end, tables, reason) VALUES "
        "('sales', %s, %s, '{documents}', 'from outside'), ('sails', %s, %s, NULL, 'a slip') RETURNING request_id",
        *2 * (f"{served.day(5)}T03:00Z", f"{served.day(5)}T05:00Z"),
    )
    assert len(with_request) == 2
    return served.launch_backfill(ALL, days)


def test_a_backfill_of_several_days_ends_in_success(served: Served, backfill: str, days: list[str]) -> None:
    wait_for(lambda: served.backfill_status(backfill) in ("COMPLETED_SUCCESS", "COMPLETED_FAILED"), "backfill", 300)
    assert served.backfill_status(backfill) == "COMPLETED_SUCCESS"
    assert [run["status"] for run in served.backfill_runs(backfill)] == ["SUCCESS"] * len(days)
    for path in ALL:
        assert served.materialized(path) == len(days), path
    for stage, checks in (("staging", STAGING_CHECKS), ("production", AFTER_CHECKS)):
        for table in TABLES:
            for check in checks:
                assert served.check_results([stage, table], check) == dict.fromkeys(days, "SUCCEEDED"), (table, check)
    assert served.query(
        "SELECT partition_key, status FROM admin.reloads WHERE partition_key = ANY(%s) ORDER BY 1", days
    ) == [(day, "merged") for day in days]


def test_the_daemon_answers_requests(served: Served, backfill: str) -> None:
    def ended() -> list[tuple[Any, ...]]:
        rows = served.query("SELECT status, reload_id, error FROM admin.reload_requests ORDER BY request_id")
        return rows if all(row[0] not in ("pending", "started") for row in rows) else []

    good, bad = wait_for(ended, "answers to the requests", 200)
    assert (good[0], good[2]) == ("done", None)
    assert served.query("SELECT status, tables FROM admin.reloads WHERE reload_id = %s", good[1]) == [
        ("merged", ["documents"])
    ]
    assert bad[0] == "refused"
    assert "there is no group 'sails'" in bad[2]


def test_the_views_for_older_scripts_answer(served: Served, backfill: str, days: list[str]) -> None:
    wait_for(lambda: served.backfill_status(backfill) == "COMPLETED_SUCCESS", "backfill", 300)
    logs = served.query(
        "SELECT id, table_name, merge_time, records_updated, records_inserted FROM admin.merge_logs "
        "WHERE reload_id IN (SELECT reload_id FROM admin.reloads WHERE partition_key = ANY(%s))",
        days,
    )
    assert len(logs) == len(days) * len(TABLES)
    assert all(row[3] > 0 and row[4] > 0 for row in logs)
    summary = served.query("SELECT id, merge_start, merge_end, status, notes FROM admin.merge_summary")
    assert all(row[1] < row[2] and row[3] == "SUCCESS" for row in summary)
    status = served.query(
        "SELECT table_name, total_records, pending_records, processed_records, error_records "
        "FROM admin.oracle_pg_migration_status ORDER BY 1"
    )
    assert [row[0] for row in status] == sorted(TABLES)
    assert all(row[1] == row[3] > 0 and row[2] == row[4] == 0 for row in status)
    assert served.query("SELECT * FROM admin.oracle_pg_type_verification") == []


@pytest.mark.parametrize(("number", "moments"), [(6, ["loading"]), (7, ["open", "loading"])])
def test_a_run_terminated_at_any_moment_leaves_no_task(
    served: Served, backfill: str, number: int, moments: list[str]
) -> None:
    """Dagster raises into the step, or, between two steps, before the next one: nothing may be left either way."""
    wait_for(lambda: served.backfill_status(backfill) == "COMPLETED_SUCCESS", "backfill", 300)
    served.fault(kind="pause", table="ORDERS", after_rows=5)
    run = served.launch(served.day(number))
    wait_for(
        lambda: served.query("SELECT 1 FROM admin.reloads WHERE run_id = %s AND status = ANY(%s)", run, moments),
        "a reload",
    )
    served.terminate(run)
    wait_for(lambda: served.status(run) == "CANCELED", "cancellation", 60)
    served.fault(clear=True)
    ((status, arn, removed),) = served.query(
        "SELECT status, task_arn, task_removed_at IS NOT NULL FROM admin.reloads WHERE run_id = %s", run
    )
    assert status == "cancelled"
    assert removed or arn is None


def test_schedules_and_the_sensor_are_on(served: Served) -> None:
    answer = served.ask(
        """{ repositoriesOrError { ... on RepositoryConnection { nodes {
               schedules { name scheduleState { status } } sensors { name sensorState { status } } } } } }"""
    )
    (repository,) = answer["repositoriesOrError"]["nodes"]
    states = {each["name"]: each["scheduleState"]["status"] for each in repository["schedules"]}
    states |= {each["name"]: each["sensorState"]["status"] for each in repository["sensors"]}
    names = ("reload_sales_nightly", "drop_expired_staging_daily", "reload_requests", "sweeper", "notifier")
    assert states == dict.fromkeys(names, "RUNNING")


def test_the_demo_runs_beside_it_and_leaves_nothing(served: Served, backfill: str) -> None:
    wait_for(lambda: served.backfill_status(backfill) == "COMPLETED_SUCCESS", "backfill", 300)
    demo = subprocess.run(
        [sys.executable, "-m", "reload_assets.local.demo"], cwd=CHECKOUT, capture_output=True, text=True, check=False
    )
    assert demo.returncode == 0, demo.stdout + demo.stderr
    lines = demo.stdout.splitlines()
    assert lines[-1] == "production equals the source for the window: yes"
    # The source changes meanwhile, so that how many there were is not quite the same each time.
    assert any(re.fullmatch(r"orders +missing +1\d +0", line) for line in lines)
    port = re.search(r"PostgreSQL on port (\d+), DMS at http://127.0.0.1:(\d+)", demo.stdout)
    assert port
    for number in port.groups():
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", int(number))) != 0


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on this machine")
def test_the_pages_explain_themselves(served: Served, backfill: str, days: list[str]) -> None:
    from playwright.sync_api import sync_playwright

    wait_for(lambda: served.backfill_status(backfill) == "COMPLETED_SUCCESS", "backfill", 300)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--disable-dev-shm-usage",
            ],
        )
        page = browser.new_page(viewport={"width": 1500, "height": 950})
        pages = {
            "assets": ("/assets", ["production / orders", "adhoc / staging / orders"]),
            "lineage": ("/locations/reload_assets/asset-groups/sales/lineage", ["customers", "order_items"]),
            "staging": ("/assets/staging/orders", ["Latest materialization", "data-platform"]),
            "checks": ("/assets/staging/orders?view=checks", ["row_count", "window_bounds", "lob_limit"]),
            "production": ("/assets/production/orders?view=partitions", [f"Materialized ({len(days)})"]),
            "metadata": ("/assets/production/orders", ["inserted", "outcomes", "DMS task"]),
            "job": ("/locations/reload_assets/jobs/reload_sales", ["View 8 assets"]),
            "automation": ("/automation", ["reload_sales_nightly", "reload_requests"]),
        }
        for name, (path, texts) in pages.items():
            page.goto(served.url + path)
            if PICTURES:
                page.wait_for_timeout(4000)
                page.screenshot(path=Path(PICTURES) / f"{name}.png")
            for text in texts:
                page.get_by_text(text).first.wait_for(timeout=30_000)
        browser.close()
