"""The life of a one-time task, against the stand-in over HTTP."""

from __future__ import annotations

import dataclasses
import os
import signal
import threading
import time
from datetime import datetime
from typing import Any

import pytest

from reload_assets.dms.client import dms_client
from reload_assets.dms.mappings import TableLoad, table_mappings
from reload_assets.dms.settings import task_settings
from reload_assets.dms.tasks import LoadTasks, PollLimits, Progress, TaskRequest, task_identifier
from reload_assets.errors import LoadFailed
from reload_assets.errors.dms import (
    DmsRefused,
    DmsResourceUnknown,
    LoadIncomplete,
    LoadNotStarted,
    LoadTaskDeleted,
    LoadTimeout,
    TaskFaulty,
    TaskNotReady,
    TaskNotRemoved,
)
from reload_assets.local.dms import DmsStandIn
from reload_assets.local.dms.faults import NoTables, Pause, RecoverableError, StuckRunning, TableError
from reload_assets_tests.integration.standin_bench import Bench

FAST = PollLimits(interval=0.02, max_interval=0.1, ready_timeout=5, load_timeout=10, remove_timeout=5, call_attempts=3)
START, END = datetime(2025, 1, 10), datetime(2025, 1, 20)
CUSTOMERS = TableLoad("SALES", "CUSTOMERS", "UPDATED_AT", "staging", "customers")
ORDERS = TableLoad("SALES", "ORDERS", "UPDATED_AT", "staging", "orders")
BOTH = {("SALES", "CUSTOMERS"), ("SALES", "ORDERS")}
TAGS = {"reload/run": "run-1", "reload/id": "7"}


class Interrupted(BaseException):
    """What an interrupt of a run looks like."""


def client(url: str) -> Any:
    return dms_client(region="us-east-1", endpoint_url=url, access_key_id="x", secret_access_key="x")


@pytest.fixture
def tasks(bench: Bench) -> LoadTasks:
    return LoadTasks(client(bench.url), FAST)


def request(bench: Bench, *tables: TableLoad, number: int = 7, **changes: Any) -> TaskRequest:
    made = TaskRequest(
        identifier=task_identifier("sales", number, "a1"),
        source_endpoint_arn=bench.source,
        target_endpoint_arn=bench.target,
        replication_instance_arn=bench.instance,
        table_mappings=table_mappings(tables or (CUSTOMERS, ORDERS), START, END),
        settings=task_settings(commit_rate=10, max_sub_tasks=8, lob_max_kb=32),
        tags=TAGS,
    )
    return dataclasses.replace(made, **changes)


def started(tasks: LoadTasks, wanted: TaskRequest) -> str:
    arn = tasks.create(wanted)
    tasks.wait_ready(arn)
    tasks.start(arn)
    return arn


def known(bench: Bench, arn: str) -> bool:
    found = bench.client.describe_replication_tasks(MaxRecords=100)["ReplicationTasks"]
    return arn in [task["ReplicationTaskArn"] for task in found if task["Status"] != "deleting"]


def test_hazard_02_a_task_loads_the_window_and_nothing_else(bench: Bench, tasks: LoadTasks) -> None:
    bench.rows(
        """INSERT INTO "SALES"."CUSTOMERS" VALUES (900, 'start', '2025-01-10 00:00:00'),
        (901, 'before', '2025-01-09 23:59:59.999999'), (902, 'last', '2025-01-19 23:59:59.999999')""",
        on_source=True,
    )
    seen: list[Progress] = []
    arn = started(tasks, request(bench))
    result = tasks.wait_loaded(arn, BOTH, seen.append)
    # The end itself is loaded too, and trimmed later: DMS has no strict operator.
    inside = "\"UPDATED_AT\" BETWEEN '2025-01-10' AND '2025-01-20'"
    for table, key in (("CUSTOMERS", "CUSTOMER_ID"), ("ORDERS", "ORDER_ID")):
        wanted = bench.rows(f'SELECT "{key}" FROM "SALES"."{table}" WHERE {inside} ORDER BY 1', on_source=True)
        assert bench.rows(f"SELECT {key.lower()} FROM staging.{table.lower()} ORDER BY 1") == wanted
        assert result.rows["SALES", table] == len(wanted) > 0
    assert (result.task_arn, result.stop_reason) == (arn, "FULL_LOAD_ONLY_FINISHED")
    assert result.seconds > 0
    assert (seen[-1].status, seen[-1].percent, seen[-1].tables_loaded) == ("stopped", 100, 2)
    assert seen[-1].rows == sum(result.rows.values())
    tasks.remove(arn)
    assert not known(bench, arn)


