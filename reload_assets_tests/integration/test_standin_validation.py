"""The stand-in validates what a full load has loaded, or what is there, as AWS DMS documents it."""

from __future__ import annotations

import json
import time
from typing import Any

import psycopg
import pytest
from botocore.exceptions import ClientError

from reload_assets.local.dms.faults import Pause, TableError
from reload_assets.local.oracle import OracleColumn, OracleTable, create_table
from reload_assets_tests.integration.standin_bench import LOWERCASE, Bench, mapping, selection

pytestmark = pytest.mark.thorough

FINISHED = "Stop Reason FULL_LOAD_ONLY_FINISHED"
DO_NOTHING = {"FullLoadSettings": {"TargetTablePrepMode": "DO_NOTHING"}}
BOTH = mapping(selection(1, "CUSTOMERS"), selection(2, "ORDERS"), *LOWERCASE)
LINES = """
CREATE TABLE "SALES"."LINES" ("ORDER_ID" integer, "LINE" varchar(10), "QTY" integer, PRIMARY KEY ("ORDER_ID", "LINE"));
INSERT INTO "SALES"."LINES" SELECT n, 'it''s "' || n || '"', n FROM generate_series(1, 9) AS n;
CREATE TABLE "SALES"."NOKEY" ("ID" integer);
"""
TYPES = OracleTable(
    "TYPES",
    [
        OracleColumn("ID", "NUMBER(10)", nullable=False),
        OracleColumn("BARE", "NUMBER"),
        OracleColumn("FIXED", "CHAR(10)"),
        OracleColumn("EMPTY", "VARCHAR2(20)"),
        OracleColumn("AT", "TIMESTAMP(6)"),
        OracleColumn("DOUBLE", "BINARY_DOUBLE"),
        OracleColumn("BYTES", "RAW(16)"),
        OracleColumn("LONG_NOTE", "CLOB"),
    ],
    ["ID"],
)
VALUES = (1, "1.123456789012", "ab", None, "2025-01-01 10:00:00.5", "0.1", b"\x01\xff", "x" * 2000)


def validates(**settings: Any) -> dict[str, Any]:
    """Settings of a task that loads into the tables as they are and validates them."""
    return {
        **DO_NOTHING,
        "ControlTablesSettings": {"ControlSchema": "dmslogs"},
        "ValidationSettings": {"EnableValidation": True, **settings},
    }


ONLY = validates(ValidationOnly=True)


def statistics(bench: Bench, arn: str) -> dict[str, tuple[Any, ...]]:
    """By table: the state, and the pending, failed and suspended records."""
    return {
        name: (
            row["ValidationState"],
            row["ValidationPendingRecords"],
            row["ValidationFailedRecords"],
            row["ValidationSuspendedRecords"],
        )
        for name, row in bench.statistics(arn).items()
    }


def failures(bench: Bench, arn: str, version: int = 2) -> list[tuple[Any, ...]]:
    """What the control table has of a task: table, kind, key and details, in the order of writing."""
    rows = bench.rows(
        'SELECT "TABLE_OWNER", "TABLE_NAME", "FAILURE_TYPE", "KEY", "DETAILS", "KEY_TYPE" '
        f"FROM dmslogs.awsdms_validation_failures_v{version} "
        f"""WHERE "TASK_NAME" = '{arn.rsplit(":", 1)[1].upper()}' ORDER BY ctid"""
    )
    assert all(row[0] == "staging" and row[5] == "Row" for row in rows)
    return [(table, kind, *json.loads(key)["key"], details) for _, table, kind, key, details, _ in rows]


def run(bench: Bench, rules: str, settings: dict[str, Any], **more: Any) -> str:
    """Run a full-load task to its end; its ARN."""
    arn = bench.create(rules, settings, **more)
    bench.start(arn)
    task = bench.wait(arn, "stopped", "failed")
    assert (task["Status"], task["StopReason"]) == ("stopped", FINISHED)
    return arn


@pytest.fixture
def loaded(bench: Bench) -> Bench:
    """A bench whose customers and orders are loaded, and found to be right."""
    bench.rows("DROP SCHEMA IF EXISTS dmslogs CASCADE")
    arn = run(bench, BOTH, validates())
    assert statistics(bench, arn) == {"CUSTOMERS": ("Validated", 0, 0, 0), "ORDERS": ("Validated", 0, 0, 0)}
    assert (bench.count("staging.customers"), failures(bench, arn)) == (60, [])
    return bench


