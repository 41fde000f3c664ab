"""The views that older scripts read: the columns that they expect come first, and hold true values."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from psycopg import Connection

from reload_assets.ledger.install import VIEWS, install
from reload_assets.ledger.records import CheckResult
from reload_assets.local.postgres import PostgresServer
from reload_assets.merge import Patience, merge_reload
from reload_assets.postgres.statements import file_names
from reload_assets.windows import Window
from reload_assets_tests.integration.staged import DAY, NOON, StagedReload, copied, target_of
from reload_assets_tests.integration.throwaway import throwaway_database

DDL = """
CREATE SCHEMA production;
CREATE TABLE production.customers (customer_id integer PRIMARY KEY, name varchar(20), updated_at timestamp);
CREATE TABLE production.orders (
    order_id integer PRIMARY KEY, customer_id integer NOT NULL REFERENCES production.customers, amount numeric(10, 2),
    updated_at timestamp
);
INSERT INTO production.customers VALUES
(1, 'same', '2025-01-02 12:00'), (2, 'older', '2025-01-02 11:00'), (3, 'broken', '2025-01-02 12:00'),
(4, 'newer', '2025-01-02 13:00');
"""
TABLES = "customers: {window_column: updated_at}\norders: {window_column: updated_at}"
NEXT = Window(DAY.end, DAY.end + timedelta(days=1))
# The columns that older scripts expect, in their order.
EXPECTED = {
    "key_status": ["group_name", "request_id", "found_by", "table_name", "reload_id", "keys", "state", "status"],
    "metrics": ["name", "labels", "value"],
    "merge_logs": ["id", "table_name", "merge_time", "records_updated", "records_inserted"],
    "merge_summary": ["id", "merge_start", "merge_end", "status", "notes"],
    "oracle_pg_migration_status": [
        "table_name",
        "total_records",
        "pending_records",
        "processed_records",
        "error_records",
    ],
    "oracle_pg_type_verification": [
        "table_name",
        "column_name",
        "target_data_type",
        "staging_data_type",
        "status",
        "reload_id",
        "staging_table",
    ],
    "window_status": ["group_name", "window_start", "window_end", "table_name", "reload_id", "state", "status"],
}


@pytest.fixture(scope="module")
def loaded(postgres: PostgresServer) -> Iterator[StagedReload]:
    with throwaway_database(postgres, "views") as url:
        made = StagedReload(target_of(postgres, url, DDL), TABLES)
        names = {1: "same", 2: "right", 3: "right", 4: "staged", 5: "new"}
        made.stage("customers", [(number, name, NOON) for number, name in names.items()])
        made.finish(source=5)
        yield made


@pytest.fixture
def untouched(loaded: StagedReload) -> Iterator[Connection[Any]]:
    """A connection to the loaded reload's database; all is rolled back after the test."""
    with loaded.target.connect(autocommit=True) as connection, connection.transaction(force_rollback=True):
        yield connection


@pytest.fixture
def reload(postgres: PostgresServer, loaded: StagedReload) -> Iterator[StagedReload]:
    """A loaded reload of five customers, of which each will have another outcome, and of no orders."""
    with copied(postgres, loaded.target) as target:
        yield loaded.moved_to(target)


def columns(made: StagedReload, view: str) -> list[str]:
    found = made.execute(
        "SELECT attname::text FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 ORDER BY attnum",
        f"admin.{view}",
    )
    return [name for (name,) in found]


def record(made: StagedReload, **failed: str) -> str | None:
    status = None
    for name in made.tables:
        results = [
            CheckResult(name, check, failed.get(check, "passed"), True, f"{check} of {name}")
            for check in ("row_count", "types", "window_bounds", "keys", "lob_limit")
        ]
        status = made.ledger.record_checks(made.reload.reload_id, name, results)
    return status


