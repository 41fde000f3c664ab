"""What DMS's validation lists becomes findings: each failure once, and one that cannot be read stops no other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

import psycopg
import pytest
from psycopg import Connection

from reload_assets.config.finders import HealingLimits
from reload_assets.config.model import ReloadConfig, parse_config
from reload_assets.errors import code_of
from reload_assets.errors.cdc import ControlTableDenied
from reload_assets.errors.config import ConfigValue
from reload_assets.finders.finding import Finding
from reload_assets.finders.requesting import ask
from reload_assets.finders.validation import FoundFailures
from reload_assets.ledger.install import install
from reload_assets.local.oracle import OracleColumn, OracleTable, create_schema, create_table
from reload_assets.local.postgres import PostgresServer
from reload_assets.postgres.connection import TargetDatabase
from reload_assets.reload.validation import find_validation_failures
from reload_assets_tests.integration.reload_bench import open_reader
from reload_assets_tests.integration.staged import HEAD, config, target_of
from reload_assets_tests.integration.throwaway import throwaway_database

V1 = """
CREATE TABLE IF NOT EXISTS dmslogs.awsdms_validation_failures_v1 (
    "TASK_NAME" varchar(128) NOT NULL, "TABLE_OWNER" varchar(128) NOT NULL, "TABLE_NAME" varchar(128) NOT NULL,
    "FAILURE_TIME" timestamp NOT NULL, "KEY_TYPE" varchar(128) NOT NULL, "KEY" text NOT NULL,
    "FAILURE_TYPE" varchar(128) NOT NULL, "DETAILS" varchar(8000) NOT NULL
)
"""
V2 = """
CREATE TABLE IF NOT EXISTS dmslogs.awsdms_validation_failures_v2 (
    "RESYNC_ID" bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "TASK_NAME" varchar(128) NOT NULL,
    "TABLE_OWNER" varchar(128) NOT NULL, "TABLE_NAME" varchar(128) NOT NULL, "FAILURE_TIME" timestamp NOT NULL,
    "KEY_TYPE" varchar(128) NOT NULL, "KEY" varchar(7800) NOT NULL, "FAILURE_TYPE" varchar(128) NOT NULL,
    "DETAILS" varchar(7000) NOT NULL, "RESYNC_RESULT" varchar(128), "RESYNC_TIME" timestamp,
    "RESYNC_ACTION" varchar(128)
)
"""
PRODUCTION = """
CREATE SCHEMA dmslogs;
CREATE SCHEMA production;
CREATE TABLE production.orders (order_id bigint PRIMARY KEY, updated_at timestamp);
CREATE TABLE production.lines (
    line_no integer, order_id integer, code text UNIQUE, updated_at timestamp, PRIMARY KEY (order_id, line_no)
);
CREATE TABLE production.notes (written timestamp(6), author varchar(40), updated_at timestamp,
    PRIMARY KEY (written, author));
CREATE TABLE production.scans (digest bytea PRIMARY KEY, updated_at timestamp);
CREATE TABLE production.tokens (token uuid PRIMARY KEY, updated_at timestamp);
CREATE TABLE production.parts (id integer PRIMARY KEY, code text UNIQUE, updated_at timestamp);
"""
TABLES = """
      orders: {window_column: updated_at}
      lines: {window_column: updated_at, key: [line_no, order_id]}
      notes: {window_column: updated_at}
      scans: {window_column: updated_at}
      tokens: {window_column: updated_at}
      parts: {window_column: updated_at, key: [code]}