def test_a_task_that_only_validates_names_each_damaged_row_and_loads_nothing(loaded: Bench) -> None:
    loaded.rows(
        "UPDATE staging.customers SET name = NULL, updated_at = updated_at + interval '1 s' WHERE customer_id = 2"
    )
    loaded.rows("DELETE FROM staging.customers WHERE customer_id IN (10, 9)")
    loaded.rows("INSERT INTO staging.customers VALUES (99, 'nobody')")
    arn = run(loaded, BOTH, ONLY)
    assert statistics(loaded, arn) == {"CUSTOMERS": ("Mismatched records", 0, 4, 0), "ORDERS": ("Validated", 0, 0, 0)}
    assert loaded.statistics(arn)["CUSTOMERS"]["FullLoadRows"] == 0
    assert failures(loaded, arn) == [
        (
            "customers",
            "RECORD_DIFF",
            "2",
            "[[{'NAME': 'customer 2'}, {'NAME': NULL}],"
            "[{'UPDATED_AT': '2025-01-02 00:00:00'}, {'UPDATED_AT': '2025-01-02 00:00:01'}],]",
        ),
        ("customers", "MISSING_TARGET", "9", ""),
        ("customers", "MISSING_TARGET", "10", ""),
        ("customers", "MISSING_SOURCE", "99", ""),
    ]
    [(key,)] = loaded.rows("""SELECT "KEY" FROM dmslogs.awsdms_validation_failures_v2 WHERE "KEY" LIKE '%99%'""")
    assert key == '{\n\t"key":\t["99"]\n}'
    assert loaded.count("staging.customers") == 59, "a task that only validates changes nothing"
    assert loaded.task(arn)["MigrationType"] == "full-load"
    sent = json.loads(loaded.task(arn)["ReplicationTaskSettings"])
    assert sent["FullLoadSettings"]["TargetTablePrepMode"] == "DO_NOTHING"
    assert (sent["ValidationSettings"]["FailureMaxCount"], sent["ValidationSettings"]["ThreadCount"]) == (10000, 5)


def test_tables_that_cannot_be_compared_say_why(loaded: Bench) -> None:
    loaded.rows(LINES, on_source=True)
    loaded.rows("CREATE TABLE staging.lines (order_id integer, line varchar(10), qty numeric(10, 2))")
    loaded.rows("INSERT INTO staging.lines SELECT n, 'it''s \"' || n || '\"', n FROM generate_series(1, 8) AS n")
    loaded.rows("ALTER TABLE staging.orders RENAME amount TO money; CREATE TABLE staging.nokey (id integer)")
    rules = mapping(*(selection(n, one) for n, one in enumerate(("LINES", "NOKEY", "ORDERS"), 1)), *LOWERCASE)
    arn = run(loaded, rules, ONLY)
    assert statistics(loaded, arn) == {
        "LINES": ("Mismatched records", 0, 1, 0),
        "NOKEY": ("No primary key", 0, 0, 0),
        "ORDERS": ("Error", 0, 0, 0),
    }
    assert "amount" in loaded.statistics(arn)["ORDERS"]["ValidationStateDetails"]
    assert failures(loaded, arn) == [("lines", "MISSING_TARGET", "9", 'it\'s "9"', "")]
    loaded.faults.set(TableError(table="CUSTOMERS"))
    arn = run(loaded, mapping(selection(1, "CUSTOMERS"), *LOWERCASE), validates())
    assert loaded.statistics(arn)["CUSTOMERS"]["TableState"] == "Table error"
    assert statistics(loaded, arn)["CUSTOMERS"][0] == "Table error"
    loaded.faults.clear()
    arn = run(loaded, mapping(selection(1, "CUSTOMERS"), *LOWERCASE), DO_NOTHING)
    assert statistics(loaded, arn)["CUSTOMERS"] == ("Not enabled", 0, 0, 0)


def test_values_are_compared_as_dms_delivers_them(loaded: Bench) -> None:
    with psycopg.connect(loaded.source_url, autocommit=True) as connection:
        create_table(connection, "SALES", TYPES)
        connection.execute('INSERT INTO "SALES"."TYPES" VALUES (%s, %s, %s, %s, %s, %s, %s, %s)', VALUES)
    rules = mapping(selection(1, "TYPES"), *LOWERCASE)
    loaded.rows("DROP TABLE IF EXISTS staging.types")
    lobs = {"TargetMetadata": {"LobMaxSize": 1}}
    arn = run(loaded, rules, {**validates(), **lobs})
    assert loaded.rows("SELECT bare::text, fixed, empty, length(long_note) FROM staging.types") == [
        ("1.1234567890", "ab", None, 1024)
    ]
    assert statistics(loaded, arn)["TYPES"] == ("Validated", 0, 0, 0)
    for change, column in (
        ("bare = bare + 0.0000000001", "BARE"),
        ("fixed = 'aB'", "FIXED"),
        ("empty = ' '", "EMPTY"),
        ("at = at + interval '1 microsecond'", "AT"),
        ("double = 0.2", "DOUBLE"),
        ("bytes = '\\x01fe'", "BYTES"),
        ("long_note = long_note || 'x'", "LONG_NOTE"),
    ):
        loaded.rows(f"UPDATE staging.types SET {change}")
        arn = run(loaded, rules, {**ONLY, **lobs})
        details = failures(loaded, arn)[-1][-1]
        assert f"'{column}'" in details, details
    assert details.count("[{") == 7
    arn = run(loaded, rules, {**validates(ValidationOnly=True, SkipLobColumns=True), **lobs})
    assert "LONG_NOTE" not in failures(loaded, arn)[0][-1]
    arn = run(loaded, rules, {**validates(ValidationOnly=True, ValidationPartialLobSize=1), **lobs})
    assert "LONG_NOTE" not in failures(loaded, arn)[0][-1]