def test_a_mapping_with_a_mistake_is_never_sent(bench: Bench, tasks: LoadTasks) -> None:
    wanted = request(bench)
    rules = [dict(rule) for rule in wanted.table_mappings["rules"]]
    del rules[-1]
    with pytest.raises(TaskFaulty, match=r"reload-sales-7-a1 .*Rule 1: .*\[missing-case-rule\]"):
        tasks.create(dataclasses.replace(wanted, table_mappings={"rules": rules}))
    with pytest.raises(TaskFaulty, match="commit-rate-too-high"):
        tasks.create(
            dataclasses.replace(wanted, settings=task_settings(commit_rate=60_000, max_sub_tasks=8, lob_max_kb=32))
        )
    assert tasks.find(TAGS) == []


def test_creating_again_gives_the_same_task_but_never_that_of_another_reload(bench: Bench, tasks: LoadTasks) -> None:
    arn = tasks.create(request(bench))
    assert tasks.create(request(bench)) == arn
    with pytest.raises(DmsRefused, match="reload-sales-7-a1 already exists"):
        tasks.create(request(bench, tags={**TAGS, "reload/id": "8"}))


def test_starting_again_leaves_a_task_that_runs_or_has_ended(bench: Bench, tasks: LoadTasks) -> None:
    arn = started(tasks, request(bench))
    tasks.start(arn)
    tasks.wait_loaded(arn, BOTH)
    before = bench.count("staging.orders")
    tasks.start(arn)
    tasks.wait_ready(arn)
    assert bench.task(arn)["Status"] == "stopped"
    assert bench.count("staging.orders") == before


def test_a_task_over_an_untested_connection_does_not_start(bench: Bench, tasks: LoadTasks) -> None:
    instance = bench.client.create_replication_instance(
        ReplicationInstanceIdentifier="untested", ReplicationInstanceClass="dms.t3.medium"
    )["ReplicationInstance"]["ReplicationInstanceArn"]
    arn = tasks.create(request(bench, replication_instance_arn=instance))
    tasks.wait_ready(arn)
    with pytest.raises(DmsRefused, match=r"refused when starting .*Test connection for replication instance untested"):
        tasks.start(arn)


def test_a_wait_attaches_to_a_task_in_any_state(bench: Bench, tasks: LoadTasks) -> None:
    fault = bench.faults.set(Pause(table="ORDERS", after_rows=3))
    arn = started(tasks, request(bench))
    assert fault.reached.wait(5)

    def interrupt(progress: Progress) -> None:
        if progress.status == "running" and progress.tables_loaded == 1:
            raise Interrupted

    with pytest.raises(Interrupted):
        tasks.wait_loaded(arn, BOTH, interrupt)
    assert bench.task(arn)["Status"] == "running"
    bench.faults.clear()
    first = LoadTasks(client(bench.url), FAST).wait_loaded(arn, BOTH)
    assert LoadTasks(client(bench.url), FAST).wait_loaded(arn, BOTH) == first


def test_a_signal_comes_through_a_long_pause_within_a_second(bench: Bench) -> None:
    bench.faults.set(StuckRunning())
    tasks = LoadTasks(client(bench.url), dataclasses.replace(FAST, interval=60, max_interval=60, load_timeout=120))
    quick = LoadTasks(client(bench.url), FAST)
    arn = started(quick, request(bench))

    def handler(*_: object) -> None:
        raise Interrupted

    old = signal.signal(signal.SIGUSR1, handler)
    timer = threading.Timer(0.4, os.kill, (os.getpid(), signal.SIGUSR1))
    try:
        timer.start()
        began = time.monotonic()
        with pytest.raises(Interrupted):
            tasks.wait_loaded(arn, BOTH)
        assert time.monotonic() - began < 1.4
    finally:
        timer.join()
        signal.signal(signal.SIGUSR1, old)
    quick.remove(arn)


