"""The stand-in's CDC task applies what the source commits, as AWS DMS would."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from botocore.exceptions import ClientError

from reload_assets.local.dms import DmsStandIn
from reload_assets.local.oracle import create_schema
from reload_assets_tests.integration.standin_bench import Bench, between, mapping, selection
from reload_assets_tests.integration.standin_cdc_bench import RULES, CdcBench, opened, prepare, quick

pytestmark = pytest.mark.thorough

MakeCdc = Callable[..., CdcBench]


@pytest.fixture
def dms(databases: tuple[str, str]) -> Iterator[DmsStandIn]:
    prepare(databases)
    with quick() as started:
        yield started


@pytest.fixture
def cdc_bench(dms: DmsStandIn, databases: tuple[str, str]) -> Iterator[Bench]:
    with opened(dms, databases) as made:
        yield made


@pytest.fixture
def make_cdc(cdc_bench: Bench) -> Iterator[MakeCdc]:
    """Makes a task over ITEMS and more tables, not started."""
    made: list[CdcBench] = []

    def make(*tables: str, **options: Any) -> CdcBench:
        made.append(CdcBench(cdc_bench, *tables, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


def slots(cdc: CdcBench) -> int:
    return int(cdc.ask_source("SELECT count(*) FROM pg_replication_slots WHERE database = current_database()")[0][0])


# Life


def test_a_task_lives_until_it_is_stopped_and_takes_its_slot_with_it(make_cdc: MakeCdc) -> None:
    cdc = make_cdc()
    assert slots(cdc) == 0
    with pytest.raises(ClientError, match="RESUME_PROCESSING, not valid for tasks running for the first time"):
        cdc.start("resume-processing")
    cdc.start()
    assert slots(cdc) == 1
    stopped = cdc.stop()
    assert (stopped["Status"], stopped["StopReason"]) == ("stopped", "Stop Reason NORMAL")
    for how, why in (("start-replication", "running for the first time"), ("reload-target", "migration type cdc")):
        with pytest.raises(ClientError, match=why):
            cdc.start(how)
    cdc.start("resume-processing").stop()
    assert slots(cdc) == 1, "a stopped task keeps its place in the log"
    cdc.bench.client.delete_replication_task(ReplicationTaskArn=cdc.arn)
    waiter = cdc.bench.client.get_waiter("replication_task_deleted")
    by_arn = [{"Name": "replication-task-arn", "Values": [cdc.arn]}]
    waiter.wait(Filters=by_arn, WaiterConfig={"Delay": 0.02, "MaxAttempts": 100})
    assert slots(cdc) == 0


def test_a_stand_in_that_ends_leaves_no_slot(databases: tuple[str, str]) -> None:
    prepare(databases)
    with quick() as dms, opened(dms, databases) as bench:
        cdc = CdcBench(bench).start()
        assert slots(cdc) == 1
    assert slots(cdc) == 0
    cdc.close()


def test_every_commit_since_running_is_captured_and_none_before(make_cdc: MakeCdc) -> None:
    cdc = make_cdc()
    cdc.write("""INSERT INTO "SALES"."ITEMS" VALUES (1)""")
    cdc.start()
    cdc.apply("""INSERT INTO "SALES"."ITEMS" VALUES (2)""")
    assert [row[0] for row in cdc.items()] == [2]
    cdc.stop()
    cdc.write("""INSERT INTO "SALES"."ITEMS" VALUES (3)""")
    time.sleep(0.1)
    assert [row[0] for row in cdc.items()] == [2], "nothing moves while the task is stopped"
    cdc.start("resume-processing").settle()
    assert [row[0] for row in cdc.items()] == [2, 3]


def test_without_supplemental_logging_the_task_fails_and_says_so(make_cdc: MakeCdc) -> None:
    cdc = make_cdc()
    cdc.write("DROP PUBLICATION dms_supplemental_log")
    cdc.bench.start(cdc.arn)
    failed = cdc.bench.wait(cdc.arn, "failed", "running")
    assert failed["Status"] == "failed"
    assert "Supplemental logging is not enabled on the source database" in failed["LastFailureMessage"]
    assert failed["StopReason"].endswith("Stop Reason FATAL_ERROR Error Level FATAL")
    with psycopg.connect(cdc.bench.source_url) as source:
        create_schema(source, "SALES")
    cdc.start("resume-processing")


def test_a_source_login_that_may_not_read_the_log_fails_the_task(make_cdc: MakeCdc) -> None:
    cdc = make_cdc()
    cdc.write("DROP ROLE IF EXISTS no_log", "CREATE ROLE no_log LOGIN PASSWORD 'no-log'")
    source = cdc.bench.endpoint(
        "source", "oracle", cdc.bench.source_url, EndpointIdentifier="no-log", Username="no_log", Password="no-log"
    )
    cdc.bench.test_connections(source)
    rules = mapping(selection(1, "ITEMS"), *RULES)
    arn = cdc.bench.create(rules, MigrationType="cdc", SourceEndpointArn=source)
    cdc.bench.start(arn)
    failed = cdc.bench.wait(arn, "failed", "running")
    assert "replication slots" in failed["LastFailureMessage"]


@pytest.mark.parametrize(
    ("rules", "why"),
    [
        ((selection(1, "NOTHING"),), "No tables were found at task initialization"),
        ((selection(1, "ITEMS", between("1", "2")),), "'SALES'.'ITEMS' has a filter"),
    ],
)
def test_mappings_that_cannot_be_replicated_fail_the_task(
    cdc_bench: Bench, rules: tuple[dict[str, Any], ...], why: str
) -> None:
    arn = cdc_bench.create(mapping(*rules, *RULES), MigrationType="cdc")
    cdc_bench.start(arn)
    assert why in cdc_bench.wait(arn, "failed", "running")["LastFailureMessage"]


def test_statistics_count_what_was_applied(make_cdc: MakeCdc) -> None:
    cdc = make_cdc("LOG").start()
    assert cdc.bench.statistics(cdc.arn)["ITEMS"]["TableState"] == "Table completed"
    cdc.apply("""INSERT INTO "SALES"."ITEMS" SELECT g FROM generate_series(1, 5) AS g""")
    cdc.apply("""UPDATE "SALES"."ITEMS" SET "AMOUNT" = 1 WHERE "ITEM_ID" < 3""")
    cdc.apply("""DELETE FROM "SALES"."ITEMS" WHERE "ITEM_ID" = 1""")
    cdc.ask("INSERT INTO production.items VALUES (6)")
    cdc.apply("""INSERT INTO "SALES"."ITEMS" VALUES (6), (7)""")
    items = cdc.bench.statistics(cdc.arn)["ITEMS"]
    assert (items["Inserts"], items["Updates"], items["Deletes"]) == (6, 2, 1), "the refused insert does not count"
    cdc.stop()
    cdc.start("resume-processing")
    assert cdc.bench.statistics(cdc.arn)["ITEMS"]["Inserts"] == 6


# Order and transactions


def test_interleaved_transactions_arrive_in_the_order_of_their_commits(make_cdc: MakeCdc) -> None:
    cdc = make_cdc().start()
    urls = [cdc.bench.source_url] * 3
    first, second, third = [psycopg.connect(url) for url in urls]
    insert = """INSERT INTO "SALES"."ITEMS" VALUES (%s)"""
    for number in range(3):
        for place, writer in enumerate((first, second, third)):
            writer.execute(insert, (10 * place + number,))
    for writer in (third, first, second):
        writer.commit()
        writer.close()
    cdc.settle()
    logged = cdc.ask("SELECT id, xid FROM production.log ORDER BY n")
    assert [row[0] for row in logged] == [20, 21, 22, 0, 1, 2, 10, 11, 12]
    xids = [row[1] for row in logged]
    assert [len(set(xids[start : start + 3])) for start in (0, 3, 6)] == [1, 1, 1], "a transaction stays one"
    assert len(set(xids)) == 3, "and transactions stay apart"


def test_what_was_rolled_back_does_not_arrive(make_cdc: MakeCdc) -> None:
    cdc = make_cdc().start()
    with pytest.raises(psycopg.errors.UniqueViolation):
        cdc.write("""INSERT INTO "SALES"."ITEMS" VALUES (1)""", """INSERT INTO "SALES"."ITEMS" VALUES (1)""")
    with cdc.source.transaction():
        cdc.source.execute("""INSERT INTO "SALES"."ITEMS" VALUES (2)""")
        with cdc.source.transaction(force_rollback=True):
            cdc.source.execute("""INSERT INTO "SALES"."ITEMS" VALUES (3)""")
    cdc.settle()
    assert [row[0] for row in cdc.items()] == [2]


def test_a_large_transaction_and_many_at_once(make_cdc: MakeCdc) -> None:
    cdc = make_cdc().start()
    cdc.write("""INSERT INTO "SALES"."ITEMS" SELECT g, g FROM generate_series(1, 5000) AS g""")
    for number in range(100):
        cdc.write(f"""UPDATE "SALES"."ITEMS" SET "AMOUNT" = -1 WHERE "ITEM_ID" = {number + 1}""")
    cdc.settle()
    cdc.assert_equal()


def test_a_truncation_is_applied_in_its_place(make_cdc: MakeCdc) -> None:
    cdc = make_cdc().start()
    cdc.apply(
        """INSERT INTO "SALES"."ITEMS" VALUES (1), (2)""",
        """TRUNCATE "SALES"."ITEMS" """,
        """INSERT INTO "SALES"."ITEMS" VALUES (2)""",
    )
    assert [row[0] for row in cdc.items()] == [2]


def test_a_missing_target_table_is_made_and_a_wrong_one_is_suspended(make_cdc: MakeCdc) -> None:
    cdc = make_cdc("NEW", "WRONG")
    for name in ("NEW", "WRONG"):
        cdc.write(f"""CREATE TABLE "SALES"."{name}" ("ID" integer PRIMARY KEY, "N" integer)""")
    cdc.ask("CREATE TABLE production.wrong (id integer PRIMARY KEY)")
    cdc.start()
    cdc.apply(
        """INSERT INTO "SALES"."NEW" VALUES (1, 1)""",
        """INSERT INTO "SALES"."WRONG" VALUES (1, 1)""",
        """INSERT INTO "SALES"."WRONG" VALUES (2, 1)""",
        """INSERT INTO "SALES"."ITEMS" VALUES (1)""",
    )
    assert cdc.ask("SELECT * FROM production.new") == [(1, 1)]
    assert [row[0] for row in cdc.items()] == [1]
    [(statement, error)] = cdc.exceptions()
    assert statement == """INSERT INTO "production"."wrong" ("id","n") VALUES ('1','1')"""
    assert "SqlState: 42703" in error
    assert cdc.bench.statistics(cdc.arn)["WRONG"]["TableState"] == "Table error"
    cdc.stop()
    cdc.ask("ALTER TABLE production.wrong ADD n integer")
    cdc.start("resume-processing")
    cdc.apply("""INSERT INTO "SALES"."WRONG" VALUES (3, 1)""")
    assert cdc.ask("SELECT * FROM production.wrong") == [], "a suspended table stays suspended"


# Control tables


def test_the_control_tables_look_as_dms_makes_them(make_cdc: MakeCdc) -> None:
    cdc = make_cdc().start()
    columns = cdc.ask(
        """SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull
        FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
        WHERE c.relnamespace = 'dmslogs'::regnamespace AND c.relkind = 'r' AND a.attnum > 0 ORDER BY 1, a.attnum"""
    )
    text, instant, number = "character varying(128)", "timestamp without time zone", "bigint"
    assert [row[1:] for row in columns if row[0] == "awsdms_apply_exceptions"] == [
        ("TASK_NAME", text, True),
        ("TABLE_OWNER", text, True),
        ("TABLE_NAME", text, True),
        ("ERROR_TIME", instant, True),
        ("STATEMENT", "text", True),
        ("ERROR", "text", True),
    ]
    assert [row[1:3] for row in columns if row[0] == "awsdms_status"] == [
        ("server_name", text),
        ("task_name", text),
        ("task_status", "character varying(32)"),
        ("status_time", instant),
        ("pending_changes", number),
        ("disk_swap_size", number),
        ("task_memory", number),
        ("source_current_position", text),
        ("source_current_timestamp", instant),
        ("source_tail_position", text),
        ("source_tail_timestamp", instant),
        ("source_timestamp_applied", instant),
    ]
    assert {row[0] for row in columns} == {"awsdms_apply_exceptions", "awsdms_status", "awsdms_txn_state"}
    cdc.settle()
    assert cdc.status()["task_name"] == cdc.arn.rsplit(":", 1)[1].upper()
    assert cdc.status()["task_status"] == "CHANGE PROCESSING"
    before = cdc.status()
    cdc.stop()
    after = cdc.status()
    assert after["task_status"] == "NOT RUNNING"
    assert after["source_current_timestamp"] >= before["source_current_timestamp"], "what was reached stays"


def test_without_settings_the_control_tables_are_in_public_and_there_is_no_status(cdc_bench: Bench) -> None:
    cdc_bench.rows("DROP TABLE IF EXISTS public.awsdms_apply_exceptions, public.awsdms_txn_state")
    arn = cdc_bench.create(mapping(selection(1, "ITEMS"), *RULES), MigrationType="cdc")
    cdc_bench.start(arn)
    cdc_bench.wait(arn, "running")
    query = "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public' AND tablename LIKE 'awsdms%' ORDER BY 1"
    assert cdc_bench.rows(query) == [("awsdms_apply_exceptions",), ("awsdms_txn_state",)]
    cdc_bench.rows("DROP TABLE public.awsdms_apply_exceptions, public.awsdms_txn_state")
    # What it needs is gone from under it.
    cdc_bench.rows("""INSERT INTO "SALES"."ITEMS" VALUES (1)""", on_source=True)
    assert "awsdms_txn_state" in cdc_bench.wait(arn, "failed")["LastFailureMessage"]


def test_a_task_of_a_used_name_does_not_go_on_where_another_ended(make_cdc: MakeCdc) -> None:
    cdc = make_cdc()
    rules = json.loads(cdc.bench.task(cdc.arn)["TableMappings"])
    for _ in range(2):
        settings = {"ControlTablesSettings": {"ControlSchema": "dmslogs", "StatusTableEnabled": True}}
        arn = cdc.bench.create(json.dumps(rules), settings, MigrationType="cdc", ResourceIdentifier="again")
        cdc.bench.start(arn)
        cdc.bench.wait(arn, "running")
        cdc.apply("""INSERT INTO "SALES"."ITEMS" SELECT coalesce(max("ITEM_ID"), 0) + 1 FROM "SALES"."ITEMS" """)
        cdc.bench.client.stop_replication_task(ReplicationTaskArn=arn)
        cdc.bench.wait(arn, "stopped")
        cdc.bench.client.delete_replication_task(ReplicationTaskArn=arn)
        time.sleep(0.1)
        with pytest.raises(ClientError):
            cdc.bench.task(arn)
    assert cdc.exceptions() == []
    assert [row[0] for row in cdc.items()] == [1, 2]
