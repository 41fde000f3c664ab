"""Whatever goes wrong, production is untouched, no DMS task is left, and the ledger says why."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta, timezone

import pytest
from dagster._core.errors import DagsterExecutionInterruptedError

from reload_assets.assets import load_steps, staging
from reload_assets.local import damage
from reload_assets.local.dms.faults import DropConnection, EmptyTable, Pause, TableError
from reload_assets.local.stack import checkout_file
from reload_assets_tests.scenarios.runs import Runner, checks, failures

Bounds = tuple[datetime, datetime]
# One table is enough where the way through a failure is what matters.
DOCUMENTS = ["staging/documents", "production/documents"]
PRODUCTION = ["production/orders", "production/customers", "production/order_items", "production/documents"]

WRITTEN = checkout_file("reload.yaml").read_text(encoding="utf-8")
# An unanswered call of DMS is given up at once, instead of being tried eight times.
IMPATIENT = WRITTEN.replace("interval_seconds: 0.2", "interval_seconds: 0.2\n    call_attempts: 1", 1)
assert IMPATIENT != WRITTEN


def changes(runner: Runner) -> int:
    ((count,),) = runner.query("SELECT count(*) FROM admin.reload_changes")
    return int(count)


@contextmanager
def production_untouched(runner: Runner) -> Iterator[None]:
    before = changes(runner)
    yield
    assert changes(runner) == before
    assert runner.dms_tasks() == []


def test_production_alone_is_refused(runner: Runner, day: date) -> None:
    with production_untouched(runner):
        result = runner.run(day.isoformat(), assets=PRODUCTION)
    assert not result.success
    (said,) = failures(result)
    assert said.startswith("Nothing has been loaded for customers, documents, order_items, orders in the window")


def test_production_alone_is_refused_after_a_failed_check_and_after_a_merge(
    runner: Runner, day: date, bounds: Bounds
) -> None:
    with runner.stack.connect_target() as target:
        damage.damage(target, *bounds, seed=1)
    runner.stack.dms.faults.set(EmptyTable(table="DOCUMENTS", times=1))
    with production_untouched(runner):
        result = runner.run(day.isoformat(), assets=DOCUMENTS)
        assert not result.success
        assert checks(result)["staging/documents.row_count"] is False
        (said,) = failures(result)
        assert "is not verified: the check row_count of documents is failed (" in said
        assert said.endswith("[not-verified]")
        assert not [key for key in checks(result) if key.startswith("production/")]
        row = runner.ledger(result.run_id)
        assert row["status"] == "rejected"
        assert "documents.row_count failed" in row["error"]

        alone = runner.run(day.isoformat(), assets=DOCUMENTS[1:])
        assert not alone.success
        (said,) = failures(alone)
        assert f"reload {row['reload_id']}" in said
        assert "row_count" in said

    assert runner.run(day.isoformat(), assets=DOCUMENTS).success
    with production_untouched(runner):
        again = runner.run(day.isoformat(), assets=DOCUMENTS[1:])
        assert not again.success
        assert "merged" in failures(again)[0]


def test_staging_first_and_production_later_is_one_reload(runner: Runner, day: date, bounds: Bounds) -> None:
    with runner.stack.connect_target() as target:
        damage.damage(target, *bounds, seed=1)
    with production_untouched(runner):
        staged = runner.run(day.isoformat(), assets=DOCUMENTS[:1])
        assert staged.success
        opened = runner.ledger(staged.run_id)
        assert opened["status"] == "verified"
    merged = runner.run(day.isoformat(), assets=DOCUMENTS[1:])
    assert failures(merged) == []
    # The reload belongs to the run that is at work on it.
    row = runner.ledger(merged.run_id)
    assert (row["status"], row["reload_id"]) == ("merged", opened["reload_id"])


def test_a_load_that_fails_is_cleared_up_and_explained(runner: Runner, day: date) -> None:
    runner.stack.dms.faults.set(TableError(table="DOCUMENTS", after_rows=3, message="disk on fire", times=1))
    with production_untouched(runner):
        result = runner.run(day.isoformat())
    assert not result.success
    (said,) = failures(result)
    assert "DOCUMENTS" in said
    assert "disk on fire" in said
    row = runner.ledger(result.run_id)
    assert row["status"] == "failed"
    assert row["error"] == said
    assert row["task_removed_at"] is not None


def test_a_wait_that_loses_dms_attaches_to_the_same_task_again(
    runner: Runner, configured: Callable[[str], Runner], day: date, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load_steps, "RETRY_DELAY_SECONDS", 0.2)
    impatient = configured(IMPATIENT)
    pause = Pause(table="DOCUMENTS", after_rows=5)
    runner.stack.dms.faults.set(pause)

    def lose_and_find() -> None:
        assert pause.reached.wait(60)
        # As many as one call tries before it gives up.
        drop = DropConnection(operation="DescribeReplicationTasks", times=2)
        runner.stack.dms.faults.set(drop)
        deadline = time.monotonic() + 60
        while drop.times and time.monotonic() < deadline:
            time.sleep(0.05)
        runner.stack.dms.faults.clear(Pause.kind)

    outage = threading.Thread(target=lose_and_find)
    outage.start()
    result = impatient.run(day.isoformat(), assets=DOCUMENTS)
    outage.join()
    assert failures(result) == []
    assert result.success
    (retried,) = [event for event in result.all_events if event.event_type_value == "STEP_UP_FOR_RETRY"]
    assert retried.step_key == "load_sales.wait_for_load_sales"
    # The Dagster UI shows the causes, and not the request itself.
    shown = retried.step_retry_data.error
    assert shown is not None
    assert shown.cause is not None
    assert "[dms-unanswered]" in shown.cause.message
    assert (shown.cause.stack, shown.cause.cause, shown.cause.context) == ([], None, None)
    assert runner.ledger(result.run_id)["status"] == "merged"
    assert runner.dms_tasks() == []


def test_an_interrupted_run_stops_and_deletes_its_task(
    runner: Runner, day: date, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dagster cancels a run by raising into the step; the end-to-end test of the UI does it over GraphQL."""
    pause = Pause(table="DOCUMENTS", after_rows=5)
    runner.stack.dms.faults.set(pause)
    written = staging._written

    def interrupt_once_loading(progress: staging.Progress) -> str:
        if pause.reached.is_set():
            raise DagsterExecutionInterruptedError
        return written(progress)

    monkeypatch.setattr(staging, "_written", interrupt_once_loading)
    with production_untouched(runner):
        result = runner.run(day.isoformat(), assets=DOCUMENTS)
    assert not result.success
    row = runner.ledger(result.run_id)
    assert (row["status"], row["error"]) == ("cancelled", f"Run {result.run_id} was cancelled.")
    assert row["task_removed_at"] is not None