def merge(made: StagedReload) -> None:
    merge_reload(
        made.target,
        made.ledger,
        made.ledger.get(made.reload.reload_id),
        list(made.tables.values()),
        made.config.source.zone,
        Patience(lock_timeout_ms=400, stall_limit_ms=400, attempts=3),
    )
    made.ledger.set_confirm_ended(made.reload.reload_id, "confirmed", 1, 0.0, "not the subject of the test")


def one(made: StagedReload, statement: str) -> tuple[Any, ...]:
    (row,) = made.execute(statement)
    return row


def test_the_guides_columns_come_first_and_every_view_is_described(reload: StagedReload) -> None:
    for view, first in EXPECTED.items():
        assert columns(reload, view)[: len(first)] == first
    described = reload.execute(
        "SELECT relname::text FROM pg_class WHERE relnamespace = 'admin'::regnamespace AND relkind = 'v' "
        "AND obj_description(oid, 'pg_class') <> '' ORDER BY 1"
    )
    assert [name for (name,) in described] == sorted(EXPECTED)


def test_every_view_of_the_folder_is_installed() -> None:
    assert sorted(VIEWS) == [name.removeprefix("views/") for name in file_names("views")]


def test_metrics_are_numbers_with_names_and_labels(reload: StagedReload) -> None:
    record(reload)
    merge(reload)
    reload.execute(
        "INSERT INTO admin.reload_requests (group_name, window_start, window_end, reason) "
        "VALUES ('sales', '2025-01-02', '2025-01-03', '')"
    )
    found = {
        (name, labels.get("table", ""), labels.get("outcome") or labels.get("status") or labels.get("state")): value
        for name, labels, value in reload.execute("SELECT name, labels, value FROM admin.metrics")
    }
    assert found["reload_assets_windows", "customers", "green"] == 1
    rows = {
        outcome: value
        for (name, table, outcome), value in found.items()
        if (name, table) == ("reload_assets_rows_total", "customers")
    }
    assert {outcome for outcome, value in rows.items() if value} == {
        "inserted",
        "updated",
        "repaired",
        "identical",
        "refused",
    }
    assert found["reload_assets_reloads_total", "", "merged"] == 1
    assert found["reload_assets_requests", "", "pending"] == 1


def test_views_are_made_anew_by_each_installation(reload: StagedReload) -> None:
    reload.execute("CREATE OR REPLACE VIEW admin.merge_logs AS SELECT *, 1 AS added FROM (TABLE admin.merge_logs) AS v")
    with reload.target.connect(autocommit=True) as connection:
        install(connection, reload.config.target)
    assert "added" not in columns(reload, "merge_logs")


def test_before_the_merge_rows_are_pending_and_nothing_is_logged(reload: StagedReload) -> None:
    assert reload.execute("SELECT * FROM admin.merge_logs") == []
    assert reload.execute("SELECT * FROM admin.merge_summary") == []
    assert reload.execute("TABLE admin.oracle_pg_migration_status ORDER BY 1") == [
        ("customers", 5, 5, 0, 0, 1),
        ("orders", 0, 0, 0, 0, 1),
    ]
    assert one(reload, "SELECT state, status FROM admin.window_status WHERE table_name = 'orders'") == (
        "running",
        "loaded",
    )


def test_a_merge_is_logged_with_true_counts_and_two_instants(reload: StagedReload) -> None:
    assert record(reload) == "verified"
    merge(reload)
    logs = reload.execute(
        "SELECT table_name, records_updated, records_inserted, reload_id, updated, repaired, identical, refused, "
        "unversioned, skipped, merge_time > merge_started_at FROM admin.merge_logs ORDER BY id"
    )
    assert logs == [("customers", 2, 1, 1, 1, 1, 1, 1, 0, 0, True), ("orders", 0, 0, 1, 0, 0, 0, 0, 0, 0, True)]
    assert one(
        reload, "SELECT id, merge_end > merge_start, status, records_updated, records_inserted FROM admin.merge_summary"
    ) == (1, True, "SUCCESS", 2, 1)
    assert (
        "1 inserted, 1 updated, 1 repaired, 1 identical, 1 refused"
        in one(reload, "SELECT notes FROM admin.merge_summary")[0]
    )
    assert reload.execute("TABLE admin.oracle_pg_migration_status ORDER BY 1") == [
        ("customers", 5, 0, 5, 0, 1),
        ("orders", 0, 0, 0, 0, 1),
    ]
    assert one(
        reload,
        "SELECT state, staged, inserted, updated, repaired, identical, refused, checks_passed, checks_failed, "
        "failed_checks, merged_reload_id FROM admin.window_status WHERE table_name = 'customers'",
    ) == ("green", 5, 1, 1, 1, 1, 1, 5, 0, "", 1)


