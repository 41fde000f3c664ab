"""Reloads beside the CDC task: the gate before a load, the fence, and the confirm after a merge."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from typing import Any

import boto3
import pytest
from dagster import AssetKey, DagsterRun, DagsterRunStatus, ExecuteInProcessResult

from reload_assets.ledger.ledger import Ledger
from reload_assets.local import compare
from reload_assets.local.dms.faults import ApplyLag
from reload_assets.local.stack import REGION, checkout_file
from reload_assets.local.traffic import Traffic
from reload_assets.postgres.connection import TargetDatabase
from reload_assets_tests.scenarios.runs import Runner, checks, failures

Bounds = tuple[datetime, datetime]
# One table is enough: it is the way that matters here.
DOCUMENTS = ["staging/documents", "production/documents"]
WRITTEN = checkout_file("reload.yaml").read_text(encoding="utf-8")


def changed(old: str, new: str) -> str:
    """reload.yaml with one thing changed."""
    assert old in WRITTEN
    return WRITTEN.replace(old, new, 1)


def with_cdc(setting: str) -> str:
    return changed("  margin_seconds: 0", f"  {setting}\n  margin_seconds: 0")


WAITING = "The CDC task cdc is stopped (NORMAL), not running; resume it. Waiting for it."
FENCED = changed("    owners:", "    against_cdc: fence\n    owners:")


@pytest.fixture(autouse=True)
def _runs_again(runner: Runner) -> Iterator[None]:
    """A task that a test leaves stopped is no other test's business."""
    yield
    runner.stack.cdc.task.resume()


@contextmanager
def resumed_once_waited_for(runner: Runner, also: Callable[[], None] = lambda: None) -> Iterator[None]:
    """The task runs again as soon as the newest run says that it waits for it."""
    ended = threading.Event()

    def waits() -> bool:
        logs = [runner.instance.all_logs(run.run_id) for run in runner.instance.get_runs(limit=1)]
        return any(entry.user_message == WAITING for log in logs for entry in log)

    def resume() -> None:
        while not ended.wait(0.1) and not waits():
            pass
        runner.stack.cdc.task.resume()
        also()

    thread = threading.Thread(target=resume)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def changes(runner: Runner) -> int:
    ((count,),) = runner.query("SELECT count(*) FROM admin.reload_changes")
    return int(count)


def reloads(runner: Runner) -> int:
    ((count,),) = runner.query("SELECT count(*) FROM admin.reloads")
    return int(count)


def said(runner: Runner, result: ExecuteInProcessResult) -> list[str]:
    """Return what the steps of a run wrote into its log."""
    return [entry.user_message for entry in runner.instance.all_logs(result.run_id)]


def started(runner: Runner) -> datetime:
    """When the CDC task was started last."""
    client = boto3.client("dms", endpoint_url=runner.stack.dms.url, region_name=REGION)
    arn = [{"Name": "replication-task-arn", "Values": [runner.stack.cdc.task.arn]}]
    (task,) = client.describe_replication_tasks(Filters=arn)["ReplicationTasks"]
    at: datetime = task["ReplicationTaskStartDate"]
    return at


def equals_source(runner: Runner, bounds: Bounds) -> bool:
    with runner.stack.connect_source() as source, runner.stack.connect_target() as target:
        return compare.compare_window(source, target, *bounds)["documents"].same


def evaluation(result: ExecuteInProcessResult, check: str) -> Any:
    """What a check of production/documents said."""
    (found,) = [
        each
        for each in result.get_asset_check_evaluations()
        if (each.asset_key, each.check_name) == (AssetKey(["production", "documents"]), check)
    ]
    return found


def test_a_reload_refuses_while_the_task_is_stopped_and_goes_through_once_it_runs(
    runner: Runner, day: date, bounds: Bounds
) -> None:
    runner.stack.damage(*bounds, seed=1)
    runner.stack.cdc.task.stop()
    before = changes(runner), reloads(runner)
    refused = runner.run(day.isoformat(), assets=DOCUMENTS)
    assert failures(refused) == ["The CDC task cdc is stopped (NORMAL), not running; resume it. [cdc-not-running]"]
    assert (changes(runner), reloads(runner)) == before
    assert runner.dms_tasks() == []
    assert runner.stack.cdc.task.state().status == "stopped"

    runner.stack.cdc.task.resume()
    result = runner.run(day.isoformat(), assets=DOCUMENTS)
    assert failures(result) == []
    assert equals_source(runner, bounds)
    row = runner.ledger(result.run_id)
    assert (row["cdc_task_arn"], row["cdc_status"]) == (runner.stack.cdc.task.arn, "running")
    assert 0 <= row["cdc_lag_seconds"] < 60
    assert (row["cdc_stopped_at"], row["confirm_status"]) == (None, "confirmed")


