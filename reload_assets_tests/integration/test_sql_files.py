"""Every file of sql/ runs in psql, as its line ``-- By hand:`` says."""

from __future__ import annotations

import re
from collections.abc import Iterator

import psycopg
import pytest

from reload_assets.ledger.install import install
from reload_assets.local.postgres import PostgresServer
from reload_assets_tests.integration.staged import config
from reload_assets_tests.integration.throwaway import throwaway_database
from reload_assets_tests.roles import psql
from reload_assets_tests.sql_files import NAMES, SQL, by_hand, written

# What the examples speak of: production, reload 1 with staging tables, reload 2 without any, request 1.
SAMPLE = """
CREATE SCHEMA production;
CREATE TABLE production.customers (id integer PRIMARY KEY, name text, email text UNIQUE, updated_at timestamp);
CREATE TABLE production.orders (
    order_id serial PRIMARY KEY, customer_id integer REFERENCES production.customers,
    amount numeric(10, 2) CHECK (amount >= 0), note text, updated_at timestamp
);
CREATE TABLE production.order_items (
    order_id integer REFERENCES production.orders, line_no integer, updated_at timestamp,
    PRIMARY KEY (order_id, line_no)
);
INSERT INTO production.customers VALUES (1, 'one', 'one@example.org', '2025-01-01 12:00');
INSERT INTO production.orders VALUES (1, 1, 10, 'note', '2025-01-01 12:00');
"""
LEDGER = """
CREATE TABLE staging.customers_r1 AS TABLE production.customers;
CREATE TABLE staging.orders_r1 AS TABLE production.orders;
CREATE TABLE staging.order_items_r1 AS TABLE production.order_items;
INSERT INTO admin.reloads (
    group_name, window_start, window_end, load_start, partition_key, tables, status, started_by, run_id
) VALUES
('sales', '2025-01-01Z', '2025-01-02Z', '2025-01-01Z', '2025-01-01', '{customers,orders}', 'loaded', 'me', 'r1'),
('sales', '2025-01-02Z', '2025-01-03Z', '2025-01-02Z', '2025-01-02', '{orders}', 'open', 'me', 'r2');
INSERT INTO admin.reload_tables (
    reload_id, table_name, production_schema, production_table, staging_schema, staging_table, staging_oid
)
SELECT 1, name, 'production', name, 'staging', name || '_r1', ('staging.' || name || '_r1')::regclass::oid
FROM unnest('{customers,orders,order_items}'::text[]) AS name;
INSERT INTO admin.reload_checks (reload_id, table_name, check_name, status, blocking)
VALUES (1, 'orders', 'row_count', 'pending', true);
CREATE TABLE admin.reload_changes_r1 PARTITION OF admin.reload_changes FOR VALUES IN (1);
INSERT INTO admin.reload_requests (group_name, window_start, window_end, reason)
VALUES ('sales', '2025-01-01Z', '2025-01-02Z', 'a fault');
"""
CONTROL_TABLES = """
CREATE TABLE awsdms_status (
    server_name varchar(128), task_name varchar(128), task_status varchar(32), status_time timestamp,
    pending_changes int8, source_current_timestamp timestamp, source_tail_timestamp timestamp,
    source_timestamp_applied timestamp
);
CREATE TABLE awsdms_apply_exceptions (
    "TASK_NAME" varchar(128), "TABLE_OWNER" varchar(128), "TABLE_NAME" varchar(128), "ERROR_TIME" timestamp,
    "STATEMENT" text, "ERROR" text
);
CREATE TABLE awsdms_validation_failures_v1 (
    "TASK_NAME" varchar(128), "TABLE_OWNER" varchar(128), "TABLE_NAME" varchar(128), "FAILURE_TIME" timestamp,
    "KEY_TYPE" varchar(128), "KEY" text, "FAILURE_TYPE" varchar(128), "DETAILS" varchar(8000)
);
CREATE TABLE awsdms_validation_failures_v2 (
    "RESYNC_ID" bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "TASK_NAME" varchar(128), "TABLE_OWNER" varchar(128),
    "TABLE_NAME" varchar(128), "FAILURE_TIME" timestamp, "KEY_TYPE" varchar(128), "KEY" varchar(7800),
    "FAILURE_TYPE" varchar(128), "DETAILS" varchar(7000), "RESYNC_RESULT" varchar(128), "RESYNC_TIME" timestamp,
    "RESYNC_ACTION" varchar(128)
);
"""
# Temporary tables that a file uses and that no other file makes.
TEMPORARY = {
    "compare.sql": "CREATE TEMPORARY TABLE source_window (k1 text, version text, content text);"
    "CREATE TEMPORARY TABLE source_ranges (range_start timestamp, range_end timestamp);",
    "finders/drift.sql": "CREATE TEMPORARY TABLE source_window (k1 text, version text, content text);"
    "CREATE TEMPORARY TABLE source_ranges (range_start timestamp, range_end timestamp);"
    "CREATE TEMPORARY TABLE reading_1 (k1 text, in_source boolean, source_version text, source_content text);",
    "verify/4_after_merge.sql": "CREATE TEMPORARY TABLE confirm_rows_1 AS SELECT order_id AS c1, customer_id AS c2, "
    "amount AS c3, note AS c4, updated_at AS c5 FROM production.orders WHERE false;",
}


@pytest.fixture(scope="module")
def sample(postgres: PostgresServer) -> Iterator[str]:
    """A database in which the examples make sense; no example leaves a trace in it."""
    with throwaway_database(postgres, "samples") as url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(SAMPLE)
            install(connection, config("orders: {window_column: updated_at}").target)
            connection.execute(LEDGER)
            connection.execute(CONTROL_TABLES)
        yield url


def run_by_hand(postgres: PostgresServer, database_url: str, named: list[str]) -> str:
    script = [line for name in named for line in (TEMPORARY.get(name, ""), f"\\i '{SQL / name}'")]
    return psql(postgres, database_url, "\n".join(script))


@pytest.mark.parametrize("name", NAMES)
def test_the_file_runs_in_psql(postgres: PostgresServer, sample: str, name: str) -> None:
    named = by_hand(name)
    assert named is not None, "the head of the file has no line '-- By hand: psql -f sql/example.psql ...'"
    assert (named[0], named[-1]) == ("example.psql", f"{name}.sql")
    run_by_hand(postgres, sample, named)


def test_nothing_is_set_in_vain() -> None:
    everything = "".join(map(written, NAMES))
    variables = re.findall(r"^\\set ([a-z]\w*)", (SQL / "example.psql").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(variables) == len(set(variables))
    assert [name for name in variables if not re.search(rf":(['\"]?){name}\b", everything)] == []


def test_a_mistake_in_a_file_would_be_seen(postgres: PostgresServer, sample: str) -> None:
    with pytest.raises(AssertionError, match=r'relation "production\.nothing" does not exist'):
        psql(postgres, sample, 'BEGIN;\nSELECT * FROM :"schema".nothing;\nROLLBACK;', {"schema": "production"})
    with pytest.raises(AssertionError, match="syntax error"):
        psql(postgres, sample, "SELECT :forgotten;")