def test_dropped_staging_counts_as_zero_and_never_as_null(reload: StagedReload) -> None:
    reload.execute("UPDATE admin.reload_tables SET staging_dropped_at = now()")
    assert reload.execute("TABLE admin.oracle_pg_migration_status ORDER BY 1") == [
        ("customers", 0, 0, 0, 0, 0),
        ("orders", 0, 0, 0, 0, 0),
    ]


@pytest.mark.parametrize("ended", ["rejected", "failed", "cancelled"])
def test_a_reload_that_ended_without_a_merge_leaves_its_reason(reload: StagedReload, ended: str) -> None:
    if ended == "rejected":
        assert record(reload, keys="failed") == "rejected"
    else:
        assert reload.ledger.close(reload.reload.reload_id, ended, "the disk is full")  # type: ignore[arg-type]
    status, notes, differ, error = one(
        reload,
        "SELECT s.status, notes, merge_end > merge_start, error_records FROM admin.merge_summary AS s "
        "CROSS JOIN admin.oracle_pg_migration_status AS m WHERE m.table_name = 'customers'",
    )
    assert (status, differ, error) == ("FAILED", True, 5)
    assert notes.startswith(f"{ended}: ")
    assert ("the disk is full" in notes) == (ended != "rejected")
    assert ("orders.keys failed: keys of orders" in notes) == (ended == "rejected")
    state, failed = one(reload, "SELECT state, failed_checks FROM admin.window_status WHERE table_name = 'orders'")
    assert state == "red"
    assert failed == ("keys failed: keys of orders" if ended == "rejected" else "")


def test_a_merge_under_way_has_no_end_yet(reload: StagedReload) -> None:
    record(reload)
    reload.ledger.set_merge_started(reload.reload.reload_id)
    assert one(reload, "SELECT status, merge_end FROM admin.merge_summary") == ("RUNNING", None)


def test_a_red_window_shows_among_green_ones_and_the_latest_reload_counts(reload: StagedReload) -> None:
    record(reload)
    merge(reload)
    again = StagedReload(reload.target, TABLES, installed=True)
    again.finish(source=0)
    assert record(again, types="failed") == "rejected"
    other = StagedReload(reload.target, TABLES, window=NEXT, installed=True)
    other.finish(source=0)
    record(other)
    merge(other)
    windows = reload.execute(
        "SELECT window_start, state, reload_id, merged_reload_id, checks_failed FROM admin.window_status "
        "WHERE table_name = 'customers' ORDER BY window_start"
    )
    assert windows == [(DAY.start, "red", 2, 1, 1), (NEXT.start, "green", 3, 3, 0)]


