"""`make ui`, end to end: the steps of README in a browser and in a second terminal, then the UI's own API."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from reload_assets.verify.production import AFTER_CHECKS
from reload_assets.verify.staging import STAGING_CHECKS
from reload_assets_tests.browser.served import CHECKOUT, Served, wait_for
from reload_assets_tests.browser.steps import CHROMIUM, Newcomer, open_page, steps_in_readme

TABLES = ["customers", "orders", "order_items", "documents"]
ALL = [[stage, table] for stage in ("staging", "production") for table in TABLES]

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
def newcomer(served: Served) -> Iterator[Newcomer]:
    with open_page() as page:
        yield Newcomer(page, served)


@pytest.fixture(scope="module")
def slip(served: Served) -> int:
    """A request that cannot be answered with a run; made first of all, so that the daemon looks at it meanwhile."""
    ((number,),) = served.query(
        "INSERT INTO admin.reload_requests (group_name, window_start, window_end, reason) VALUES "
        "('sails', %s, %s, 'a slip') RETURNING request_id",
        f"{served.day(0)}T03:00Z",
        f"{served.day(0)}T05:00Z",
    )
    return int(number)


@pytest.fixture(scope="module")
def healed(request: pytest.FixtureRequest, served: Served, slip: int) -> list[str]:
    """The days that a backfill has healed: by the steps of README, or without a browser by what the dialog sends."""
    days = [served.day(number) for number in range(served.damaged_days)]
    if CHROMIUM is None:
        backfill = served.launch_backfill(ALL, days)
        wait_for(lambda: served.backfill_status(backfill) in ("COMPLETED_SUCCESS", "COMPLETED_FAILED"), "backfill", 300)
    else:
        newcomer: Newcomer = request.getfixturevalue("newcomer")
        for step in steps_in_readme():
            assert newcomer.follow(step) == [], step
    return days


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium, so nobody follows README's steps in the UI")
def test_the_steps_of_readme_heal_the_damaged_days(newcomer: Newcomer, healed: list[str]) -> None:
    newcomer.page.get_by_text("confirmed", exact=True).first.wait_for()
    assert newcomer.terminal
    said, _ = newcomer.terminal.communicate(timeout=120)
    assert newcomer.terminal.returncode == 0, said
    assert "check orders.row_count ok" in said
    assert re.search(r"is merged, confirm: confirmed\. .+ corrected", said.splitlines()[-1])
    assert newcomer.served.materialized(["production", "orders"]) == len(healed) + 1


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium, so nobody looks at the lineage")
def test_source_staging_and_production_can_be_told_apart_in_the_lineage(newcomer: Newcomer, healed: list[str]) -> None:
    page = newcomer.page
    page.goto(f"{newcomer.served.url}/locations/reload_assets/asset-groups/sales/lineage")
    page.get_by_text("% filled").nth(3).wait_for()
    for layer in ("Source", "staging", "production"):
        assert page.get_by_text(layer, exact=True).filter(visible=True).count() >= 2, layer
    newcomer.picture("lineage", {"x": 240, "y": 160, "width": 1110, "height": 340})


def test_the_days_are_healed_as_the_api_and_the_ledger_have_it(served: Served, healed: list[str]) -> None:
    for path in ALL:
        assert served.materialized(path) >= len(healed), path
    for stage, checks in (("staging", STAGING_CHECKS), ("production", AFTER_CHECKS)):
        for table in TABLES:
            for check in checks:
                found = served.check_results([stage, table], check)
                assert {day: found[day] for day in healed} == dict.fromkeys(healed, "SUCCEEDED"), (table, check)
    assert served.query(
        "SELECT partition_key, status, confirm_status FROM admin.reloads WHERE partition_key = ANY(%s) ORDER BY 1",
        healed,
    ) == [(day, "merged", "confirmed") for day in healed]


def test_a_change_that_cdc_lost_is_found_and_reloaded_without_anybody(served: Served, healed: list[str]) -> None:
    match = re.search(r"lost a change of order (\d+)", served.printed)
    assert match
    order = match[1]

    def done() -> list[tuple[Any, ...]]:
        return served.query(
            "SELECT keys FROM admin.reload_requests "
            "WHERE found_by = 'skipped' AND status = 'done' AND keys -> 'orders' ? %s",
            order,
        )

    assert wait_for(done, "the reload of the order", 150)
    assert served.query("SELECT amount FROM production.orders WHERE order_id = %s", int(order)) == [(95000000,)]
    assert served.materialized(["keys", "production", "orders"]) >= 1


def test_the_views_for_older_scripts_answer(served: Served, healed: list[str]) -> None:
    # What finders ask for may be under way.
    ended = "SELECT 1 FROM admin.reloads HAVING bool_and(closed_at IS NOT NULL AND confirm_status <> 'pending')"
    wait_for(lambda: served.query(ended), "the end of all reloads", 60)
    logs = served.query(
        "SELECT id, table_name, merge_time, records_updated, records_inserted FROM admin.merge_logs "
        "WHERE reload_id IN (SELECT reload_id FROM admin.reloads WHERE partition_key = ANY(%s))",
        healed,
    )
    assert len(logs) == len(healed) * len(TABLES)
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


def test_a_run_terminated_in_the_ui_leaves_no_task(served: Served, healed: list[str]) -> None:
    """Dagster raises into the step, or, between two steps, before the next one: nothing may be left either way."""
    served.fault(kind="pause", table="ORDERS", after_rows=5)
    run = served.launch(healed[0])
    wait_for(
        lambda: served.query("SELECT 1 FROM admin.reloads WHERE run_id = %s AND status = 'loading'", run), "a load"
    )
    served.terminate(run)
    wait_for(lambda: served.status(run) == "CANCELED", "cancellation", 60)
    served.fault(clear=True)
    ((status, arn, removed),) = served.query(
        "SELECT status, task_arn, task_removed_at IS NOT NULL FROM admin.reloads WHERE run_id = %s", run
    )
    assert status == "cancelled"
    assert removed or arn is None


def test_schedules_and_sensors_are_on_and_the_daemon_answers_requests(
    served: Served, slip: int, healed: list[str]
) -> None:
    answer = served.ask(
        """{ repositoriesOrError { ... on RepositoryConnection { nodes {
               schedules { name scheduleState { status } } sensors { name sensorState { status } } } } } }"""
    )
    (repository,) = answer["repositoriesOrError"]["nodes"]
    states = {each["name"]: each["scheduleState"]["status"] for each in repository["schedules"]}
    states |= {each["name"]: each["sensorState"]["status"] for each in repository["sensors"]}
    names = ("reload_sales_nightly", "drop_expired_staging_daily", "reload_requests", "sweeper", "notifier")
    # Those of finders follow the configuration.
    finders = ("find_skipped", "find_validation_failures", "drift_sales")
    assert states == dict.fromkeys([*names, *finders], "RUNNING")

    def answered() -> list[tuple[Any, ...]]:
        return served.query(
            "SELECT status, error FROM admin.reload_requests WHERE request_id = %s AND status <> 'pending'", slip
        )

    ((status, error),) = wait_for(answered, "an answer to the request", 90)
    assert status == "refused"
    assert "there is no group 'sails'" in error