def test_a_reload_whose_run_died_is_closed_by_the_next_one(runner: Runner, day: date) -> None:
    first = runner.run(day.isoformat(), assets=DOCUMENTS[:1])
    number = runner.ledger(first.run_id)["reload_id"]
    second = runner.run(day.isoformat(), assets=DOCUMENTS)
    assert failures(second) == []
    ((status, error),) = runner.query("SELECT status, error FROM admin.reloads WHERE reload_id = %s", number)
    assert status == "cancelled"
    assert first.run_id in error


def test_a_window_that_a_live_run_reloads_is_refused(runner: Runner, day: date) -> None:
    pause = Pause(table="DOCUMENTS", after_rows=5)
    runner.stack.dms.faults.set(pause)
    results = []
    first = threading.Thread(target=lambda: results.append(runner.run(day.isoformat(), assets=DOCUMENTS)))
    first.start()
    assert pause.reached.wait(60)
    second = runner.run(day.isoformat(), assets=DOCUMENTS)
    runner.stack.dms.faults.clear(Pause.kind)
    first.join()
    assert not second.success
    (said,) = failures(second)
    assert "is being reloaded already" in said
    assert results[0].success


def test_a_constraint_that_refuses_a_row_is_named_with_its_key(runner: Runner, day: date, bounds: Bounds) -> None:
    with runner.stack.connect_target() as target:
        ((order,),) = target.execute(
            "DELETE FROM production.order_items WHERE order_id = (SELECT min(order_id) FROM production.orders "
            "WHERE updated_at >= %s AND updated_at < %s) RETURNING order_id",
            bounds,
        ).fetchall()[:1]
        target.execute("DELETE FROM production.orders WHERE order_id = %s", (order,))
        target.execute(f"ALTER TABLE production.orders ADD CONSTRAINT not_that_one CHECK (order_id <> {int(order)})")
    try:
        with production_untouched(runner):
            result = runner.run(day.isoformat(), assets=["staging/orders", "production/orders"])
        assert not result.success
        (said,) = failures(result)
        number = runner.ledger(result.run_id)["reload_id"]
        for piece in ("not_that_one", str(order), f"reload {number}", "production.orders"):
            assert piece in said
        assert "fix the rule in production and materialize production of the window again" in said
    finally:
        with runner.stack.connect_target() as target:
            target.execute("ALTER TABLE production.orders DROP CONSTRAINT not_that_one")
    again = runner.run(day.isoformat(), assets=["production/orders"])
    assert failures(again) == []
    merged = runner.ledger(again.run_id)
    assert (merged["reload_id"], merged["status"], merged["confirm_status"]) == (number, "merged", "confirmed")