@pytest.mark.parametrize(
    ("change", "row"),
    [
        ("orders ALTER amount TYPE numeric", ("orders", "amount", "numeric", "numeric(10,2)", "PRECISION MISMATCH")),
        (
            "orders ALTER amount TYPE numeric(10, 4)",
            ("orders", "amount", "numeric(10,4)", "numeric(10,2)", "SCALE MISMATCH"),
        ),
        (
            "customers ALTER name TYPE varchar",
            ("customers", "name", "character varying", "character varying(20)", "LENGTH MISMATCH"),
        ),
        (
            "orders ALTER updated_at TYPE timestamp(3)",
            (
                "orders",
                "updated_at",
                "timestamp(3) without time zone",
                "timestamp without time zone",
                "PRECISION MISMATCH",
            ),
        ),
        (
            "customers ALTER name TYPE text",
            ("customers", "name", "text", "character varying(20)", "DATA TYPE MISMATCH"),
        ),
        ("orders RENAME amount TO total", ("orders", "amount", None, "numeric(10,2)", "EXTRA COLUMN")),
        ("orders ADD code integer NOT NULL", ("orders", "code", "integer not null", None, "MISSING COLUMN")),
        (
            "orders ALTER amount SET NOT NULL",
            ("orders", "amount", "numeric(10,2) not null", "numeric(10,2)", "NULLABILITY MISMATCH"),
        ),
        ("orders RENAME TO renamed", ("orders", None, None, "table", "MISSING TABLE")),
    ],
)
def test_the_type_view_finds_what_the_guides_missed(
    untouched: Connection[Any], change: str, row: tuple[str | None, ...]
) -> None:
    expected = "table_name, column_name, target_data_type, staging_data_type, status"
    view = f"SELECT {expected} FROM admin.oracle_pg_type_verification"
    assert untouched.execute(view).fetchall() == []
    untouched.execute(f"ALTER TABLE production.{change}")
    assert untouched.execute(view).fetchall() == [row]
    place = untouched.execute("SELECT reload_id, staging_table FROM admin.oracle_pg_type_verification").fetchall()
    assert place == [(1, f"{row[0]}_r1")]
    untouched.execute("UPDATE admin.reload_tables SET staging_dropped_at = now()")
    assert untouched.execute(view).fetchall() == []


def test_what_the_merge_can_live_with_is_no_difference(untouched: Connection[Any]) -> None:
    untouched.execute(
        "ALTER TABLE production.orders ADD note text, ADD seen timestamptz NOT NULL DEFAULT now(), "
        "ADD doubled numeric GENERATED ALWAYS AS (amount * 2) STORED, ADD serial integer GENERATED ALWAYS AS IDENTITY, "
        "ALTER amount SET DEFAULT 0"
    )
    untouched.execute("ALTER TABLE production.orders ALTER COLUMN customer_id DROP NOT NULL")
    assert untouched.execute("SELECT * FROM admin.oracle_pg_type_verification").fetchall() == []


def test_a_table_made_under_the_name_of_a_staging_table_is_not_it(untouched: Connection[Any]) -> None:
    untouched.execute("ALTER TABLE staging.orders_r1 RENAME TO gone")
    untouched.execute("CREATE TABLE staging.orders_r1 (x integer)")
    assert untouched.execute("SELECT * FROM admin.oracle_pg_type_verification").fetchall() == []
    untouched.execute("DROP TABLE staging.gone")
    found = untouched.execute(
        "SELECT table_name, target_data_type, staging_data_type, status FROM admin.oracle_pg_type_verification"
    ).fetchall()
    assert found == [("orders", "table", None, "MISSING TABLE")]


def test_nullability_counts_only_once_the_load_has_ended(
    postgres: PostgresServer, new_database: Callable[[str], str]
) -> None:
    made = StagedReload(target_of(postgres, new_database("views"), DDL), TABLES)
    assert made.execute("SELECT * FROM admin.oracle_pg_type_verification") == []
    made.stage("orders", [(1, None, 1, NOON)])
    made.finish(source=1)
    found = made.execute("SELECT column_name, status FROM admin.oracle_pg_type_verification")
    assert found == [("customer_id", "NULLABILITY MISMATCH")]


def test_instants_are_of_the_server_and_not_of_the_transaction(reload: StagedReload) -> None:
    """CURRENT_TIMESTAMP does not change within a transaction, so a start and an end would be the same."""
    before = datetime.now().astimezone()
    record(reload)
    merge(reload)
    start, end, logged = one(
        reload,
        "SELECT merge_start, merge_end, (SELECT max(merge_time) FROM admin.merge_logs) FROM admin.merge_summary",
    )
    assert before - timedelta(seconds=5) < start < logged < end