"""
CONFIG = HEAD.replace("windows:", "cdc: {task_arn: x, control_schema: dmslogs}\nwindows:") + TABLES
CHANGED = OracleColumn("UPDATED_AT", "TIMESTAMP(6)")
SOURCE = (
    OracleTable(
        "LINES",
        [
            OracleColumn("ORDER_ID", "NUMBER(9)", nullable=False),
            OracleColumn("LINE_NO", "NUMBER(9)", nullable=False),
            OracleColumn("CODE", "VARCHAR2(40)"),
            CHANGED,
        ],
        ["LINE_NO", "ORDER_ID"],
    ),
    OracleTable("SCANS", [OracleColumn("DIGEST", "RAW(16)", nullable=False), CHANGED], ["DIGEST"]),
    OracleTable("TOKENS", [OracleColumn("TOKEN", "RAW(16)", nullable=False), CHANGED], ["TOKEN"]),
)
AT = datetime(2025, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
Row = tuple[str, str, str, str, str, str]


class Listed:
    """DMS's tables of failures in one target, and what is found in them."""

    def __init__(self, target: TargetDatabase, connection: Connection[Any], source_url: str) -> None:
        self.target, self._connection, self._source_url = target, connection, source_url
        self.config: ReloadConfig = parse_config(CONFIG)

    def add(
        self,
        *keys: object,
        table: str = "orders",
        owner: str = "production",
        kind: str = "RECORD_DIFF",
        version: int = 2,
        task: str = "TASK",
        key_type: str = "Row",
    ) -> None:
        """List failures, each by the text of its KEY, or by the values in it."""
        self._connection.execute((V1 if version == 1 else V2).encode())
        columns = (
            '"TASK_NAME", "TABLE_OWNER", "TABLE_NAME", "FAILURE_TIME", "KEY_TYPE", "KEY", "FAILURE_TYPE", "DETAILS"'
        )
        statement = (
            f"INSERT INTO dmslogs.awsdms_validation_failures_v{version} ({columns}) VALUES "
            "(%s, %s, %s, %s, %s, %s, %s, %s)"
        )
        details = "[[{'NAME': 'a secret'}, {'NAME': NULL}],]"
        texts = [key if isinstance(key, str) else '{\n\t"key":\t' + json.dumps(key) + "\n}" for key in keys]
        with self._connection.cursor() as cursor:
            cursor.executemany(
                statement.encode(),
                [(task, owner, table, AT.replace(tzinfo=None), key_type, text, kind, details) for text in texts],
            )

    def find(self, *, task: str | None = None, with_source: bool = False, most: int | None = None) -> FoundFailures:
        def reader() -> Any:
            return open_reader(self._source_url) if with_source else None

        return find_validation_failures(self.config, self.target, reader, task, most)

    def take_up(self, found: FoundFailures) -> None:
        ask(self.target, HealingLimits(keys_per_tick=10**6), found.findings, lambda group, tables: None)

    def execute(self, statement: str) -> list[tuple[Any, ...]]:
        cursor = self._connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


@pytest.fixture(scope="module")
def installed(postgres: PostgresServer) -> Iterator[Listed]:
    with throwaway_database(postgres, "validated") as url, throwaway_database(postgres, "oracle") as source_url:
        target = target_of(postgres, url, PRODUCTION)
        with psycopg.connect(source_url, autocommit=True) as source:
            create_schema(source, "SALES")
            for table in SOURCE:
                create_table(source, "SALES", table)
        with target.connect(autocommit=True) as connection:
            install(connection, config("orders: {window_column: updated_at}").target)
            yield Listed(target, connection, source_url)


@pytest.fixture
def listed(installed: Listed) -> Listed:
    """Nothing is listed, and nothing was found before."""
    installed.execute(
        "DROP TABLE IF EXISTS dmslogs.awsdms_validation_failures_v1, dmslogs.awsdms_validation_failures_v2"
    )
    installed.execute("TRUNCATE admin.reload_requests, admin.findings CASCADE")
    return installed


def keys(findings: list[Finding]) -> list[tuple[str, list[tuple[str, ...]]]]:
    return [(one.table, list(one.keys)) for one in findings]


def test_each_failure_becomes_one_finding_whichever_table_it_is_in(listed: Listed) -> None:
    assert listed.find() == FoundFailures(), "DMS has not made its tables yet"
    listed.add(["1"], ["1"], version=1)
    listed.add(["2"], version=1, owner="SALES", table="ORDERS", kind="MISSING_TARGET")
    listed.add(["1"], ["3"], owner="Production", table="Orders", kind="MISSING_SOURCE")
    listed.add(["4"], ["5"], table="elsewhere")
    found = listed.find()
    # Two rows of the first table that are alike are one; that of the second table is a failure of its own.
    assert sorted(keys(found.findings)) == [("orders", [(n,)]) for n in ("1", "1", "2", "3")]
    assert (found.problems, found.others) == ([], 2)
    assert len({one.evidence_id for one in found.findings}) == 4
    first = next(one for one in found.findings if one.evidence["kind"] == "MISSING_TARGET")
    assert (first.finder, first.group, first.seen_at, first.is_complete, first.window) == (
        "validation",
        "sales",
        AT,
        True,
        None,
    )
    assert first.evidence == {
        "listed in": "dmslogs.awsdms_validation_failures_v1",
        "task": "TASK",
        "kind": "MISSING_TARGET",
    }
    listed.take_up(found)
    assert listed.execute("SELECT count(*) FROM admin.reload_requests") == [(1,)]
    listed.add(["6"], task="other")
    assert keys(listed.find(task="task").findings) == []
    assert keys(listed.find(task="OTHER").findings) == keys(listed.find().findings) == [("orders", [("6",)])]


