"""The DMS task of a reload: its owner, its settings, its visible progress, and its removal after its run has died."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import date
from typing import Any

import boto3
import pytest
from dagster import ExecuteInProcessResult

from reload_assets.assets import staging
from reload_assets.local.dms.faults import Pause
from reload_assets.local.stack import REGION, checkout_file
from reload_assets.reload.load import Load
from reload_assets.resources.reload import ReloadResource
from reload_assets_tests.scenarios.runs import Runner, failures

DOCUMENTS = ["staging/documents", "production/documents"]


def client(runner: Runner) -> Any:
    return boto3.client("dms", endpoint_url=runner.stack.dms.url, region_name=REGION)


@contextlib.contextmanager
def while_loading(runner: Runner, day: date) -> Iterator[list[ExecuteInProcessResult]]:
    """Pause a load of documents for the block; the result of its run is in the list afterwards."""
    pause = Pause(table="DOCUMENTS", after_rows=4)
    runner.stack.dms.faults.set(pause)
    results: list[ExecuteInProcessResult] = []
    thread = threading.Thread(target=lambda: results.append(runner.run(day.isoformat(), assets=DOCUMENTS)))
    thread.start()
    try:
        assert pause.reached.wait(60)
        yield results
    finally:
        runner.stack.dms.faults.clear()
        thread.join()


def progress(runner: Runner, run_id: str) -> list[str]:
    return [entry.user_message for entry in runner.instance.all_logs(run_id) if entry.user_message.startswith("DMS ")]


def await_progress(runner: Runner, run_id: str, said: str) -> None:
    deadline = time.monotonic() + 30
    while not any(line.startswith(said) for line in progress(runner, run_id)):
        assert time.monotonic() < deadline, progress(runner, run_id)
        time.sleep(0.05)


def test_a_task_says_whose_it_is_and_does_what_the_file_says(
    configured: Callable[[str], Runner], day: date, runner: Runner
) -> None:
    text = checkout_file("reload.yaml").read_text(encoding="utf-8")
    tuned = configured(text.replace("  polling:", "  task: {commit_rate: 7, lob_limit_kb: 200}\n  polling:", 1))
    with while_loading(tuned, day) as results:
        loads = [{"Name": "migration-type", "Values": ["full-load"]}]
        (task,) = client(tuned).describe_replication_tasks(Filters=loads)["ReplicationTasks"]
        tagged = client(tuned).list_tags_for_resource(ResourceArn=task["ReplicationTaskArn"])["TagList"]
        ((run_id,),) = tuned.query("SELECT run_id FROM admin.reloads WHERE status = 'loading'")
        # Dagster shows how far the load is while it waits for it.
        await_progress(tuned, run_id, "DMS running: 0 %, 0 tables loaded, 1 loading, 0 queued, 0 errored, ")
    (result,) = results
    assert failures(result) == []

    row = tuned.ledger(result.run_id)
    assert {tag["Key"]: tag["Value"] for tag in tagged} == {
        "reload_assets:reload_id": str(row["reload_id"]),
        "reload_assets:run_id": result.run_id,
        "reload_assets:window": f"{day}T00:00:00Z--{date.fromordinal(day.toordinal() + 1)}T00:00:00Z",
        "reload_assets:group": "sales",
    }
    assert (task["ReplicationTaskIdentifier"], task["ReplicationTaskArn"], task["MigrationType"]) == (
        row["task_identifier"],
        row["task_arn"],
        "full-load",
    )
    settings = json.loads(task["ReplicationTaskSettings"])
    assert settings["FullLoadSettings"]["CommitRate"] == 7
    assert settings["TargetMetadata"]["LobMaxSize"] == 200

    (last,) = [line for line in progress(tuned, result.run_id) if line.startswith("DMS stopped")]
    assert last.startswith("DMS stopped: 100 %, 1 tables loaded, 0 loading, 0 queued, 0 errored, ")


class _Killed(BaseException):
    """Stands for the end of a process, which runs no more code."""


@contextlib.contextmanager
def _nothing(*arguments: object) -> Iterator[None]:
    yield


def test_the_task_of_a_run_that_was_killed_is_removed_by_the_next_one(
    runner: Runner, day: date, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its tags: the run did not even come to write its task down."""

    def start_and_die(load: Load, reload: Any) -> None:
        load.tasks.start(reload.task_arn)
        raise _Killed

    nothing: Callable[..., AbstractContextManager[None]] = _nothing
    with monkeypatch.context() as patched:
        patched.setattr(staging, "giving_up_on_failure", nothing)
        patched.setattr(ReloadResource, "teardown_after_execution", lambda resource, context: None)
        patched.setattr(Load, "start_task", start_and_die)
        with contextlib.suppress(_Killed):
            runner.run(day.isoformat(), assets=DOCUMENTS)
    ((reload_id, run_id, identifier),) = runner.query(
        "SELECT reload_id, run_id, task_identifier FROM admin.reloads ORDER BY reload_id DESC LIMIT 1"
    )
    assert runner.dms_tasks() == [identifier]
    with runner.stack.connect_target() as target:
        target.execute(
            "UPDATE admin.reloads SET task_arn = NULL, task_identifier = NULL, status = 'open' WHERE reload_id = %s",
            (reload_id,),
        )
    # Dagster's run monitoring finds out that the process is gone.
    stored = runner.instance.get_run_by_id(run_id)
    assert stored is not None
    if not stored.is_finished:
        runner.instance.report_run_failed(stored)

    again = runner.run(day.isoformat(), assets=DOCUMENTS)
    assert failures(again) == []
    assert runner.dms_tasks() == []
    ((status, removed, error),) = runner.query(
        "SELECT status, task_removed_at IS NOT NULL, error FROM admin.reloads WHERE reload_id = %s", reload_id
    )
    assert (status, removed) == ("cancelled", True)
    assert run_id in error
    assert runner.ledger(again.run_id)["status"] == "merged"