def test_a_reload_that_may_wait_waits_for_the_task(
    runner: Runner, configured: Callable[[str], Runner], day: date
) -> None:
    patient = configured(with_cdc("when_behind: wait"))
    runner.stack.cdc.task.stop()
    with resumed_once_waited_for(runner):
        result = patient.run(day.isoformat(), assets=DOCUMENTS)
    assert failures(result) == []
    assert WAITING in said(runner, result)
    assert runner.ledger(result.run_id)["cdc_status"] == "running"


def test_a_lag_beyond_the_limit_is_refused(runner: Runner, configured: Callable[[str], Runner], day: date) -> None:
    strict = configured(with_cdc("max_lag_seconds: 0.5"))
    change = 'UPDATE "SALES"."DOCUMENTS" SET "TITLE" = %s WHERE "DOCUMENT_ID" = 1'
    with runner.stack.connect_source() as source:
        # A task that has applied nothing so far could not say how far it is.
        source.execute(change, ("in time",))
        runner.stack.drain()
        runner.stack.dms.faults.set(ApplyLag(seconds=60))
        source.execute(change, ("late",))
    time.sleep(0.6)
    before = changes(runner), reloads(runner)
    result = strict.run(day.isoformat(), assets=DOCUMENTS)
    (sentence,) = failures(result)
    assert sentence.startswith("The CDC task cdc lags ")
    assert "s behind the source (limit 0.5 s); reload the window once it has caught up" in sentence
    assert (changes(runner), reloads(runner)) == before


def leave_stopped(runner: Runner, run_id: str) -> int:
    """A task that is stopped, by the doing of a run whose reload did not get further; the reload's id."""
    with runner.stack.connect_target() as target:
        ((number,),) = target.execute(
            "INSERT INTO admin.reloads (group_name, window_start, window_end, load_start, partition_key, tables, "
            "status, started_by, run_id, cdc_task_arn, cdc_stopped_at) VALUES ('sales', '2024-01-01Z', '2024-01-02Z', "
            "'2024-01-01Z', '2024-01-01', '{documents}', 'verified', 'me', %s, %s, now()) RETURNING reload_id",
            (run_id, runner.stack.cdc.task.arn),
        ).fetchall()
    runner.stack.cdc.task.stop()
    return int(number)


def test_a_task_that_a_dead_run_left_stopped_is_resumed_and_a_fence_stops_it_for_the_merge(
    runner: Runner, configured: Callable[[str], Runner], day: date, bounds: Bounds
) -> None:
    runner.stack.damage(*bounds, seed=1)
    number = leave_stopped(runner, "gone")
    result = configured(FENCED).run(day.isoformat(), assets=DOCUMENTS)
    assert failures(result) == []
    assert f"reload {number} left the CDC task {runner.stack.cdc.task.arn} stopped; resuming it" in said(runner, result)
    row = runner.ledger(result.run_id)
    ((left, resumed),) = runner.query(
        "SELECT cdc_stopped_at, cdc_resumed_at FROM admin.reloads WHERE reload_id = %s", number
    )
    assert left < resumed < row["cdc_stopped_at"] < row["merge_ended_at"] < row["cdc_resumed_at"]
    assert row["confirm_status"] == "confirmed"
    assert runner.stack.cdc.task.state().running
    assert started(runner) > row["merge_ended_at"]
    assert equals_source(runner, bounds)


def test_a_merge_that_fails_behind_the_fence_resumes_the_task(
    runner: Runner, configured: Callable[[str], Runner], day: date, bounds: Bounds
) -> None:
    with runner.stack.connect_target() as target:
        ((document,),) = target.execute(
            "DELETE FROM production.documents WHERE document_id = (SELECT min(document_id) FROM production.documents "
            "WHERE updated_at >= %s AND updated_at < %s) RETURNING document_id",
            bounds,
        ).fetchall()
        target.execute(f"ALTER TABLE production.documents ADD CONSTRAINT not_that CHECK (document_id <> {document})")
    before = changes(runner), started(runner)
    try:
        result = configured(FENCED).run(day.isoformat(), assets=DOCUMENTS)
    finally:
        with runner.stack.connect_target() as target:
            target.execute("ALTER TABLE production.documents DROP CONSTRAINT not_that")
    (sentence,) = failures(result)
    assert "not_that" in sentence
    row = runner.ledger(result.run_id)
    assert row["cdc_stopped_at"] < row["cdc_resumed_at"]
    assert runner.stack.cdc.task.state().running
    assert changes(runner) == before[0]
    assert started(runner) > before[1]


def test_a_task_that_a_live_run_keeps_stopped_is_waited_for(runner: Runner, day: date) -> None:
    other = DagsterRun(job_name="reload_sales", status=DagsterRunStatus.STARTED)
    runner.instance.add_run(other)
    number = leave_stopped(runner, other.run_id)
    ledger = Ledger(_job(runner))
    with resumed_once_waited_for(runner, lambda: ledger.set_cdc_resumed(number)):
        result = runner.run(day.isoformat(), assets=DOCUMENTS)
    assert failures(result) == []
    assert WAITING in said(runner, result)
    assert not [line for line in said(runner, result) if line.endswith("resuming it")]


