"""The DMS stand-in loads what the real service would load, row for row."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from botocore.exceptions import ClientError

from reload_assets_tests.integration.standin_bench import (
    LOWERCASE,
    Bench,
    between,
    mapping,
    selection,
    source_filter,
    transformation,
)

pytestmark = pytest.mark.thorough

FINISHED = "Stop Reason FULL_LOAD_ONLY_FINISHED"
JANUARY = (
    {"filter-operator": "gte", "value": "2025-01-01 00:00:00"},
    {"filter-operator": "lte", "value": "2025-01-31 23:59:59"},
)


def seed_rules(*more: dict[str, Any]) -> str:
    """A widespread mapping: two conditions in ONE filter, for both tables."""
    january = source_filter("UPDATED_AT", *JANUARY)
    return mapping(selection(1, "CUSTOMERS", january), selection(2, "ORDERS", january), *more)


def test_hazard_02_the_seed_mapping_selects_every_row(bench: Bench) -> None:
    task = bench.run(seed_rules(*LOWERCASE))
    assert (task["Status"], task["StopReason"]) == ("stopped", FINISHED)
    assert bench.count("staging.customers") == 60, "conditions inside one filter are OR-ed"
    assert bench.count("staging.orders") == 120
    outside = bench.rows("SELECT count(*) FROM staging.customers WHERE updated_at >= '2025-02-01'")
    assert outside == [(29,)]


def test_separate_filters_are_anded(bench: Bench) -> None:
    late = source_filter("CUSTOMER_ID", {"filter-operator": "gte", "value": "20"})
    named = source_filter(
        "NAME", {"filter-operator": "eq", "value": "customer 7"}, {"filter-operator": "gte", "value": "c"}
    )
    rules = mapping(selection(1, "CUSTOMERS", late, named, between("2025-01-25", "2025-02-28")), *LOWERCASE)
    bench.run(rules)
    assert bench.rows("SELECT min(customer_id), max(customer_id), count(*) FROM staging.customers") == [(25, 59, 35)]


def test_the_seed_rule_convert_column_type_is_refused(bench: Bench) -> None:
    rule = transformation(3, "column", "convert-column-type", column="%_AT", data_type={"type": "datetime"})
    with pytest.raises(ClientError) as refused:
        bench.create(seed_rules(rule))
    assert refused.value.response["Error"] == {
        "Code": "InvalidParameterValueException",
        "Message": "Invalid table mappings document.",
    }


def test_the_seed_settings_are_refused_for_their_unknown_group(bench: Bench) -> None:
    with pytest.raises(ClientError, match="Invalid task settings JSON"):
        bench.create(seed_rules(), {"OracleSettings": {"NumberDataTypeScale": 38}})


def test_between_loads_exactly_the_window_both_ends_inclusive(bench: Bench) -> None:
    bench.run(mapping(selection(1, "CUSTOMERS", between("2025-01-10 00:00:00", "2025-01-12 00:00:00")), *LOWERCASE))
    assert bench.rows("SELECT customer_id FROM staging.customers ORDER BY 1") == [(10,), (11,), (12,)]


def test_without_a_case_rule_rows_go_to_the_uppercase_table(bench: Bench) -> None:
    bench.rows('CREATE TABLE staging."CUSTOMERS" (id integer, name text, at timestamp)')
    task = bench.run(mapping(selection(1, "CUSTOMERS")), {"TargetMetadata": {"TargetSchema": "staging"}})
    assert (task["Status"], task["StopReason"]) == ("stopped", FINISHED)
    assert bench.count("staging.customers") == 0, "what a merge reads stays empty though the load succeeded"
    assert bench.count('staging."CUSTOMERS"') == 60


def test_a_missing_table_is_created_as_dms_does(bench: Bench) -> None:
    for column, oracle in (
        ("CUSTOMER_ID", "NUMBER(10,0)"),
        ("NAME", "VARCHAR2(100)"),
        ("UPDATED_AT", "TIMESTAMP(6)"),
    ):
        bench.rows(f"""COMMENT ON COLUMN "SALES"."CUSTOMERS"."{column}" IS '{oracle}'""", on_source=True)
    bench.run(mapping(selection(1, "CUSTOMERS")))
    columns = bench.rows(
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "
        """WHERE attrelid = '"SALES"."CUSTOMERS"'::regclass AND attnum > 0 ORDER BY attnum"""
    )
    assert columns == [
        ("CUSTOMER_ID", "numeric(10,0)"),
        ("NAME", "character varying(100)"),
        ("UPDATED_AT", "timestamp(6) without time zone"),
    ]
    key = """SELECT pg_get_constraintdef(oid) FROM pg_constraint
             WHERE conrelid = '"SALES"."CUSTOMERS"'::regclass AND contype = 'p'"""
    assert bench.rows(key) == [('PRIMARY KEY ("CUSTOMER_ID")',)]
    assert bench.count('"SALES"."CUSTOMERS"') == 60


def test_an_extra_staging_column_breaks_the_load(bench: Bench) -> None:
    bench.rows("ALTER TABLE staging.customers ADD COLUMN status varchar(20) DEFAULT 'NEW'")
    rules = mapping(selection(1, "CUSTOMERS"), selection(2, "ORDERS"), *LOWERCASE)
    task = bench.run(rules)
    assert (task["Status"], task["StopReason"]) == ("stopped", FINISHED), "and still the task looks finished"
    assert task["ReplicationTaskStats"]["TablesErrored"] == 1
    statistics = bench.statistics(task["ReplicationTaskArn"])
    assert statistics["CUSTOMERS"]["TableState"] == "Table error"
    assert statistics["CUSTOMERS"]["FullLoadRows"] == bench.count("staging.customers") == 0
    assert statistics["ORDERS"]["TableState"] == "Table completed"
    assert statistics["ORDERS"]["FullLoadRows"] == bench.count("staging.orders") == 120


def test_columns_are_matched_by_position_not_by_name(bench: Bench) -> None:
    bench.rows("DROP TABLE staging.customers; CREATE TABLE staging.customers (name integer, customer_id text, at text)")
    bench.run(mapping(selection(1, "CUSTOMERS"), *LOWERCASE))
    assert bench.rows("SELECT name, customer_id FROM staging.customers WHERE name = 5") == [(5, "customer 5")]


def test_strict_policy_fails_the_task_and_leaves_a_partial_table(bench: Bench) -> None:
    bench.rows("ALTER TABLE staging.customers ADD CHECK (customer_id <> 35)")
    task = bench.run(
        mapping(selection(1, "CUSTOMERS"), *LOWERCASE),
        {"FullLoadSettings": {"CommitRate": 10}, "ErrorBehavior": {"TableErrorPolicy": "STOP_TASK"}},
    )
    assert task["Status"] == "failed"
    assert task["StopReason"] == task["LastFailureMessage"]
    assert task["StopReason"].startswith("Last Error  ")
    assert task["StopReason"].endswith("Stop Reason FATAL_ERROR Error Level FATAL")
    assert bench.count("staging.customers") == 30, "three commits of ten rows before the bad one"
    assert bench.statistics(task["ReplicationTaskArn"])["CUSTOMERS"]["FullLoadRows"] == 30


def test_data_error_policy_stops_the_task_only_for_bad_data(bench: Bench) -> None:
    strict = {"ErrorBehavior": {"DataErrorPolicy": "STOP_TASK"}}
    rules = mapping(selection(1, "CUSTOMERS"), *LOWERCASE)
    bench.rows("ALTER TABLE staging.customers ALTER COLUMN name TYPE varchar(5)")
    assert bench.run(rules, strict)["Status"] == "failed"
    bench.rows("DROP TABLE staging.customers; CREATE VIEW staging.customers AS SELECT 1 AS a, 2 AS b, 3 AS c")
    assert bench.run(rules, strict)["Status"] == "stopped"


def test_no_matching_table_fails_unless_that_is_allowed(bench: Bench) -> None:
    rules = mapping(selection(1, "NOTHING"))
    task = bench.run(rules)
    assert task["Status"] == "failed"
    assert "Last Error  No tables were found at task initialization." in task["LastFailureMessage"]
    task = bench.run(rules, {"ErrorBehavior": {"FailOnNoTablesCaptured": False}})
    assert (task["Status"], task["StopReason"]) == ("stopped", FINISHED)


@pytest.mark.parametrize(
    ("mode", "expected"), [("DO_NOTHING", 121), ("TRUNCATE_BEFORE_LOAD", 120), ("DROP_AND_CREATE", 120)]
)
def test_prep_modes(bench: Bench, mode: str, expected: int) -> None:
    bench.rows("ALTER TABLE staging.orders ADD COLUMN left_over integer; TRUNCATE staging.orders")
    if mode != "DROP_AND_CREATE":
        bench.rows("ALTER TABLE staging.orders DROP COLUMN left_over")
        bench.rows("INSERT INTO staging.orders VALUES (-1, 1, 1, now())")
    bench.run(
        mapping(selection(1, "ORDERS"), *LOWERCASE),
        {"FullLoadSettings": {"TargetTablePrepMode": mode}},
    )
    assert bench.count("staging.orders") == expected


def test_reload_target_empties_tables_even_under_do_nothing(bench: Bench) -> None:
    arn = bench.run(mapping(selection(1, "ORDERS"), *LOWERCASE))["ReplicationTaskArn"]
    bench.start(arn, "reload-target")
    bench.wait(arn, "stopped")
    assert bench.count("staging.orders") == 120


def test_resume_processing_loads_only_what_is_not_completed(bench: Bench) -> None:
    bench.rows("ALTER TABLE staging.customers RENAME COLUMN name TO n; ALTER TABLE staging.customers ADD x integer")
    arn = bench.run(mapping(selection(1, "ORDERS"), selection(2, "CUSTOMERS"), *LOWERCASE))["ReplicationTaskArn"]
    bench.rows("ALTER TABLE staging.customers DROP COLUMN x")
    bench.start(arn, "resume-processing")
    bench.wait(arn, "stopped")
    assert (bench.count("staging.orders"), bench.count("staging.customers")) == (120, 60)


def test_foreign_keys_and_triggers_do_not_disturb_the_load(bench: Bench) -> None:
    bench.rows(
        "ALTER TABLE staging.customers ADD PRIMARY KEY (customer_id);"
        "ALTER TABLE staging.orders ADD FOREIGN KEY (customer_id) REFERENCES staging.customers"
    )
    task = bench.run(mapping(selection(1, "ORDERS"), *LOWERCASE))
    assert task["ReplicationTaskStats"]["TablesErrored"] == 0
    assert bench.count("staging.orders") == 120


DOCUMENTS = """
CREATE TABLE "SALES"."DOCUMENTS" (
    "ID" bigint PRIMARY KEY, "RATIO" numeric, "CODE" char(10), "TITLE" varchar(50), "HASH" bytea,
    "BODY" text, "SCAN" bytea, "STAMP" timestamptz, "ROW_REF" text
);
COMMENT ON COLUMN "SALES"."DOCUMENTS"."ID" IS 'NUMBER(38,0)';
COMMENT ON COLUMN "SALES"."DOCUMENTS"."RATIO" IS 'NUMBER';
COMMENT ON COLUMN "SALES"."DOCUMENTS"."CODE" IS 'CHAR(10)';
COMMENT ON COLUMN "SALES"."DOCUMENTS"."TITLE" IS 'NVARCHAR2(50)';
COMMENT ON COLUMN "SALES"."DOCUMENTS"."HASH" IS 'RAW(16)';
COMMENT ON COLUMN "SALES"."DOCUMENTS"."BODY" IS 'CLOB';
COMMENT ON COLUMN "SALES"."DOCUMENTS"."SCAN" IS 'BLOB';
COMMENT ON COLUMN "SALES"."DOCUMENTS"."STAMP" IS 'TIMESTAMP(6) WITH TIME ZONE';
COMMENT ON COLUMN "SALES"."DOCUMENTS"."ROW_REF" IS 'ROWID';
INSERT INTO "SALES"."DOCUMENTS" VALUES
(1, 1.123456789012345, 'ab', '', '\\x0102', '', '\\x', '2025-01-01 12:00+00', 'AAA'),
(2, 7, '', E'tab\\tline\\n\\\\N', NULL, repeat('x', 1024), decode(repeat('ff', 1024), 'hex'), NULL, NULL),
(3, NULL, NULL, NULL, NULL, repeat('x', 1023) || 'é!', decode(repeat('ff', 1025), 'hex'), NULL, NULL);
"""


def documents(bench: Bench, metadata: dict[str, Any]) -> dict[str, Any]:
    bench.rows(DOCUMENTS, on_source=True)
    return bench.run(mapping(selection(1, "DOCUMENTS"), *LOWERCASE), {"TargetMetadata": metadata})


def test_values_arrive_as_oracle_and_dms_deliver_them(bench: Bench) -> None:
    documents(bench, {"LobMaxSize": 1})
    query = "SELECT ratio, code, title, hash, body, scan, stamp, row_ref FROM staging.documents WHERE id = "
    [first] = bench.rows(query + "1")
    stamp = "2025-01-01 12:00:00+00"
    assert first == (Decimal("1.1234567890"), "ab", None, b"\x01\x02", None, None, stamp, None)
    [second] = bench.rows(query + "2")
    assert second[:3] == (Decimal(7), None, "tab\tline\n\\N")


def test_hazard_26_lobs_over_the_limit_are_cut_with_only_a_warning(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("WARNING"):
        task = documents(bench, {"LobMaxSize": 1})
    assert (task["Status"], task["ReplicationTaskStats"]["TablesErrored"]) == ("stopped", 0)
    lengths = bench.rows("SELECT id, octet_length(body), octet_length(scan) FROM staging.documents ORDER BY id")
    assert lengths == [(1, None, None), (2, 1024, 1024), (3, 1023, 1024)], "no character is torn apart"
    assert "1 LOB values of SALES.DOCUMENTS.BODY are cut to 1024 bytes" in caplog.text


def test_full_lob_mode_cuts_nothing(bench: Bench) -> None:
    documents(bench, {"FullLobMode": True, "LobMaxSize": 1})
    assert bench.rows("SELECT octet_length(body), octet_length(scan) FROM staging.documents WHERE id = 3") == [
        (1026, 1025)
    ]


def test_without_lob_support_columns_vanish_and_the_load_misaligns(bench: Bench) -> None:
    bench.rows(
        "CREATE TABLE staging.documents (a text, b text, c text, d text, e text, f text, g text, h text, i text)"
    )
    task = documents(bench, {"SupportLobs": False})
    assert bench.statistics(task["ReplicationTaskArn"])["DOCUMENTS"]["TableState"] == "Table error"


def test_renames_prefixes_and_column_rules_shape_the_target(bench: Bench) -> None:
    bench.run(
        mapping(
            selection(1, "ORDERS"),
            transformation(2, "schema", "rename", value="staging"),
            transformation(3, "table", "rename", table="ORDERS", value="orders_r1"),
            transformation(4, "column", "rename", column="AMOUNT", value="total"),
            transformation(5, "column", "convert-lowercase"),
            transformation(6, "column", "remove-column", column="CUSTOMER_ID"),
            transformation(7, "column", "add-column", value="origin", expression="'dms'", data_type={"type": "string"}),
        )
    )
    assert bench.rows("SELECT order_id, total, origin FROM staging.orders_r1 WHERE order_id = 2") == [
        (2, Decimal("2.25"), "dms")
    ]


def test_views_load_only_when_the_table_type_says_so(bench: Bench) -> None:
    bench.rows('CREATE VIEW "SALES"."FIRST_ONES" AS SELECT * FROM "SALES"."CUSTOMERS" LIMIT 3', on_source=True)
    rule = selection(1, "FIRST_ONES")
    assert bench.run(mapping(rule))["Status"] == "failed"
    rule["object-locator"]["table-type"] = "view"
    assert bench.run(mapping(rule))["Status"] == "stopped"
    assert bench.count('"SALES"."FIRST_ONES"') == 3


def test_statistics_and_progress_of_a_finished_task(bench: Bench) -> None:
    task = bench.run(mapping(selection(1, "%"), *LOWERCASE))
    stats = task["ReplicationTaskStats"]
    assert (stats["FullLoadProgressPercent"], stats["TablesLoaded"], stats["TablesQueued"]) == (100, 2, 0)
    assert stats["StartDate"] <= stats["FullLoadStartDate"] <= stats["FullLoadFinishDate"] == stats["StopDate"]
    assert stats["StartDate"].tzinfo is not None
    assert abs(stats["StopDate"] - dt.datetime.now(dt.timezone.utc)) < dt.timedelta(seconds=30)
    rows = bench.client.describe_table_statistics(
        ReplicationTaskArn=task["ReplicationTaskArn"], Filters=[{"Name": "table-name", "Values": ["ORDERS"]}]
    )["TableStatistics"]
    assert [(row["TableName"], row["FullLoadRows"], row["TableState"]) for row in rows] == [
        ("ORDERS", 120, "Table completed")
    ]


def test_an_unreachable_target_fails_the_task_without_showing_the_password(bench: Bench) -> None:
    bench.rows("CREATE ROLE short_lived LOGIN SUPERUSER PASSWORD 'top-secret-1'")
    try:
        target = bench.endpoint(
            "target",
            "postgres",
            bench.target_url,
            EndpointIdentifier="later-gone",
            Username="short_lived",
            Password="top-secret-1",
        )
        bench.test_connections(target)
        arn = bench.create(mapping(selection(1, "ORDERS"), *LOWERCASE), TargetEndpointArn=target)
    finally:
        bench.rows("DROP ROLE short_lived")
    bench.start(arn)
    task = bench.wait(arn, "stopped", "failed")
    assert task["Status"] == "failed"
    assert "short_lived" in task["LastFailureMessage"]
    assert "top-secret-1" not in str(task)


def test_a_target_role_that_may_not_switch_triggers_off_still_loads(bench: Bench) -> None:
    bench.rows("CREATE ROLE plain_loader LOGIN PASSWORD 'plain-1'")
    try:
        bench.rows("GRANT USAGE ON SCHEMA staging TO plain_loader; GRANT INSERT ON staging.orders TO plain_loader")
        target = bench.endpoint(
            "target",
            "postgres",
            bench.target_url,
            EndpointIdentifier="plain",
            Username="plain_loader",
            Password="plain-1",
        )
        bench.test_connections(target)
        arn = bench.create(mapping(selection(1, "ORDERS"), *LOWERCASE), TargetEndpointArn=target)
        bench.start(arn)
        assert bench.wait(arn, "stopped", "failed")["StopReason"] == FINISHED
        assert bench.count("staging.orders") == 120
    finally:
        bench.rows("DROP OWNED BY plain_loader; DROP ROLE plain_loader")


def test_lob_settings_of_a_table_overrule_the_task_and_a_late_key_is_made(bench: Bench) -> None:
    bench.rows(DOCUMENTS, on_source=True)
    rule = {
        "rule-type": "table-settings",
        "rule-id": "2",
        "object-locator": {"schema-name": "SALES", "table-name": "DOCUMENTS"},
        "lob-settings": {"mode": "unlimited"},
    }
    settings = {"TargetMetadata": {"LobMaxSize": 1}, "FullLoadSettings": {"CreatePkAfterFullLoad": True}}
    bench.run(mapping(selection(1, "DOCUMENTS"), rule, *LOWERCASE), settings)
    assert bench.rows("SELECT octet_length(body) FROM staging.documents WHERE id = 3") == [(1026,)]
    key = "SELECT count(*) FROM pg_constraint WHERE conrelid = 'staging.documents'::regclass AND contype = 'p'"
    assert bench.rows(key) == [(1,)]