def test_what_a_resync_of_dms_has_corrected_is_no_finding(listed: Listed) -> None:
    listed.add(["1"], ["2"], ["3"])
    listed.execute(
        """UPDATE dmslogs.awsdms_validation_failures_v2 SET "RESYNC_TIME" = now(), "RESYNC_ACTION" = 'UPSERT',
        "RESYNC_RESULT" = CASE WHEN "RESYNC_ID" = 1 THEN 'SUCCESS' ELSE 'FAILURE' END WHERE "RESYNC_ID" < 3"""
    )
    found = listed.find()
    assert keys(found.findings) == [("orders", [("2",)]), ("orders", [("3",)])]
    listed.take_up(found)
    # The numbers begin again if somebody has DMS create the table again.
    listed.execute("DROP TABLE dmslogs.awsdms_validation_failures_v2")
    listed.add(["1"], ["2"], ["9"])
    listed.execute("""UPDATE dmslogs.awsdms_validation_failures_v2 SET "FAILURE_TIME" = '2025-02-01'""")
    assert len(listed.find().findings) == 3


def test_keys_are_read_as_dms_prints_them(listed: Listed) -> None:
    listed.add('{ "key": [8193] }', '{\n  "key" :\n  [\n "8194"\n ]\n}', "{\"key\":\t['8195']}")
    listed.add(["2025-01-02 03:04:05.5", 'd\'Arc "é" \n 雪'], ["2025-01-02 03:04:05", "\\"], table="notes")
    found = listed.find()
    assert keys(found.findings) == [
        ("orders", [("8193",)]),
        ("orders", [("8194",)]),
        ("notes", [("2025-01-02 03:04:05.5", 'd\'Arc "é" \n 雪')]),
        ("notes", [("2025-01-02 03:04:05", "\\")]),
    ]
    assert [code_of(said) for said in found.problems] == ["validation-failure-unreadable"]


def test_keys_that_are_a_raw_in_oracle_are_read_with_and_without_their_prefix(listed: Listed) -> None:
    listed.add(["\\xAB01"], ["ab01"], ["ring"], table="scans")
    listed.add(["\\x00112233445566778899aabbccddeeff"], ["0011"], table="tokens")
    found = listed.find(with_source=True)
    assert keys(found.findings) == [
        ("scans", [("AB01",)]),
        ("scans", [("ab01",)]),
        ("tokens", [("00112233445566778899aabbccddeeff",)]),
    ]
    assert [code_of(said) for said in found.problems] == ["validation-failure-unreadable"] * 2


def test_a_failure_that_cannot_be_read_is_said_and_stops_no_other(listed: Listed) -> None:
    listed.add("", "{", '{"key": ["1"', '{"key": "1"}', '["1"]', '{"key": [true]}', '{"key": [["1"]]}', "[" * 5000)
    listed.add([None], [], ["1", "2"], ["x"], ["1.5"], ["99999999999999999999"], ["a\x00"], ["\ud800"])
    listed.add(["7"], key_type="Range")
    listed.add(["7"])
    found = listed.find()
    assert keys(found.findings) == [("orders", [("7",)])]
    assert len(found.problems) == 17
    assert {code_of(said) for said in found.problems} == {"validation-failure-unreadable"}
    for said in (
        "it has 2 values for 1 columns",
        "its values do not fit the key (order_id bigint)",
        "its KEY_TYPE is 'Range', not 'Row'",
        "it is not JSON with a list of values",
    ):
        assert any(f"because {said}; find its row there" in one for one in found.problems)
    assert max(map(len, found.problems)) < 400
    assert not any("secret" in one for one in (*found.problems, *map(str, found.findings)))


def test_a_key_of_several_columns_is_read_in_each_order_that_dms_may_use(listed: Listed) -> None:
    listed.add(["1", "7"], table="lines")
    # Production's primary key is (order_id, line_no), and its columns are in the other order; ours is (line_no, ...).
    assert keys(listed.find().findings) == [("lines", [("7", "1"), ("1", "7")])]
    assert keys(listed.find(with_source=True).findings) == keys(listed.find().findings)
    listed.add(["2025-01-02", "me"], table="notes")
    assert keys(listed.find().findings)[1] == ("notes", [("2025-01-02", "me")])


def test_a_key_that_is_not_the_one_that_dms_compares_by_is_not_guessed(listed: Listed) -> None:
    listed.add(["1"], table="parts")
    listed.add(["1"])
    found = listed.find()
    assert keys(found.findings) == [("orders", [("1",)])]
    [said] = found.problems
    assert "the table is reloaded by (code), which is not the primary key that DMS gives" in said


def test_the_failures_of_a_table_that_cannot_be_reloaded_wait(listed: Listed) -> None:
    listed.add(["1"], ["2"])
    listed.add(["1", "2"], table="lines")
    # The source has no table ORDERS.
    found = listed.find(with_source=True)
    assert [table for table, _ in keys(found.findings)] == ["lines"]
    [said] = found.problems
    assert said.startswith("2 failures in dmslogs.awsdms_validation_failures_v2 wait for this: ")
    assert code_of(said) == "source-name-unknown"
    assert len(listed.find().findings) == 3