def test_without_the_section_cdc_a_reload_says_so_once_and_production_alone_confirms_it_later(
    runner: Runner, configured: Callable[[str], Runner], day: date, bounds: Bounds
) -> None:
    begin, end = WRITTEN.index("cdc:\n"), WRITTEN.index("windows:\n")
    blind = configured(WRITTEN[:begin] + WRITTEN[end:])
    assert blind.config.cdc is None
    runner.stack.damage(*bounds, seed=1)
    # Nor does it look: whether the task runs makes no difference.
    runner.stack.cdc.task.stop()
    result = blind.run(day.isoformat(), assets=DOCUMENTS)
    assert failures(result) == []
    assert equals_source(runner, bounds)
    about = [line for line in said(runner, result) if "No CDC task is configured" in line]
    assert about == ["No CDC task is configured: whether production is being written meanwhile is not known."]
    row = runner.ledger(result.run_id)
    assert (row["cdc_task_arn"], row["cdc_stopped_at"]) == (None, None)
    assert "without the section cdc nobody can say how far CDC is" in row["confirm_detail"]
    assert runner.stack.cdc.task.state().status == "stopped"

    runner.stack.cdc.task.resume()
    number, before = row["reload_id"], changes(runner)
    with runner.stack.connect_target() as target:
        target.execute("UPDATE admin.reloads SET confirm_status = 'pending' WHERE reload_id = %s", (number,))
    Ledger(_job(runner)).give_up_confirm(number, "The run died.")
    assert runner.ledger(result.run_id)["confirm_status"] == "unconfirmed"
    again = runner.run(day.isoformat(), assets=DOCUMENTS[1:])
    assert failures(again) == []
    assert checks(again)["production/documents.confirmed"] is True
    row = runner.ledger(again.run_id)
    assert (row["reload_id"], row["status"], row["confirm_status"]) == (number, "merged", "confirmed")
    assert changes(runner) == before


def test_what_confirm_did_is_shown_and_in_the_ledger(runner: Runner, day: date, bounds: Bounds) -> None:
    """A row that production had lost is deleted in the source after the load, and CDC, which lags, is past that."""
    runner.stack.damage(*bounds, seed=1)
    staged = runner.run(day.isoformat(), assets=DOCUMENTS[:1])
    assert failures(staged) == []
    with runner.stack.connect_source() as source:
        in_window = '"UPDATED_AT" >= %s AND "UPDATED_AT" < %s'
        query = f'SELECT "DOCUMENT_ID"::bigint FROM "SALES"."DOCUMENTS" WHERE {in_window}'
        there = {number for (number,) in source.execute(query.encode(), bounds)}
        lost = min(there - {number for (number,) in runner.query("SELECT document_id FROM production.documents")})
        source.execute('DELETE FROM "SALES"."DOCUMENTS" WHERE "DOCUMENT_ID" = %s', (lost,))
    runner.stack.drain()
    runner.stack.dms.faults.set(ApplyLag(seconds=0.5))
    with Traffic(runner.stack.postgres.url("source"), *bounds, seed=1) as traffic:
        result = runner.run(day.isoformat(), assets=DOCUMENTS[1:])
    assert failures(result) == []
    assert traffic.transactions > 20

    row = runner.ledger(result.run_id)
    confirmed = evaluation(result, "confirmed")
    assert confirmed.passed
    assert row["confirm_status"] == confirmed.metadata["confirm_status"].value == "confirmed"
    assert row["confirm_passes"] == confirmed.metadata["passes"].value >= 2
    assert row["confirm_corrections"] == confirmed.metadata["corrections"].value >= 1
    assert round(row["confirm_waited_seconds"], 1) == confirmed.metadata["waited_seconds"].value > 0.3
    assert row["confirm_detail"] == confirmed.description
    assert runner.query(
        "SELECT operation FROM admin.reload_changes WHERE reload_id = %s AND step = 'confirm' AND key = %s::jsonb",
        row["reload_id"],
        f'{{"document_id": {lost}}}',
    ) == [("deleted",)]

    runner.stack.dms.faults.clear()
    runner.stack.drain()
    assert equals_source(runner, bounds)


def test_an_error_of_the_traffic_is_raised(runner: Runner, bounds: Bounds, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(traffic: Traffic) -> Callable[[Any], None]:
        return lambda connection: connection.execute("SELECT nothing")

    monkeypatch.setattr(Traffic, "_choose", fail)
    with (
        pytest.raises(RuntimeError, match='The traffic on the source has ended: column "nothing" does not exist'),
        Traffic(runner.stack.postgres.url("source"), *bounds, seed=1) as traffic,
    ):
        time.sleep(0.3)
    assert traffic.transactions == 0


def _job(runner: Runner) -> TargetDatabase:
    values = runner.stack.environment
    user, password = values["RELOAD_TARGET_USER"], values["RELOAD_TARGET_PASSWORD"]
    return TargetDatabase("127.0.0.1", runner.stack.postgres.port, "target", user, password)
