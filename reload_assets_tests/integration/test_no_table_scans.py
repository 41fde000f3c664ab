"""A reload costs what its window costs: none of its statements reads a table of production from end to end."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import psycopg
import pytest
import sqlalchemy as sa
from psycopg import Connection

from reload_assets.cdc.position import Cdc
from reload_assets.dms.tasks import LoadTasks
from reload_assets.ledger.records import CheckResult, Reload
from reload_assets.local.oracle import OracleColumn, OracleTable, create_schema, create_table
from reload_assets.local.postgres import PostgresServer
from reload_assets.postgres.connection import TargetDatabase
from reload_assets.postgres.statements import text as statement_text
from reload_assets.reload.publish import Publication
from reload_assets.source.reader import SourceReader
from reload_assets.verify.outcome import CheckOutcome
from reload_assets.verify.production import verify_merged
from reload_assets_tests.integration.confirm_bench import CarryingTask, ScriptedCdc
from reload_assets_tests.integration.merge_bench import await_true
from reload_assets_tests.integration.plans import SETTINGS, Plan, has_auto_explain, read_plans
from reload_assets_tests.integration.staged import StagedReload
from reload_assets_tests.roles import make_logins_cheap

ROWS = 80_000
DAYS = 200
# A tenth of production's rows of the day are orphans: the source no longer has them.
STAGED = ROWS // DAYS * 9 // 10
NAMES = ("customers", "orders", "items")
GROUP = """
customers: {window_column: updated_at, orphans: report}
orders: {window_column: updated_at, orphans: soft_delete, soft_delete_column: gone_at}
items: {window_column: updated_at, orphans: delete}
"""
# Those of each step that look at production; a statement that is not among the plans was not asserted on.
STATEMENTS = {
    "merge": (
        "merge/2_judge:judge_rows",
        "merge/3_write:lock_rows",
        "merge/3_write:insert_rows",
        "merge/3_write:update_rows",
        "merge/2_judge:withhold_takers",
        "merge/4_unique_swaps:find_givers",
        "merge/4_unique_swaps:park_values",
    ),
    "confirm": (
        "confirm/1_keys:collect_staged",
        "confirm/1_keys:collect_orphans",
        "confirm/2_pass:note_production",
        "confirm/2_pass:judge_keys",
        "confirm/6_correct:lock_rows",
        "confirm/2_pass:collect_holders",
        "confirm/6_correct:audit_rows",
        "confirm/6_correct:insert_rows",
        "confirm/6_correct:update_rows",
        "confirm/6_correct:delete_rows",
        "confirm/6_correct:soft_delete_rows",
        "confirm/6_correct:note_written",
        "confirm/8_compare:collect_rewritten",
        "verify/5_window:sum_segments",
        "compare:create_production_window",
    ),
    "checks after the merge": (
        "verify/4_after_merge:collect_differing",
        "verify/4_after_merge:count_parentless",
        "verify/5_window:compare_ranges",
        "verify/5_window:list_extra",
        "verify/5_window:count_windowless",
    ),
}
PRODUCTION = """
CREATE SCHEMA production;
CREATE TABLE production.customers (
    id integer PRIMARY KEY, email varchar(40) UNIQUE, note varchar(40), updated_at timestamp(6)
);
CREATE TABLE production.orders (
    id integer PRIMARY KEY, customer_id integer REFERENCES production.customers, note varchar(40),
    body text, updated_at timestamp(6), gone_at timestamp
);
CREATE TABLE production.items (
    order_id integer REFERENCES production.orders, line integer, note varchar(40), updated_at timestamp(6),
    PRIMARY KEY (order_id, line), UNIQUE (order_id, note)
);
"""
INDEXES = """
CREATE INDEX ON production.customers (updated_at);
CREATE INDEX ON production.orders (updated_at);
CREATE INDEX ON production.orders (customer_id);
CREATE INDEX ON production.items (updated_at);
"""
_ID = OracleColumn("ID", "NUMBER(9,0)", nullable=False)
_BODY = OracleColumn("BODY", "CLOB")
_NOTE, _AT = OracleColumn("NOTE", "VARCHAR2(40)"), OracleColumn("UPDATED_AT", "TIMESTAMP(6)")
_ORDER, _LINE = (OracleColumn(name, "NUMBER(9,0)", nullable=False) for name in ("ORDER_ID", "LINE"))
SOURCE = [
    OracleTable("CUSTOMERS", [_ID, OracleColumn("EMAIL", "VARCHAR2(40)"), _NOTE, _AT], ["ID"]),
    OracleTable("ORDERS", [_ID, OracleColumn("CUSTOMER_ID", "NUMBER(9,0)"), _NOTE, _BODY, _AT], ["ID"]),
    OracleTable("ITEMS", [_ORDER, _LINE, _NOTE, _AT], ["ORDER_ID", "LINE"]),
]
# The rows of a day lie all over the table, as they do where rows are updated long after they were inserted.
_WHEN = f"timestamp '2024-12-01 12:00' + n * 7919 % {DAYS} * interval '1 day'"
VALUES = {
    "customers": f"n, 'c' || n || '@example.com', 'customer ' || n, {_WHEN}",
    "orders": f"n, n, 'order ' || n, 'body', {_WHEN}",
    "items": f"n, 1, 'item ' || n, {_WHEN}",
}
BOUNDS = "updated_at >= '2025-01-02' AND updated_at < '2025-01-03'"


@dataclass
class Seen:
    """What the server saw of a reload: the plans by step, and the rows and scans of production's tables by name."""

    plans: dict[str, list[Plan]]
    sequential: dict[str, int]
    rows_read: dict[str, int]
    outcomes: list[CheckOutcome]
    corrections: int


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """A server of its own, which writes its plans down where it can."""
    root = Path(tempfile.mkdtemp(prefix="reload-plans-"))
    root.chmod(0o755)
    try:
        with PostgresServer(root / "postgres", settings=SETTINGS if has_auto_explain() else {}) as running:
            make_logins_cheap(running)
            yield running
    finally:
        shutil.rmtree(root, ignore_errors=True)