def test_a_table_in_error_is_named_with_dms_s_own_text(bench: Bench, tasks: LoadTasks) -> None:
    bench.faults.set(TableError(table="ORDERS", after_rows=12, message="the disk caught fire"))
    arn = started(tasks, request(bench))
    with pytest.raises(LoadIncomplete, match=r"SALES\.ORDERS is 'Table \w+'") as failure:
        tasks.wait_loaded(arn, BOTH)
    assert "the disk caught fire" in str(failure.value)
    # What had been committed before the error stays: stopped or failed, a load may leave part of a table.
    assert bench.count("staging.orders") == 10


def test_a_staging_table_with_a_column_too_many_fails_the_load(bench: Bench, tasks: LoadTasks) -> None:
    bench.rows("ALTER TABLE staging.orders ADD COLUMN _dms_processing_status varchar(20)")
    arn = started(tasks, request(bench))
    with pytest.raises(LoadIncomplete, match="missing data for column"):
        tasks.wait_loaded(arn, BOTH)


def test_a_source_column_that_staging_does_not_have_is_left_out(bench: Bench, tasks: LoadTasks) -> None:
    bench.rows('ALTER TABLE "SALES"."ORDERS" ADD COLUMN "GEO_REF" varchar(20) DEFAULT \'x\'', on_source=True)
    orders = dataclasses.replace(ORDERS, ignored_columns=("GEO_REF",))
    arn = started(tasks, request(bench, orders))
    result = tasks.wait_loaded(arn, {("SALES", "ORDERS")})
    assert result.rows["SALES", "ORDERS"] == bench.count("staging.orders") > 0


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (NoTables(), "No tables were found"),
        (RecoverableError(), "stopped with RECOVERABLE_ERROR, not with FULL_LOAD_ONLY_FINISHED"),
    ],
)
def test_an_end_that_is_no_success_fails_the_wait(
    bench: Bench, tasks: LoadTasks, fault: NoTables | RecoverableError, said: str
) -> None:
    bench.faults.set(fault)
    arn = started(tasks, request(bench))
    with pytest.raises(LoadIncomplete, match=said):
        tasks.wait_loaded(arn, BOTH)


def test_a_table_that_the_source_does_not_have_fails_the_wait(bench: Bench, tasks: LoadTasks) -> None:
    missing = TableLoad("SALES", "INVOICES", "UPDATED_AT", "staging", "invoices")
    arn = started(tasks, request(bench, CUSTOMERS, missing))
    with pytest.raises(LoadIncomplete, match=r"SALES\.INVOICES was not found in the source or not selected"):
        tasks.wait_loaded(arn, {("SALES", "CUSTOMERS"), ("SALES", "INVOICES")})


def test_a_table_that_an_underscore_let_in_fails_the_wait(bench: Bench, tasks: LoadTasks) -> None:
    for name in ("ORDER_ITEMS", "ORDERXITEMS"):
        bench.rows(f'CREATE TABLE "SALES"."{name}" ("ID" integer, "UPDATED_AT" timestamp)', on_source=True)
    bench.rows("CREATE TABLE staging.order_items (id integer, updated_at timestamp)")
    items = TableLoad("SALES", "ORDER_ITEMS", "UPDATED_AT", "staging", "order_items")
    arn = started(tasks, request(bench, items))
    with pytest.raises(LoadIncomplete, match=r"tables that were not asked for: SALES\.ORDERXITEMS"):
        tasks.wait_loaded(arn, {("SALES", "ORDER_ITEMS")})


def test_a_task_that_somebody_stopped_fails_the_wait(bench: Bench, tasks: LoadTasks) -> None:
    fault = bench.faults.set(Pause(table="ORDERS"))
    arn = started(tasks, request(bench))
    assert fault.reached.wait(5)
    bench.client.stop_replication_task(ReplicationTaskArn=arn)
    with pytest.raises(
        LoadIncomplete, match=r"stopped with NORMAL \(somebody stopped it\).*SALES\.ORDERS is 'Table cancel"
    ):
        tasks.wait_loaded(arn, BOTH)


def test_a_task_that_somebody_deleted_fails_the_wait(bench: Bench, tasks: LoadTasks) -> None:
    arn = tasks.create(request(bench))
    tasks.remove(arn)
    with pytest.raises(LoadTaskDeleted):
        tasks.wait_loaded(arn, BOTH)
    with pytest.raises((DmsResourceUnknown, TaskNotReady)):
        tasks.wait_ready(arn)