def test_an_engine_before_3_6_1_writes_the_first_version_of_the_table(loaded: Bench) -> None:
    older = loaded.client.create_replication_instance(
        ReplicationInstanceIdentifier="older", ReplicationInstanceClass="dms.t3.medium", EngineVersion="3.5.4"
    )["ReplicationInstance"]["ReplicationInstanceArn"]
    loaded.instance = older
    loaded.test_connections()
    loaded.rows("DELETE FROM staging.orders WHERE order_id = 7")
    before = loaded.count("dmslogs.awsdms_validation_failures_v2")
    arn = run(loaded, BOTH, ONLY)
    assert failures(loaded, arn, version=1) == [("orders", "MISSING_TARGET", "7", "")]
    assert loaded.count("dmslogs.awsdms_validation_failures_v2") == before


def test_a_validation_that_is_stopped_is_resumed(loaded: Bench) -> None:
    arn = loaded.create(BOTH, ONLY)
    with psycopg.connect(loaded.target_url) as other:
        other.execute("LOCK staging.customers")
        loaded.start(arn)
        deadline = time.monotonic() + 15
        wanted = {"CUSTOMERS": ("Pending records", 60, 0, 0), "ORDERS": ("Validated", 0, 0, 0)}
        while statistics(loaded, arn) != wanted:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        loaded.client.stop_replication_task(ReplicationTaskArn=arn)
        assert loaded.wait(arn, "stopped")["StopReason"] == "Stop Reason NORMAL"
    loaded.start(arn, "resume-processing")
    assert loaded.wait(arn, "stopped")["StopReason"] == FINISHED
    assert statistics(loaded, arn)["CUSTOMERS"] == ("Validated", 0, 0, 0)


def test_validation_is_suspended_beyond_its_limits(loaded: Bench) -> None:
    loaded.rows("TRUNCATE staging.customers, staging.orders")
    loaded.rows("ALTER TABLE staging.orders ALTER amount TYPE numeric(10, 1)")
    orders = mapping(selection(1, "ORDERS"), *LOWERCASE)
    arn = run(loaded, orders, validates(TableFailureMaxCount=3))
    assert statistics(loaded, arn)["ORDERS"] == ("Suspended records", 0, 3, 117), "every amount was rounded"
    assert "suspended" in loaded.statistics(arn)["ORDERS"]["ValidationStateDetails"]
    found = failures(loaded, arn)
    assert [row[2] for row in found[:3]] == ["1", "2", "3"]
    assert [row[1] for row in found] == ["RECORD_DIFF"] * 3 + ["TABLE_WARNING"]

    loaded.rows("TRUNCATE staging.orders")
    arn = run(loaded, BOTH, validates(FailureMaxCount=5, ThreadCount=1) | _one_sub_task())
    assert statistics(loaded, arn)["ORDERS"] == ("Suspended records", 0, 5, 115)

    arn = run(loaded, orders, validates(ValidationOnly=True, TableFailureMaxCount=3))
    assert statistics(loaded, arn)["ORDERS"] == ("Mismatched records", 0, 120, 0), "it is never suspended"
    assert len(failures(loaded, arn)) == 120
    loaded.rows("TRUNCATE staging.orders")
    arn = run(loaded, orders, validates(TableFailureMaxCount=120))
    assert statistics(loaded, arn)["ORDERS"] == ("Mismatched records", 0, 120, 0), "the limit itself is allowed"


def test_beyond_the_limit_of_the_task_no_other_table_is_validated(loaded: Bench) -> None:
    loaded.rows("TRUNCATE staging.customers, staging.orders")
    loaded.rows("ALTER TABLE staging.customers ALTER updated_at TYPE timestamp(0)")
    loaded.rows('UPDATE "SALES"."CUSTOMERS" SET "UPDATED_AT" = "UPDATED_AT" + interval \'0.4 s\'', on_source=True)
    arn = run(loaded, BOTH, validates(FailureMaxCount=5, ThreadCount=1) | _one_sub_task())
    assert statistics(loaded, arn) == {
        "CUSTOMERS": ("Suspended records", 0, 5, 55),
        "ORDERS": ("Suspended records", 0, 0, 120),
    }


