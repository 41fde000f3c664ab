"""Every file of sql/ runs in psql, with the variables that its ``-- psql:`` line shows."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

import psycopg
import pytest

from reload_assets.ledger.install import install
from reload_assets.local.postgres import PostgresServer
from reload_assets_tests.integration.staged import config
from reload_assets_tests.integration.throwaway import throwaway_database
from reload_assets_tests.roles import SQL, psql

FILES = sorted(path.relative_to(SQL).as_posix() for path in SQL.rglob("*.sql"))

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
CREATE TABLE staging.source_keys_1 (k1 text, window_text text, content text);
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
"""
KEYS = (
    "SELECT {} AS c1, true AS ours, false AS brought_back, true AS anywhere, false AS meanwhile, true AS is_open, "
    "false AS settled, 0 AS moves, 0 AS blocks, NULL::text AS seen, NULL::jsonb AS noted, "
    "NULL::jsonb AS noted_before, NULL::text[] AS unequal, NULL::jsonb AS held, NULL::text AS wrote, "
    "NULL::text AS wrote_row, 'update'::text AS verdict, 0 AS batch, NULL::text AS reason;"
)
# Temporary tables that some statements make and others use.
TEMPORARY = {
    "delta": "CREATE TEMPORARY TABLE reload_delta_1 AS "
    "SELECT id AS c1, name AS c2, tableoid AS seen_table, ctid AS seen, xmin AS seen_xmin, false AS moves, "
    "'inserted'::text AS outcome FROM staging.customers_r1;",
    "moved": "CREATE TEMPORARY TABLE reload_moved_1 AS SELECT ctid AS place FROM reload_delta_1;",
    "confirm_keys": f"CREATE TEMPORARY TABLE confirm_keys_1 AS {KEYS.format(9)}"
    "ALTER TABLE confirm_keys_1 ADD PRIMARY KEY (c1), ALTER COLUMN is_open SET DEFAULT true;",
    "confirm_items": f"CREATE TEMPORARY TABLE confirm_items AS {KEYS.format(9)}",
    "control": "CREATE TEMPORARY TABLE confirm_control_1 AS "
    "SELECT id AS c1, ''::text AS shape, false AS is_found FROM staging.customers_r1;",
    "confirm_rows": "CREATE TEMPORARY TABLE confirm_rows_1 (c1 integer, c2 text, unfit text);",
    "confirm_texts": "CREATE TEMPORARY TABLE confirm_texts_1 (v1 text, v2 text);",
    "staged_differing": "CREATE TEMPORARY TABLE staged_differing AS SELECT order_id::text AS k1, order_id AS c1, "
    "'1'::text AS key_text, 'older'::text AS outcome, false AS corrected, true AS written_since "
    "FROM staging.orders_r1;",
    "source_window": "CREATE TEMPORARY TABLE source_window (k1 text, version text, content text);",
    "source_ranges": "CREATE TEMPORARY TABLE source_ranges (range_start timestamp, range_end timestamp);",
    "production_window": "CREATE TEMPORARY TABLE production_window (k1 text, content text);",
    "differences": "CREATE TEMPORARY TABLE differences (k1 text);",
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
            connection.execute("DROP ROLE IF EXISTS dms")
            connection.execute("CREATE ROLE dms")
        yield url
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute("DROP ROLE dms")


def example(text: str) -> dict[str, str]:
    """The variables of the ``-- psql:`` line."""
    (line,) = re.findall(r"^-- psql:(.*)$", text, re.MULTILINE)
    words = shlex.split(line)
    assert words[::2] == ["-v"] * (len(words) // 2), line
    return dict(word.split("=", 1) for word in words[1::2])


@pytest.mark.parametrize("file", FILES)
def test_the_file_runs_in_psql(postgres: PostgresServer, sample: str, file: str) -> None:
    text = (SQL / file).read_text(encoding="utf-8")
    assert text.startswith("-- "), "the first line says what the file is for"
    variables = example(text)
    unused = [name for name in variables if not re.search(rf":(['\"]?){name}\b", text)]
    assert unused == [], "the example sets what the file does not use"
    made = re.findall(r'CREATE TEMPORARY TABLE :?"?(\w+)', text)
    before = [statement for name, statement in TEMPORARY.items() if name not in made]
    if "delta" in made:
        before.remove(TEMPORARY["moved"])
    psql(postgres, sample, "\n".join(["BEGIN;", *before, f"\\i '{SQL / file}'", "ROLLBACK;"]), variables)


def test_a_mistake_in_a_file_would_be_seen(postgres: PostgresServer, sample: str) -> None:
    with pytest.raises(AssertionError, match=r'relation "production\.nothing" does not exist'):
        psql(postgres, sample, 'BEGIN;\nSELECT * FROM :"schema".nothing;\nROLLBACK;', {"schema": "production"})
    with pytest.raises(AssertionError, match="syntax error"):
        psql(postgres, sample, "SELECT :forgotten;")
