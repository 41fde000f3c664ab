"""A source connection that leads to an old copy of the source, which says that it is a primary."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from reload_assets.local.oracle import OracleColumn, OracleTable, create_schema, create_table
from reload_assets_tests.integration.reload_bench import SCHEMA, ReloadBench, open_reader, reload_bench
from reload_assets_tests.integration.test_cdc_task import CUSTOMERS, DDL, INSERT, OTHER

Databases = Callable[[str], str]
UPDATE = """UPDATE "SALES"."CUSTOMERS" SET "NAME" = '{1}', "UPDATED_AT" = '2025-01-03 {2}:00' WHERE "ID" = {0}"""
DELETE = 'DELETE FROM "SALES"."CUSTOMERS" WHERE "ID" = {}'
ROWS = "SELECT id, name FROM production.customers ORDER BY id"


@contextmanager
def opened(new_database: Databases, orphans: str = "report") -> Iterator[ReloadBench]:
    tables: dict[str, dict[str, Any]] = {"customers": {"window_column": "updated_at", "orphans": orphans}}
    with reload_bench(new_database, [CUSTOMERS, OTHER], DDL, tables) as bench:
        bench.on_source(INSERT.format(1, "v1", 12))
        bench.on_source(INSERT.format(2, "v1", 12))
        bench.drain()
        yield bench


def copied(bench: ReloadBench, new_database: Databases, table: OracleTable = CUSTOMERS) -> str:
    """The URL of a database that has what the source has now."""
    url = new_database("copy")
    with psycopg.connect(url, autocommit=True) as connection:
        create_schema(connection, SCHEMA)
        create_table(connection, SCHEMA, table)
        for row in bench.on_source(f'SELECT * FROM "SALES"."{table.name}"'):
            connection.execute(f'INSERT INTO "SALES"."{table.name}" VALUES (%s, %s, %s)'.encode(), row)
    return url


def test_rows_that_cdc_has_carried_since_are_not_taken_back(new_database: Databases) -> None:
    with opened(new_database, orphans="delete") as bench:
        old = copied(bench, new_database)
        reload = bench.stage()
        bench.merge(reload)
        bench.on_source(UPDATE.format(1, "v2", 13))
        bench.on_source(INSERT.format(3, "new", 13))
        bench.drain()
        on_primary, bench.reader = bench.reader, lambda: open_reader(old)
        confirmed = bench.confirm(reload)
        assert not confirmed.settled
        assert "The source connection shows " in confirmed.detail
        assert "older than DMS reads them" in confirmed.detail
        assert bench.on_production(ROWS) == [(1, "v2"), (2, "v1"), (3, "new")]
        assert bench.on_production("SELECT count(*) FROM admin.reload_changes WHERE step = 'confirm'") == [(0,)]
        bench.reader = on_primary
        assert bench.confirm(reload).settled


def test_rows_that_the_load_saw_newer_are_not_taken_back(new_database: Databases) -> None:
    with opened(new_database) as bench:
        old = copied(bench, new_database)
        bench.on_source(UPDATE.format(1, "v2", 13))
        bench.drain()
        bench.on_production("UPDATE production.customers SET name = 'damaged', updated_at = '2025-01-03 11:00'")
        reload = bench.stage()
        bench.merge(reload)
        assert bench.on_production(ROWS) == [(1, "v2"), (2, "v1")]
        bench.reader = lambda: open_reader(old)
        confirmed = bench.confirm(reload)
        assert not confirmed.settled
        assert "1 rows of SALES.CUSTOMERS (keys 1) older than DMS reads them" in confirmed.detail
        assert bench.on_production(ROWS) == [(1, "v2"), (2, "v1")]


def test_a_version_that_goes_back_in_the_source_itself_is_confirmed(new_database: Databases) -> None:
    with opened(new_database) as bench:
        reload = bench.stage()
        # CDC carries the older version, and the merge takes it for stale.
        bench.on_source(UPDATE.format(1, "taken back", 11))
        bench.on_source(DELETE.format(2))
        bench.drain()
        bench.merge(reload)
        assert bench.on_production(ROWS) == [(1, "v1"), (2, "v1")]
        # CDC skips this one, because the merge has brought the row back.
        bench.on_source(INSERT.format(2, "again", 11))
        bench.drain()
        confirmed = bench.confirm(reload)
        assert confirmed.settled
        assert bench.on_production(ROWS) == [(1, "taken back"), (2, "again")]
        assert any("rows were read older than before, and once more by a DMS task" in line for line in bench.said)


def test_rows_with_keys_that_no_dms_filter_finds_are_asked_for_by_their_window(new_database: Databases) -> None:
    notes = OracleTable(
        "NOTES",
        [
            OracleColumn("ID", "RAW(2)", nullable=False),
            OracleColumn("NAME", "VARCHAR2(40)"),
            OracleColumn("UPDATED_AT", "TIMESTAMP(6)"),
        ],
        ["ID"],
    )
    ddl = "CREATE TABLE production.notes (id bytea PRIMARY KEY, name varchar(40), updated_at timestamp(6))"
    rows = "SELECT id, name FROM production.notes ORDER BY id"
    insert = """INSERT INTO "SALES"."NOTES" VALUES ('\\x000{}', 'v1', '2025-01-03 12:00')"""
    update = """UPDATE "SALES"."NOTES" SET "NAME" = '{}', "UPDATED_AT" = '2025-01-0{}:00' WHERE "ID" = '\\x000{}'"""
    with reload_bench(new_database, [notes], ddl, {"notes": {"window_column": "updated_at"}}) as bench:
        bench.on_source(insert.format(1))
        bench.on_source(insert.format(2))
        bench.drain()
        old = copied(bench, new_database, notes)
        reload = bench.stage()
        # CDC carries the older version, and the merge takes it for stale.
        bench.on_source(update.format("taken back", "3 11", 1))
        bench.drain()
        bench.merge(reload)
        assert bench.confirm(reload).settled
        assert bench.on_production(rows) == [(b"\0\1", "taken back"), (b"\0\2", "v1")]

        bench.on_source(update.format("v2", "5 13", 2))
        bench.drain()
        bench.reader = lambda: open_reader(old)
        again = bench.confirm(reload)
        assert not again.settled
        assert "1 rows of SALES.NOTES (keys \\x0002) older than DMS reads them" in again.detail
        assert bench.on_production(rows) == [(b"\0\1", "taken back"), (b"\0\2", "v2")]


def test_a_damaged_row_of_a_later_version_is_corrected_without_asking_dms(new_database: Databases) -> None:
    with opened(new_database) as bench:
        bench.on_production(
            "UPDATE production.customers SET name = 'WRONG', updated_at = '2025-01-03 23:00' WHERE id = 1"
        )
        reload = bench.stage()
        bench.merge(reload)
        assert bench.confirm(reload).settled
        assert bench.on_production(ROWS) == [(1, "v1"), (2, "v1")]
        assert not [line for line in bench.said if "once more by a DMS task" in line]
