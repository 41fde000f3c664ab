"""Statements that CDC skipped because of a reload: whatever the constraint, their keys are judged and corrected."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from reload_assets.cdc.position import Skipped
from reload_assets.local.oracle import OracleColumn, OracleTable
from reload_assets.local.postgres import PostgresServer
from reload_assets_tests.integration.confirm_bench import ConfirmBench, confirm_bench
from reload_assets_tests.integration.merge_bench import NOON, UPDATED_AT
from reload_assets_tests.integration.throwaway import throwaway_database

_ID, _AT = OracleColumn("ID", "NUMBER(10)", nullable=False), OracleColumn("UPDATED_AT", "TIMESTAMP(6)")
SOURCE = [
    OracleTable("CUSTOMERS", [_ID, OracleColumn("EMAIL", "VARCHAR2(40)"), _AT], ["ID"]),
    OracleTable("ORDERS", [_ID, OracleColumn("CUSTOMER_ID", "NUMBER(10)"), _AT], ["ID"]),
]
CUSTOMERS = "CREATE TABLE production.customers (id integer PRIMARY KEY, email varchar(40), updated_at timestamp(6))"
ORDERS = (
    "CREATE TABLE production.orders (id integer PRIMARY KEY, customer_id integer REFERENCES production.customers, "
    "updated_at timestamp(6))"
)
OTHER_DAY = "2025-02-01"

Make = Callable[..., ConfirmBench]


@pytest.fixture(scope="module")
def databases(postgres: PostgresServer) -> Iterator[tuple[str, str]]:
    with throwaway_database(postgres, "skipped_target") as target, throwaway_database(postgres, "skipped") as source:
        yield target, source


@pytest.fixture
def make(databases: tuple[str, str]) -> Iterator[Make]:
    made: list[Any] = []

    def one(ddl: str, *tables: str, **options: Any) -> ConfirmBench:
        configured = {name: {**UPDATED_AT, **options} for name in tables or ("customers",)}
        entered = confirm_bench(*databases, ddl, SOURCE, configured)
        made.append(entered)
        return entered.__enter__()

    yield one
    for entered in made:
        entered.__exit__(None, None, None)


def skips(bench: ConfirmBench, statement: str, error: str, at: datetime | None = None, owner: str = "") -> None:
    """CDC writes down that it skipped a statement."""
    bench.cdc.passed_over.append(Skipped(at or datetime.now(timezone.utc), statement, error, owner, "CUSTOMERS"))


def refused(state: str) -> str:
    """An error as the driver words it, on a server that speaks German."""
    return f"RetCode: SQL_ERROR SqlState: {state} NativeError: 1 Message: FEHLER: das geht nicht; Fehler"


@pytest.mark.parametrize(
    ("constraint", "error"),
    [
        ("CREATE UNIQUE INDEX ON production.customers (email)", refused("23505")),
        ("CREATE UNIQUE INDEX ON production.customers (email) WHERE id > 0", refused("23505")),
        ("CREATE UNIQUE INDEX ON production.customers (lower(email))", refused("23505")),
        ("ALTER TABLE production.customers ADD EXCLUDE USING btree (email WITH =)", refused("23P01")),
        ("ALTER TABLE production.customers ADD EXCLUDE USING btree (email WITH =)", "something nobody has heard of"),
    ],
)
def test_a_row_that_a_row_brought_back_kept_out_is_inserted(make: Make, constraint: str, error: str) -> None:
    bench = make(f"{CUSTOMERS}; {constraint}")
    # Row 1 was deleted in the source before the merge brought it back; then another row got its value.
    reload = bench.merge({"customers": [(1, "a@x", NOON)]})
    bench.on_source(f"""INSERT INTO "SALES"."CUSTOMERS" VALUES (50, 'a@x', '{OTHER_DAY}')""")
    skips(bench, """INSERT INTO "production"."customers" ("id","email","updated_at") VALUES ('50','a@x','x')""", error)
    confirmed = bench.confirm(reload)
    assert confirmed.settled, confirmed.detail
    assert bench.rows("SELECT id, email FROM production.customers") == [(50, "a@x")]


def test_a_parent_whose_deletion_a_child_of_ours_kept_is_deleted(make: Make) -> None:
    bench = make(f"{CUSTOMERS}; {ORDERS}", "customers", "orders")
    bench.on_production(f"INSERT INTO production.customers VALUES (1, 'gone', '{OTHER_DAY}')")
    reload = bench.merge({"customers": [], "orders": [(5, 1, NOON)]})
    skips(bench, """DELETE FROM "production"."customers" WHERE "id"='1'""", refused("23503"))
    assert bench.confirm(reload).settled
    assert bench.rows("SELECT id FROM production.customers UNION ALL SELECT id FROM production.orders") == []


def test_a_child_that_found_no_parent_is_inserted(make: Make) -> None:
    bench = make(f"{CUSTOMERS}; {ORDERS}", "customers", "orders")
    bench.on_source(f"""INSERT INTO "SALES"."CUSTOMERS" VALUES (1, 'again', '{OTHER_DAY}')""")
    bench.on_source(f"""INSERT INTO "SALES"."ORDERS" VALUES (60, 1, '{OTHER_DAY}')""")
    bench.on_production(f"INSERT INTO production.customers VALUES (1, 'again', '{OTHER_DAY}')")
    reload = bench.merge({"customers": [], "orders": []})
    statement = """INSERT INTO "production"."orders" ("id","customer_id","updated_at") VALUES ('60','1','x')"""
    skips(bench, statement, refused("23503"))
    assert bench.confirm(reload).settled
    assert bench.rows("SELECT id, customer_id FROM production.orders") == [(60, 1)]


def test_a_key_that_is_judged_already_becomes_this_reloads_own(make: Make) -> None:
    # Row 88 was loaded and brought back; the source had changed its key to -88 and changes it back, which CDC skips.
    bench = make(CUSTOMERS, orphans="report")
    bench.on_source(f"""INSERT INTO "SALES"."CUSTOMERS" VALUES (88, 'x', '{NOON}')""")
    bench.on_production(f"INSERT INTO production.customers VALUES (-88, 'x', '{NOON}')")
    reload = bench.merge({"customers": [(88, "x", NOON)]})
    skips(bench, """UPDATE "production"."customers" SET "id"='88' WHERE "id"='-88'""", refused("23505"))
    assert bench.confirm(reload).settled
    assert bench.rows("SELECT id FROM production.customers") == [(88,)]


def test_what_an_unconfirmed_reload_caused_before_the_next_one_began_is_found(make: Make) -> None:
    bench = make(CUSTOMERS)
    bench.on_production(f"INSERT INTO production.customers VALUES (2, 'two', '{OTHER_DAY}')")
    dead = bench.merge({"customers": [(1, "one", NOON)]})
    bench.made.ledger.give_up_confirm(dead.reload_id, "its run died")
    bench.on_source(f"""INSERT INTO "SALES"."CUSTOMERS" VALUES (1, 'two', '{OTHER_DAY}')""")
    hours = timedelta(hours=5)
    with bench.made.target.connect(autocommit=True) as connection:
        connection.execute(
            "UPDATE admin.reloads SET opened_at = opened_at - %s, merge_started_at = merge_started_at - %s",
            (hours, hours),
        )
    statement = """UPDATE "production"."customers" SET "id"='1' , "email"='two' WHERE "id"='2'"""
    skips(bench, statement, refused("23505"), datetime.now(timezone.utc) - timedelta(hours=1))
    assert bench.confirm(bench.merge({"customers": []})).settled
    assert bench.rows("SELECT id, email FROM production.customers") == [(1, "two")]


def test_the_first_attempt_tells_since_when_a_reload_writes(make: Make) -> None:
    bench = make(CUSTOMERS)
    reload = bench.made.stage({"customers": [(1, "one", NOON)]})
    bench.made.ledger.set_merge_started(reload.reload_id)
    first = bench.made.ledger.get(reload.reload_id).merge_started_at
    bench.made.ledger.set_merge_started(reload.reload_id)
    assert bench.made.ledger.get(reload.reload_id).merge_started_at == first


def test_a_statement_is_known_by_the_sources_name_of_its_table_too(make: Make) -> None:
    bench = make(CUSTOMERS)
    bench.on_production(f"INSERT INTO production.customers VALUES (2, 'gone', '{OTHER_DAY}')")
    reload = bench.merge({"customers": []})
    skips(bench, "DELETE FROM CUSTOMERS WHERE ID = 2", refused("23503"), owner="SALES")
    assert bench.confirm(reload).settled
    assert bench.rows("SELECT id FROM production.customers") == []


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        ("""UPDATE "production"."customers" SET "email"='x' WHERE "id"='7'""", "0 rows affected"),
        ("""INSERT INTO "production"."customers" ("id","email") VALUES ('7','far too long')""", refused("22001")),
    ],
)
def test_a_row_that_production_has_lacked_for_long_stays_out(make: Make, statement: str, error: str) -> None:
    bench = make(CUSTOMERS)
    bench.on_source(f"""INSERT INTO "SALES"."CUSTOMERS" VALUES (7, 'x', '{OTHER_DAY}')""")
    reload = bench.merge({"customers": []})
    skips(bench, statement, error)
    confirmed = bench.confirm(reload)
    assert (confirmed.settled, confirmed.corrections) == (True, 0)


def test_a_statement_that_cannot_be_read_keeps_the_reload_unconfirmed(make: Make) -> None:
    bench = make(CUSTOMERS)
    reload = bench.merge({"customers": []})
    skips(bench, """UPDATE "production"."customers" SET "id"=? WHERE "id"=?""", refused("23505"))
    confirmed = bench.confirm(reload)
    assert not confirmed.settled
    assert "could not be read" in confirmed.detail


@pytest.mark.parametrize(
    ("statement", "done", "settled"),
    [
        ("""INSERT INTO "production"."visits" ("visit","customer") VALUES ('9','5')""", "", False),
        (
            """INSERT INTO "production"."visits" ("visit","customer") VALUES ('9','5')""",
            "INSERT INTO production.visits VALUES (9, NULL)",
            True,
        ),
        (
            """UPDATE "production"."visits" SET "customer"='5' WHERE "visit"='9'""",
            "INSERT INTO production.visits VALUES (9, NULL)",
            False,
        ),
        ("""UPDATE "production"."visits" SET "customer"='5' WHERE "visit"='9'""", "", True),
        ("""DELETE FROM "production"."visits" WHERE "visit"='9'""", "", True),
    ],
)
def test_a_table_outside_of_the_reload_that_was_refused_something_is_named(
    make: Make, statement: str, done: str, settled: bool
) -> None:
    bench = make(
        f"{CUSTOMERS}; CREATE TABLE production.visits (visit integer PRIMARY KEY, "
        "customer integer REFERENCES production.customers)"
    )
    reload = bench.merge({"customers": []})
    skips(bench, statement, refused("23503"))
    if done:
        bench.on_production(done)
    confirmed = bench.confirm(reload)
    assert confirmed.settled == settled
    assert ("production.visits 9" in confirmed.detail) == (not settled)