def _one_sub_task() -> dict[str, Any]:
    """Tables one after the other."""
    return {"FullLoadSettings": {"TargetTablePrepMode": "DO_NOTHING", "MaxFullLoadSubTasks": 1}}


def refused(bench: Bench, arn: str, *tables: str, option: str = "data-reload") -> str:
    """The error code of a ReloadTables that is refused."""
    with pytest.raises(ClientError) as error:
        reload(bench, arn, *tables, option=option)
    return str(error.value.response["Error"]["Code"])


def reload(bench: Bench, arn: str, *tables: str, option: str) -> None:
    answer = bench.client.reload_tables(
        ReplicationTaskArn=arn,
        TablesToReload=[{"SchemaName": "SALES", "TableName": table} for table in tables],
        ReloadOption=option,
    )
    assert answer["ReplicationTaskArn"] == arn


def settled(bench: Bench, arn: str, table: str) -> tuple[Any, ...]:
    """The validation's statistics of a table once nothing is pending."""
    deadline = time.monotonic() + 15
    while True:
        found = statistics(bench, arn).get(table, ("Pending",))
        if not found[0].startswith(("Pend", "Preparing")):
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.02)


def test_a_table_is_validated_and_loaded_again_while_its_task_runs(loaded: Bench) -> None:
    loaded.rows("TRUNCATE staging.customers, staging.orders")
    pause = Pause(table="ORDERS", after_rows=10)
    loaded.faults.set(pause)
    arn = loaded.create(BOTH, validates())
    assert refused(loaded, arn, "CUSTOMERS") == "InvalidResourceStateFault", "it does not run yet"
    loaded.start(arn)
    assert pause.reached.wait(15)
    assert settled(loaded, arn, "CUSTOMERS") == ("Validated", 0, 0, 0)

    loaded.rows("UPDATE staging.customers SET name = 'x' WHERE customer_id IN (3, 4)")
    reload(loaded, arn, "CUSTOMERS", option="validate-only")
    assert settled(loaded, arn, "CUSTOMERS") == ("Mismatched records", 0, 2, 0)
    assert not loaded.statistics(arn)["CUSTOMERS"]["FullLoadReloaded"]
    loaded.rows("UPDATE staging.customers SET name = 'customer 3' WHERE customer_id = 3")
    reload(loaded, arn, "CUSTOMERS", option="validate-only")
    assert settled(loaded, arn, "CUSTOMERS") == ("Mismatched records", 0, 1, 0)
    assert [row[2] for row in failures(loaded, arn)] == ["3", "4", "4"], "what is repaired stays on record"
    loaded.rows("INSERT INTO staging.customers VALUES (99, 'nobody')")
    reload(loaded, arn, "CUSTOMERS", option="data-reload")
    assert settled(loaded, arn, "CUSTOMERS") == ("Validated", 0, 0, 0)
    reloaded = loaded.statistics(arn)["CUSTOMERS"]
    assert (reloaded["FullLoadReloaded"], reloaded["TableState"]) == (True, "Table completed")
    assert (reloaded["FullLoadRows"], loaded.count("staging.customers")) == (60, 60)

    assert refused(loaded, arn, "ORDERS") == "InvalidResourceStateFault", "it is being loaded"
    assert refused(loaded, arn, "CUSTOMERS", "NOTHING") == "ResourceNotFoundFault"
    assert refused(loaded, arn, "CUSTOMERS", "CUSTOMERS") == "InvalidParameterValueException"
    assert refused(loaded, arn, *(f"T{n}" for n in range(11))) == "InvalidParameterValueException"
    assert refused(loaded, f"{arn}X", "CUSTOMERS") == "ResourceNotFoundFault"
    loaded.faults.clear()
    assert loaded.wait(arn, "stopped")["StopReason"] == FINISHED
    assert statistics(loaded, arn)["ORDERS"] == ("Validated", 0, 0, 0)
    assert refused(loaded, arn, "CUSTOMERS", option="validate-only") == "InvalidResourceStateFault", "it has ended"


def test_a_task_without_validation_validates_nothing(loaded: Bench) -> None:
    loaded.rows("TRUNCATE staging.customers, staging.orders")
    pause = Pause(table="ORDERS", after_rows=10)
    loaded.faults.set(pause)
    arn = loaded.create(BOTH, DO_NOTHING)
    loaded.start(arn)
    assert pause.reached.wait(15)
    assert refused(loaded, arn, "CUSTOMERS", option="validate-only") == "InvalidResourceStateFault"
    loaded.faults.clear()
    loaded.wait(arn, "stopped")
    assert statistics(loaded, arn)["CUSTOMERS"] == ("Not enabled", 0, 0, 0)
