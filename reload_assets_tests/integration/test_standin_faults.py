"""Stopping a load, faults on demand, and the stand-in as a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from typing import Any

import boto3
import psycopg
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError

from reload_assets.local.dms.faults import (
    DropConnection,
    EmptyTable,
    NoTables,
    OverstatedRows,
    Pause,
    RecoverableError,
    SlowLoad,
    StuckRunning,
    TableError,
    Throttle,
)
from reload_assets_tests.integration.standin_bench import (
    LOWERCASE,
    Bench,
    mapping,
    selection,
)

pytestmark = pytest.mark.thorough

BOTH = mapping(selection(1, "CUSTOMERS"), selection(2, "ORDERS"), *LOWERCASE)
FINISHED = "Stop Reason FULL_LOAD_ONLY_FINISHED"


def without_retries(bench: Bench) -> Any:
    return boto3.client(
        "dms",
        endpoint_url=bench.url,
        region_name="us-east-1",
        aws_access_key_id="x",
        aws_secret_access_key="x",
        config=Config(retries={"total_max_attempts": 1}),
    )


def stop(bench: Bench, arn: str) -> dict[str, Any]:
    """Stop a running task; it must be promptly stopped."""
    began = time.monotonic()
    stopping = bench.client.stop_replication_task(ReplicationTaskArn=arn)["ReplicationTask"]
    assert stopping["Status"] == "stopping"
    task = bench.wait(arn, "stopped", "failed")
    assert time.monotonic() - began < 2
    return task


def test_stop_in_the_middle_of_a_copy_leaves_the_committed_rows(bench: Bench) -> None:
    pause = bench.faults.set(Pause(table="SALES.ORDERS", after_rows=45))
    arn = bench.create(BOTH, {"FullLoadSettings": {"CommitRate": 20, "MaxFullLoadSubTasks": 1}})
    bench.start(arn)
    assert pause.reached.wait(5)
    running = bench.task(arn)
    assert running["Status"] == "running"
    assert 50 <= running["ReplicationTaskStats"]["FullLoadProgressPercent"] < 100
    # The rows read before the pause are written by another thread.
    deadline = time.monotonic() + 5
    while bench.count("staging.orders") < 40 and time.monotonic() < deadline:
        time.sleep(0.02)
    task = stop(bench, arn)
    assert (task["Status"], task["StopReason"]) == ("stopped", "Stop Reason NORMAL")
    statistics = bench.statistics(arn)
    assert (statistics["CUSTOMERS"]["TableState"], statistics["ORDERS"]["TableState"]) == (
        "Table completed",
        "Table cancelled",
    )
    assert statistics["ORDERS"]["FullLoadRows"] == bench.count("staging.orders") == 40


def test_stop_reaches_a_load_that_waits_for_a_lock(bench: Bench) -> None:
    with psycopg.connect(bench.target_url) as blocker:
        blocker.execute("LOCK TABLE staging.orders")
        arn = bench.create(BOTH)
        bench.start(arn)
        deadline = time.monotonic() + 5
        while bench.rows("SELECT count(*) FROM pg_locks WHERE NOT granted") != [(1,)]:
            assert time.monotonic() < deadline
        assert stop(bench, arn)["StopReason"] == "Stop Reason NORMAL"
    assert bench.statistics(arn)["ORDERS"]["TableState"] == "Table cancelled"


def test_tables_load_in_parallel(bench: Bench) -> None:
    pauses = [bench.faults.set(Pause(table=table, after_rows=5)) for table in ("CUSTOMERS", "ORDERS")]
    arn = bench.create(BOTH, {"FullLoadSettings": {"MaxFullLoadSubTasks": 2}})
    bench.start(arn)
    assert all(pause.reached.wait(5) for pause in pauses)
    assert bench.task(arn)["ReplicationTaskStats"]["TablesLoading"] == 2
    bench.faults.clear("pause")
    assert bench.wait(arn, "stopped")["ReplicationTaskStats"]["TablesLoaded"] == 2


def test_throttling_strikes_the_named_operation_so_many_times(bench: Bench) -> None:
    bench.faults.set(Throttle(operation="DescribeReplicationTasks", times=2))
    client = without_retries(bench)
    client.describe_endpoints()
    for _ in range(2):
        with pytest.raises(ClientError) as refused:
            client.describe_replication_tasks()
        assert refused.value.response["Error"] == {"Code": "ThrottlingException", "Message": "Rate exceeded"}
    client.describe_replication_tasks()


def test_a_dropped_connection_has_no_effect_and_is_retried_by_boto3(bench: Bench) -> None:
    bench.faults.set(DropConnection(times=1))
    with pytest.raises(ConnectionClosedError):
        without_retries(bench).describe_endpoints()
    bench.faults.set(DropConnection(operation="DescribeEndpoints", times=1))
    assert len(bench.client.describe_endpoints()["Endpoints"]) == 2


def test_a_table_error_on_demand_leaves_the_committed_rows(bench: Bench) -> None:
    bench.faults.set(TableError(table="ORDERS", after_rows=50, times=1))
    settings = {"FullLoadSettings": {"CommitRate": 20}}
    task = bench.run(BOTH, settings)
    assert (task["Status"], task["StopReason"]) == ("stopped", FINISHED)
    assert "LastFailureMessage" not in task
    statistics = bench.statistics(task["ReplicationTaskArn"])
    assert [statistics[name]["TableState"] for name in ("CUSTOMERS", "ORDERS")] == ["Table completed", "Table error"]
    assert bench.count("staging.orders") == 40
    bench.rows("TRUNCATE staging.orders, staging.customers")
    assert bench.run(BOTH, settings)["ReplicationTaskStats"]["TablesErrored"] == 0, "it struck once"


def test_a_failed_task_cancels_its_other_tables(bench: Bench) -> None:
    paused = bench.faults.set(Pause(table="CUSTOMERS", after_rows=5))
    slow = bench.faults.set(Pause(table="ORDERS", after_rows=5))
    bench.faults.set(TableError(table="ORDERS", after_rows=5))
    arn = bench.create(BOTH, {"ErrorBehavior": {"TableErrorPolicy": "STOP_TASK"}})
    bench.start(arn)
    assert paused.reached.wait(5)
    slow.cleared.set()
    task = bench.wait(arn, "failed")
    assert "'SALES'.'ORDERS'" in task["LastFailureMessage"]
    statistics = bench.statistics(arn)
    assert (statistics["CUSTOMERS"]["TableState"], statistics["ORDERS"]["TableState"]) == (
        "Table cancelled",
        "Table error",
    )


def test_no_tables_recoverable_error_and_stuck_running_on_demand(bench: Bench) -> None:
    bench.faults.set(NoTables(times=1))
    assert "No tables were found" in bench.run(BOTH)["LastFailureMessage"]
    bench.faults.set(RecoverableError(times=1))
    task = bench.run(BOTH)
    assert task["Status"] == "stopped"
    assert "Stop Reason RECOVERABLE_ERROR" in task["StopReason"]
    stuck = bench.faults.set(StuckRunning())
    arn = bench.create(BOTH)
    bench.start(arn)
    assert stuck.reached.wait(5)
    running = bench.task(arn)
    assert (running["Status"], running["ReplicationTaskStats"]["FullLoadProgressPercent"]) == ("running", 100)
    assert stop(bench, arn)["StopReason"] == "Stop Reason NORMAL"


def test_statistics_that_lie_on_demand(bench: Bench) -> None:
    bench.faults.set(OverstatedRows(table="ORDERS", extra=1000))
    bench.faults.set(EmptyTable(table="CUSTOMERS"))
    task = bench.run(BOTH)
    assert (task["Status"], task["StopReason"]) == ("stopped", FINISHED)
    statistics = bench.statistics(task["ReplicationTaskArn"])
    assert (statistics["ORDERS"]["FullLoadRows"], bench.count("staging.orders")) == (1120, 120)
    assert statistics["CUSTOMERS"]["TableState"] == "Table completed"
    assert bench.count("staging.customers") == 0


def test_a_slow_load_takes_its_time(bench: Bench) -> None:
    bench.faults.set(SlowLoad(table="ORDERS", seconds=0.1, rows=40))
    began = time.monotonic()
    bench.run(BOTH)
    assert time.monotonic() - began >= 0.3
    assert bench.count("staging.orders") == 120


def post_fault(url: str, document: Any) -> list[dict[str, Any]]:
    request = urllib.request.Request(f"{url}/faults", json.dumps(document).encode(), method="POST")
    with urllib.request.urlopen(request) as answer:
        faults: list[dict[str, Any]] = json.load(answer)
    return faults


def test_faults_are_set_and_cleared_over_http(bench: Bench) -> None:
    post_fault(bench.url, {"kind": "pause", "table": "ORDERS", "after_rows": 1})
    arn = bench.create(BOTH)
    bench.start(arn)
    deadline = time.monotonic() + 5
    while True:
        with urllib.request.urlopen(f"{bench.url}/faults") as answer:
            [pause] = json.load(answer)
        if pause["reached"]:
            break
        assert time.monotonic() < deadline
    assert post_fault(bench.url, {"clear": True}) == []
    assert bench.wait(arn, "stopped")["StopReason"] == FINISHED
    with pytest.raises(urllib.error.HTTPError) as refused:
        post_fault(bench.url, {"kind": "pause", "tabel": "ORDERS"})
    assert refused.value.code == 400
    assert "tabel" in json.load(refused.value)["message"]
    refused.value.close()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_as_a_process_it_prints_its_url_and_ends_cleanly_in_mid_load(
    databases: tuple[str, str], bench: Bench, how: signal.Signals
) -> None:
    command = [sys.executable, "-m", "reload_assets.local.dms", "--port", "0", "--parent-death"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ})
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert url.startswith("http://127.0.0.1:")
        away = Bench(url, *databases)
        away.test_connections()
        post_fault(url, {"kind": "pause", "after_rows": 1})
        arn = away.create(BOTH)
        away.start(arn)
        away.wait(arn, "running")
        process.send_signal(how)
        _, logged = process.communicate(timeout=10)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, logged
    assert "Traceback" not in logged
    assert bench.rows("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'dms-target'") == [(0,)]