class Reloading:
    """A reload of one day beside large tables, step by step."""

    def __init__(self, server: PostgresServer, database: str) -> None:
        self.server, self.database = server, database
        with psycopg.connect(server.url(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {database}".encode())
            connection.execute(f"CREATE DATABASE {database}_source".encode())
        self.source_url = server.url(f"{database}_source")
        self._fill()
        target = TargetDatabase("127.0.0.1", server.port, database, server.superuser, server.password)
        with self.reader() as reader:
            self.staged = StagedReload(target, GROUP, reader=reader)
        self._end_of_log = server.log.stat().st_size
        self.plans: dict[str, list[Plan]] = {}
        self.cdc = cast(Cdc, ScriptedCdc(task=CarryingTask([name.upper() for name in NAMES])))

    def run(self) -> Seen:
        """All steps, with differences of every kind for each of them."""
        staged = self.staged
        for name in NAMES:
            columns = ", ".join(column.name for column in staged.table(name).columns)
            self.on_target(
                f"INSERT INTO staging.{name}_r1 SELECT {columns} FROM production.{name} "
                f"WHERE {BOUNDS} AND {_nth(name)} <> 5"
            )
        self._damage()
        before = self.counters()
        staged.finish(source=STAGED, dms=STAGED)
        self.note("finish")
        for name in NAMES:
            outcomes = staged.verify(name)
            results = [
                CheckResult(name, one.check_name, one.status, one.blocking, one.detail) for one in outcomes.values()
            ]
            assert {one.status for one in results} == {"passed"}, results
            staged.ledger.record_checks(staged.reload.reload_id, name, results)
        self.note("checks on staging")
        production = Publication(
            staged.config, staged.target, staged.ledger, cast(LoadTasks, None), self.cdc, self.reader, lambda said: None
        )
        tables = list(staged.tables.values())
        production.merge(self._reload(), tables)
        self.note("merge")
        after_merge = self.counters()
        self._interfere()
        between = self.counters()
        confirmed = production.confirm(self._reload(), tables)
        assert confirmed.settled, confirmed.detail
        self.note("confirm")
        found = [outcome for name in NAMES for outcome in self.verify(name)]
        self.note("checks after the merge")
        after = self.counters()
        # Without what the test itself did between the merge and the confirm.
        done = {
            name: tuple(
                end - begin - (later - earlier)
                for begin, earlier, later, end in zip(
                    before[name], after_merge[name], between[name], after[name], strict=True
                )
            )
            for name in NAMES
        }
        return Seen(
            self.plans,
            {name: scans for name, (scans, _) in done.items()},
            {name: rows for name, (_, rows) in done.items()},
            found,
            confirmed.corrections,
        )

    def verify(self, name: str) -> list[CheckOutcome]:
        """The checks of one table after the merge."""
        staged = self.staged
        with self.reader() as reader:
            return verify_merged(
                staged.target,
                staged.config.source.zone,
                self._reload(),
                staged.table(name),
                staged.staged(name),
                reader,
                self.cdc,
            )

    def reader(self) -> SourceReader:
        """A new reader of the source."""
        return SourceReader(sa.make_url(self.source_url), "SALES")

    def on_target(self, statement: str) -> list[tuple[Any, ...]]:
        """Run a statement that is not the reload's."""
        with self._connect(self.server.url(self.database)) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def on_source(self, statement: str) -> None:
        """Change the source."""
        with self._connect(self.source_url) as connection:
            connection.execute(statement.encode())

    @staticmethod
    def _connect(url: str) -> Connection[Any]:
        # Under another name, because the test's own statements do not count as the reload's.
        return psycopg.connect(
            url, autocommit=True, application_name="test", options="-c auto_explain.log_min_duration=-1"
        )

    def _fill(self) -> None:
        series = f"FROM generate_series(1, {ROWS}) AS n"
        self.on_target(PRODUCTION)
        with self._connect(self.source_url) as source:
            create_schema(source, "SALES")
            for table in SOURCE:
                create_table(source, "SALES", table)
        for name, values in VALUES.items():
            there = f"{series} WHERE NOT (n * 7919 % {DAYS} = 32 AND n / {DAYS} % 10 = 5)"
            self.on_source(f'INSERT INTO "SALES"."{name.upper()}" SELECT {values} {there}')
            self.on_source(f'CREATE INDEX ON "SALES"."{name.upper()}" ("UPDATED_AT")')
            self.on_target(f"INSERT INTO production.{name} SELECT {values} {series}")
        self.on_source("ANALYZE")
        self.on_target(INDEXES)
        self.on_target("VACUUM ANALYZE")

    def _damage(self) -> None:
        """Production misses rows of the day, has stale and corrupted ones, and unique values in each other's place."""
        for name in reversed(NAMES):
            every = {"customers": 40, "orders": 20, "items": 10}[name]
            self.on_target(f"DELETE FROM production.{name} WHERE {BOUNDS} AND {_nth(name, every)} = 0")
            self.on_target(f"UPDATE production.{name} SET note = 'corrupted' WHERE {BOUNDS} AND {_nth(name)} = 1")
            self.on_target(
                f"UPDATE production.{name} SET note = 'stale', updated_at = updated_at - interval '1 hour' "
                f"WHERE {BOUNDS} AND {_nth(name)} = 2"
            )
        for email in ("'moved' || id", f"'c' || id + CASE {_nth('customers')} WHEN 3 THEN {DAYS} ELSE -{DAYS} END"):
            self.on_target(
                f"UPDATE production.customers SET email = {email} || '@example.com' "
                f"WHERE {BOUNDS} AND {_nth('customers')} IN (3, 4)"
            )

    def _interfere(self) -> None:
        """Change the source and production after the merge, so that confirm has something to correct."""
        source_bounds = BOUNDS.replace("updated_at", '"UPDATED_AT"')
        self.on_source(f'DELETE FROM "SALES"."ITEMS" WHERE {source_bounds} AND {_nth("items", upper=True)} = 1')
        changed = f"{source_bounds} AND {_nth('orders', upper=True)} = 1"
        self.on_source(f"""UPDATE "SALES"."ORDERS" SET "NOTE" = 'later' WHERE {changed}""")
        self.on_target(f"DELETE FROM production.items WHERE {BOUNDS} AND {_nth('items')} = 7")
        self.on_target(f"UPDATE production.customers SET note = 'other' WHERE {BOUNDS} AND {_nth('customers')} = 7")

    def _reload(self) -> Reload:
        return self.staged.ledger.get(self.staged.reload.reload_id)

    def note(self, step: str) -> None:
        """Keep the plans since the last step under the name of this one."""
        if has_auto_explain():
            self.plans[step], self._end_of_log = read_plans(
                self.server.log, self._end_of_log, "reload_assets", self.database
            )

    def counters(self) -> dict[str, tuple[int, int]]:
        """Return sequential scans and rows read per table of production, once every session has reported its own."""
        others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        await_true(lambda: self.on_target(others) == [(0,)])
        rows = self.on_target(
            "SELECT relname, seq_scan, seq_tup_read + coalesce(idx_tup_fetch, 0) "
            "FROM pg_stat_all_tables WHERE schemaname = 'production'"
        )
        return {name: (scans, read) for name, scans, read in rows}


def _nth(name: str, every: int = 10, *, upper: bool = False) -> str:
    """Which of ``every`` rows of a day a row is."""
    key = "order_id" if name == "items" else "id"
    return f"""("{key.upper() if upper else key}" / {DAYS})::integer % {every}"""


@pytest.fixture(scope="module")
def reloading(server: PostgresServer) -> Reloading:
    """A day about to be reloaded."""
    return Reloading(server, "large")


@pytest.fixture(scope="module")
def seen(reloading: Reloading) -> Seen:
    """One reload for all that look at what it did."""
    return reloading.run()


def test_no_statement_of_a_reload_reads_a_table_of_production_from_end_to_end(seen: Seen) -> None:
    assert seen.sequential == dict.fromkeys(NAMES, 0), found_scans(seen)
    assert found_scans(seen) == []


def test_a_reload_reads_of_production_what_its_window_costs(seen: Seen) -> None:
    # An index that is read from end to end counts no sequential scan. Each step looks at the window a few times.
    most = 30 * ROWS // DAYS
    assert {name: rows for name, rows in seen.rows_read.items() if rows > most} == {}


def test_the_reload_had_something_to_do_in_every_step(seen: Seen) -> None:
    assert seen.corrections > ROWS // DAYS // 2
    assert {(one.check_name, one.status) for one in seen.outcomes} >= {
        ("staged_in_production", "passed"),
        ("foreign_keys", "passed"),
        ("confirmed", "passed"),
    }


@pytest.mark.skipif(not has_auto_explain(), reason="this PostgreSQL has no auto_explain")
def test_the_plans_are_those_of_the_statements_that_look_at_production(seen: Seen) -> None:
    for step, statements in STATEMENTS.items():
        titles = {plan.title for plan in seen.plans[step] if plan.tables("production")}
        expected = {statement_text(name).splitlines()[0] for name in statements}
        assert expected - titles == set(), step


def test_without_an_index_on_the_window_column_the_scan_is_noticed(seen: Seen, reloading: Reloading) -> None:
    # Last: the index is gone afterwards.
    assert seen.sequential["items"] == 0
    reloading.on_target("DROP INDEX production.items_updated_at_idx")
    scans, rows = reloading.counters()["items"]
    reloading.verify("items")
    reloading.note("without the index")
    later, read = reloading.counters()["items"]
    assert later > scans
    assert read - rows > ROWS
    if has_auto_explain():
        noticed = {line for plan in seen.plans["without the index"] for line in plan.scans("production")}
        assert {line.split(":")[0] for line in noticed} == {"Seq Scan of production.items"}


def found_scans(seen: Seen) -> list[str]:
    """The scans in all plans, with the step that made them."""
    return [
        f"{scan} ({step})" for step, plans in seen.plans.items() for plan in plans for scan in plan.scans("production")
    ]
