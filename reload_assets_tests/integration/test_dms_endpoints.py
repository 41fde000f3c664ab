"""Endpoints that cannot serve a load are reported in one sentence before anything is created."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from reload_assets.dms.cdc import CdcTask
from reload_assets.dms.client import dms_client
from reload_assets.dms.tasks import LoadTasks, PollLimits
from reload_assets.errors.cdc import CdcTaskNeverStarted
from reload_assets.errors.dms import DmsResourceUnknown, EndpointUnconnected, EndpointUnsuitable
from reload_assets.local.oracle import create_schema
from reload_assets.local.postgres import PostgresServer
from reload_assets_tests.integration.standin_bench import (
    LOWERCASE,
    Bench,
    mapping,
    open_bench,
    selection,
    two_databases,
)

FAST = PollLimits(interval=0.02, max_interval=0.1, ready_timeout=5, load_timeout=5, remove_timeout=5, call_attempts=2)
UNKNOWN = "arn:aws:dms:us-east-1:000000000000:endpoint:NOBODY"


@pytest.fixture(scope="module")
def databases(postgres: PostgresServer) -> Iterator[tuple[str, str]]:
    with two_databases(postgres) as urls:
        yield urls


@pytest.fixture(scope="module")
def bench(databases: tuple[str, str]) -> Iterator[Bench]:
    with open_bench(databases) as made:
        yield made


@pytest.fixture
def tasks(bench: Bench) -> LoadTasks:
    client = dms_client(region="us-east-1", endpoint_url=bench.url, access_key_id="x", secret_access_key="x")
    return LoadTasks(client, FAST)


def new_instance(bench: Bench, name: str) -> str:
    made = bench.client.create_replication_instance(
        ReplicationInstanceIdentifier=name, ReplicationInstanceClass="dms.t3.medium"
    )
    return str(made["ReplicationInstance"]["ReplicationInstanceArn"])


def enable_supplemental_log(bench: Bench) -> None:
    """Let the source log what a CDC task reads."""
    with psycopg.connect(bench.source_url, autocommit=True) as connection:
        create_schema(connection, "SALES")


def test_good_endpoints_pass_and_untested_connections_are_tested(bench: Bench, tasks: LoadTasks) -> None:
    tasks.check_endpoints(bench.source, bench.target, bench.instance)
    instance = new_instance(bench, "fresh")
    tasks.check_endpoints(bench.source, bench.target, instance)
    tested = bench.client.describe_connections(Filters=[{"Name": "replication-instance-arn", "Values": [instance]}])
    assert sorted(one["EndpointArn"] for one in tested["Connections"]) == sorted([bench.source, bench.target])
    assert {one["Status"] for one in tested["Connections"]} == {"successful"}


def test_two_runs_that_find_an_untested_connection_both_go_on(bench: Bench, tasks: LoadTasks) -> None:
    instance = new_instance(bench, "shared")
    with ThreadPoolExecutor(4) as pool:
        checks = [pool.submit(tasks.check_endpoints, bench.source, bench.target, instance) for _ in range(4)]
        assert [check.result() for check in checks] == [None] * 4


def test_aurora_serverless_is_a_postgresql(bench: Bench, tasks: LoadTasks) -> None:
    target = bench.endpoint("target", "aurora-postgresql-serverless", bench.target_url, EndpointIdentifier="aurora")
    tasks.check_endpoints(bench.source, target, bench.instance)


def test_a_cdc_task_that_never_ran_is_not_resumed_and_one_that_ran_is(bench: Bench) -> None:
    arn = bench.create(mapping(selection(1, "ORDERS"), *LOWERCASE), MigrationType="cdc")
    client = dms_client(region="us-east-1", endpoint_url=bench.url, access_key_id="x", secret_access_key="x")
    task = CdcTask(client, FAST, arn)
    with pytest.raises(CdcTaskNeverStarted, match="start it with start-replication"):
        task.resume()
    assert bench.task(arn)["Status"] == "ready"
    enable_supplemental_log(bench)
    bench.start(arn)
    bench.wait(arn, "running")
    task.stop()
    task.resume()
    assert task.state().running
    task.stop()


def test_swapped_endpoints_are_named(bench: Bench, tasks: LoadTasks) -> None:
    with pytest.raises(EndpointUnsuitable, match="bench-target is of type target"):
        tasks.check_endpoints(bench.target, bench.source, bench.instance)


def test_endpoints_of_another_engine_are_named(bench: Bench, tasks: LoadTasks) -> None:
    source = bench.endpoint("source", "postgres", bench.source_url, EndpointIdentifier="pg-source")
    with pytest.raises(EndpointUnsuitable, match="source endpoint pg-source has the engine postgres"):
        tasks.check_endpoints(source, bench.target, bench.instance)
    target = bench.endpoint("target", "oracle", bench.target_url, EndpointIdentifier="ora-target")
    with pytest.raises(EndpointUnsuitable, match="target endpoint ora-target has the engine oracle"):
        tasks.check_endpoints(bench.source, target, bench.instance)


def test_unknown_arns_are_named(bench: Bench, tasks: LoadTasks) -> None:
    with pytest.raises(DmsResourceUnknown, match=f"source endpoint {UNKNOWN}"):
        tasks.check_endpoints(UNKNOWN, bench.target, bench.instance)
    with pytest.raises(DmsResourceUnknown, match=f"target endpoint {UNKNOWN}"):
        tasks.check_endpoints(bench.source, UNKNOWN, bench.instance)
    with pytest.raises(DmsResourceUnknown, match=f"replication instance {UNKNOWN}"):
        tasks.check_endpoints(bench.source, bench.target, UNKNOWN)


def test_a_connection_that_fails_is_named_without_a_password_and_tested_again_next_time(
    bench: Bench, tasks: LoadTasks
) -> None:
    target = bench.endpoint(
        "target", "postgres", bench.target_url, EndpointIdentifier="late", Username="late", Password="pw-of-late"
    )
    with pytest.raises(EndpointUnconnected, match=r"instance bench to the endpoint late .*late") as error:
        tasks.check_endpoints(bench.source, target, bench.instance)
    assert "pw-of-late" not in str(error.value)
    assert "\n" not in str(error.value)
    bench.rows("CREATE ROLE late LOGIN PASSWORD 'pw-of-late'")
    try:
        tasks.check_endpoints(bench.source, target, bench.instance)
    finally:
        bench.rows("DROP ROLE late")