def test_a_load_that_takes_too_long_fails_the_wait_and_can_still_be_removed(bench: Bench) -> None:
    bench.faults.set(StuckRunning())
    tasks = LoadTasks(client(bench.url), dataclasses.replace(FAST, load_timeout=0.5))
    arn = started(tasks, request(bench))
    with pytest.raises(LoadTimeout, match="is still running"):
        tasks.wait_loaded(arn, BOTH)
    tasks.remove(arn)
    assert not known(bench, arn)


def test_a_task_that_was_never_started_fails_the_wait(bench: Bench) -> None:
    tasks = LoadTasks(client(bench.url), dataclasses.replace(FAST, ready_timeout=0.3))
    arn = tasks.create(request(bench))
    with pytest.raises(LoadNotStarted, match="is still ready"):
        tasks.wait_loaded(arn, BOTH)


def test_a_wait_for_no_table_is_refused(tasks: LoadTasks) -> None:
    with pytest.raises(ValueError, match="no table"):
        tasks.wait_loaded("arn", [])


def test_removing_works_in_every_state_and_twice(bench: Bench, tasks: LoadTasks) -> None:
    fault = bench.faults.set(Pause(table="ORDERS"))
    new = tasks.create(request(bench, number=1))
    running = started(tasks, request(bench, number=2))
    assert fault.reached.wait(5)
    starting = started(tasks, request(bench, number=3))
    for arn in (new, running, starting):
        tasks.remove(arn)
        assert not known(bench, arn)
        tasks.remove(arn)
    tasks.remove("arn:aws:dms:us-east-1:000000000000:task:NEVERWAS")


def slow_bench(dms: DmsStandIn, databases: tuple[str, str]) -> Bench:
    bench = Bench(dms.url, *databases, faults=dms.faults)
    bench.test_connections()
    return bench


def test_a_task_that_is_still_being_deleted_counts_as_removed(databases: tuple[str, str]) -> None:
    with DmsStandIn(create_delay=0.02, delete_delay=60) as dms:
        bench = slow_bench(dms, databases)
        tasks = LoadTasks(client(dms.url), dataclasses.replace(FAST, remove_timeout=0.3))
        arn = tasks.create(request(bench))
        tasks.wait_ready(arn)
        tasks.remove(arn)
        assert bench.task(arn)["Status"] == "deleting"


def test_a_task_that_cannot_be_removed_in_time_is_named(databases: tuple[str, str]) -> None:
    with DmsStandIn(create_delay=60) as dms:
        bench = slow_bench(dms, databases)
        tasks = LoadTasks(client(dms.url), dataclasses.replace(FAST, remove_timeout=0.3, ready_timeout=0.3))
        arn = tasks.create(request(bench))
        with pytest.raises(TaskNotReady, match="reload-sales-7-a1 is still creating"):
            tasks.wait_ready(arn)
        with pytest.raises(TaskNotRemoved, match="reload-sales-7-a1 is still creating"):
            tasks.remove(arn)


def test_tasks_are_found_by_all_their_tags_on_every_page(bench: Bench, tasks: LoadTasks) -> None:
    mine = {tasks.create(request(bench, number=number)) for number in range(2)}
    for number in range(101):
        tasks.create(request(bench, number=1000 + number, tags={**TAGS, "reload/id": str(1000 + number)}))
    mine.add(tasks.create(request(bench, number=5000)))
    assert set(tasks.find(TAGS)) == mine
    assert len(tasks.find({"reload/run": "run-1"})) == 104
    assert tasks.find({"reload/run": "run-2"}) == []
    with pytest.raises(ValueError, match="every task"):
        tasks.find({})


def test_a_wait_asks_for_no_settings_and_grows_more_patient(bench: Bench) -> None:
    bench.faults.set(StuckRunning())
    api = client(bench.url)
    bodies: list[str] = []
    api.meta.events.register(
        "before-call.dms.DescribeReplicationTasks", lambda params, **_: bodies.append(str(params["body"]))
    )
    tasks = LoadTasks(api, dataclasses.replace(FAST, interval=0.05, max_interval=0.4, load_timeout=1.5))
    arn = started(tasks, request(bench))
    bodies.clear()
    with pytest.raises(LoadFailed):
        tasks.wait_loaded(arn, BOTH)
    assert all("WithoutSettings" in body for body in bodies)
    assert 4 <= len(bodies) <= 12