def test_a_list_that_has_reached_a_limit_of_dms_is_not_complete(listed: Listed) -> None:
    listed.add(*([str(number)] for number in range(999)))
    listed.add(["1"], table="parts")
    assert all(one.is_complete for one in listed.find().findings)
    listed.take_up(listed.find())
    listed.add(["1000"])
    # Those that were found earlier count too.
    assert [(list(one.keys), one.is_complete) for one in listed.find().findings] == [([("1000",)], False)]
    assert len(listed.find().findings) == 1
    listed.take_up(listed.find())
    assert listed.execute("SELECT whole_windows, keys FROM admin.reload_requests ORDER BY request_id DESC LIMIT 1") == [
        (True, {"orders": ["1000"]})
    ]


@pytest.mark.thorough
def test_a_long_list_is_taken_up_in_parts_and_what_cannot_be_read_does_not_block_it(listed: Listed) -> None:
    listed.execute(V1)
    listed.execute(
        """INSERT INTO dmslogs.awsdms_validation_failures_v1
        SELECT 'TASK', 'production', 'orders', '2025-01-01'::timestamp + n * interval '1 s', 'Row',
            '{"key": ["' || CASE WHEN n <= 10000 THEN 'x' ELSE '' END || n || '"]}', 'RECORD_DIFF', ''
        FROM generate_series(1, 30000) AS n"""
    )
    first = listed.find(most=10_000)
    assert (len(first.findings), len(first.problems)) == (10_000, 10_000)
    assert {code_of(said) for said in first.problems} == {"validation-failure-unreadable"}
    listed.take_up(first)
    second = listed.find(most=10_000)
    assert sorted(int(one.keys[0][0]) for one in (*first.findings, *second.findings)) == list(range(10_001, 30_001))


def test_a_warning_is_said_and_asks_for_nothing(listed: Listed) -> None:
    listed.add([], kind="TABLE_WARNING")
    listed.add([], kind="TABLE_WARNING", table="elsewhere")
    found = listed.find()
    assert (found.findings, found.others) == ([], 1)
    [said] = found.problems
    assert "a TABLE_WARNING of 2025-01-02T03:04:05Z about production.orders by the task TASK" in said
    assert code_of(said) == "validation-warned"


def test_a_name_that_may_mean_two_tables_is_not_guessed(listed: Listed) -> None:
    both = (
        CONFIG + "  more:\n    tables:\n      others: {window_column: updated_at, source: ORDERS, target: elsewhere}\n"
    )
    listed.config = parse_config(both)
    try:
        listed.add(["1"], owner="SALES", table="ORDERS")
        listed.add(["2"])
        found = listed.find()
    finally:
        listed.config = parse_config(CONFIG)
    assert keys(found.findings) == [("orders", [("2",)])]
    assert "its table may be any of production.orders and production.elsewhere" in found.problems[0]


def test_a_login_that_may_not_read_them_and_a_missing_section_are_said(
    listed: Listed, postgres: PostgresServer
) -> None:
    listed.add(["1"])
    listed.execute(
        "CREATE ROLE validated_stranger LOGIN PASSWORD 'stranger'; GRANT USAGE ON SCHEMA admin TO validated_stranger"
    )
    try:
        database = listed.target.database
        stranger = TargetDatabase("127.0.0.1", postgres.port, database, "validated_stranger", "stranger")
        with pytest.raises(ControlTableDenied, match=r"may not read dmslogs\.awsdms_validation_failures_v2"):
            find_validation_failures(listed.config, stranger, lambda: None)
        # What the other table lists is asked for nevertheless.
        listed.add(["2"], version=1)
        listed.execute("GRANT SELECT ON dmslogs.awsdms_validation_failures_v1, admin.findings TO validated_stranger")
        listed.execute("GRANT ALL ON production.orders TO validated_stranger")
        listed.execute("GRANT USAGE ON SCHEMA dmslogs, production TO validated_stranger")
        found = find_validation_failures(listed.config, stranger, lambda: None)
        assert keys(found.findings) == [("orders", [("2",)])]
        assert "may not read dmslogs.awsdms_validation_failures_v2" in found.problems[0]
        listed.take_up(found)
        with pytest.raises(ControlTableDenied, match="_v2"):
            find_validation_failures(listed.config, stranger, lambda: None)
    finally:
        listed.execute("DROP OWNED BY validated_stranger; DROP ROLE validated_stranger")
    with pytest.raises(ConfigValue, match="cdc: is missing"):
        find_validation_failures(config("orders: {window_column: updated_at}"), listed.target, lambda: None)