@pytest.mark.parametrize("key", ["2025-01-03", "2025-01-03T04:10:00Z..2025-01-03T09:45:00Z"])
def test_an_adhoc_partition_that_is_no_window_is_refused(runner: Runner, key: str) -> None:
    runner.instance.add_dynamic_partitions("sales_windows", [key])
    with production_untouched(runner):
        result = runner.run(key, job="reload_window_sales")
    assert not result.success
    assert failures(result)[0].startswith(f"The partition key '{key}' is not a window; write two UTC instants as")


def test_an_adhoc_window_in_the_future_is_refused(runner: Runner) -> None:
    end = datetime.now(timezone.utc).replace(microsecond=0, tzinfo=None) + timedelta(hours=1)
    key = f"2025-01-03T04:10:00Z--{end.isoformat()}Z"
    runner.instance.add_dynamic_partitions("sales_windows", [key])
    with production_untouched(runner):
        result = runner.run(key, job="reload_window_sales")
    assert not result.success
    assert "ends in the future" in failures(result)[0]


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("RELOAD_TARGET_PASSWORD", "wr0ng-pass", "target.connection: cannot log in to PostgreSQL as reload_job@"),
        ("RELOAD_SOURCE_PASSWORD", "wr0ng-pass", "source"),
        ("RELOAD_DMS_URL", "http://127.0.0.1:9", "127.0.0.1:9"),
        ("RELOAD_DMS_URL", "", "dms.endpoint_url: the environment variable RELOAD_DMS_URL is not set"),
        ("RELOAD_DMS_SOURCE_ARN", "RELOAD_DMS_TARGET_ARN", "source"),
        ("RELOAD_DMS_INSTANCE_ARN", "arn:aws:dms:us-east-1:000000000000:rep:NOWHERE", "NOWHERE"),
    ],
)
def test_what_cannot_be_reached_is_one_sentence(
    runner: Runner,
    configured: Callable[[str], Runner],
    day: date,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    value: str,
    sentence: str,
) -> None:
    monkeypatch.setenv(variable, runner.stack.environment.get(value, value))
    if not value:
        monkeypatch.delenv(variable)
    before = changes(runner)
    result = configured(IMPATIENT).run(day.isoformat(), assets=DOCUMENTS)
    monkeypatch.undo()
    assert not result.success
    (said,) = failures(result)
    assert sentence in said
    assert "\n" not in said
    # Neither there nor anywhere else.
    logged = runner.instance.all_logs(result.run_id)
    assert logged
    assert not [entry for entry in logged if "wr0ng-pass" in str(entry)]
    assert changes(runner) == before
    assert runner.query("SELECT count(*) FROM admin.reloads WHERE run_id = %s", result.run_id) == [(0,)]


def test_a_missing_production_table_is_named(runner: Runner, configured: Callable[[str], Runner], day: date) -> None:
    other = configured(WRITTEN.replace("      documents:\n", "      documents:\n        target: papers\n"))
    with production_untouched(runner):
        result = other.run(day.isoformat(), assets=DOCUMENTS)
    assert "groups.sales.tables.documents.target: there is no table production.papers" in failures(result)[0]


def test_a_check_that_no_new_row_can_meet_is_named_before_the_load(runner: Runner, day: date) -> None:
    add = "ALTER TABLE production.documents ADD score integer, ADD CONSTRAINT rated CHECK (score IS NOT NULL) NOT VALID"
    with runner.stack.connect_target() as target, production_untouched(runner):
        target.execute(add)
        try:
            result = runner.run(day.isoformat(), assets=DOCUMENTS)
        finally:
            target.execute("ALTER TABLE production.documents DROP score")
    (said,) = failures(result)
    assert "the check rated does not hold for a new row, where score = NULL" in said
    assert runner.query("SELECT count(*) FROM admin.reloads WHERE run_id = %s", result.run_id) == [(0,)]
