"""Keys and texts that one side has and the other cannot hold, rows that refer to each other, and triggers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from typing import Any, cast

import pytest

from reload_assets.cdc.position import Cdc, Skipped
from reload_assets.confirm.concerned import SkippedStatements
from reload_assets.confirm.statements import ConfirmStatements
from reload_assets.local.oracle import OracleColumn, OracleTable
from reload_assets.local.postgres import PostgresServer
from reload_assets.merge.statements import merge_statements
from reload_assets_tests.integration.confirm_bench import ConfirmBench, confirm_bench
from reload_assets_tests.integration.merge_bench import LATER, NOON, UPDATED_AT
from reload_assets_tests.integration.throwaway import throwaway_database

_AT = OracleColumn("UPDATED_AT", "TIMESTAMP(6)")
_ID = OracleColumn("ID", "NUMBER(10)", nullable=False)
CUSTOMERS = OracleTable("CUSTOMERS", [_ID, OracleColumn("NAME", "VARCHAR2(40)"), _AT], ["ID"])
TREE = OracleTable("CUSTOMERS", [_ID, OracleColumn("PARENT", "NUMBER(10)"), _AT], ["ID"])
CODES = OracleTable(
    "CUSTOMERS", [OracleColumn("ID", "VARCHAR2(40)", nullable=False), OracleColumn("NAME", "VARCHAR2(40)"), _AT], ["ID"]
)
Make = Callable[..., ConfirmBench]


@pytest.fixture(scope="module")
def databases(postgres: PostgresServer) -> Iterator[tuple[str, str]]:
    with throwaway_database(postgres, "foundm_target") as target, throwaway_database(postgres, "foundm") as source:
        yield target, source


@pytest.fixture
def make(databases: tuple[str, str]) -> Iterator[Make]:
    made: list[Any] = []

    def one(ddl: str, table: OracleTable = CUSTOMERS, **options: Any) -> ConfirmBench:
        entered = confirm_bench(*databases, ddl, [table], {table.name.lower(): {**UPDATED_AT, **options}})
        made.append(entered)
        return entered.__enter__()

    yield one
    for entered in made:
        entered.__exit__(None, None, None)


INDEX = "; CREATE INDEX ON production.customers (updated_at)"
PLAIN = "CREATE TABLE production.customers (id integer PRIMARY KEY, name text, updated_at timestamp)" + INDEX


def now() -> str:
    return datetime.now(timezone.utc).replace(tzinfo=None).isoformat()


def src(bench: ConfirmBench, *rows: Any) -> None:
    for row in rows:
        bench.source.execute(b'INSERT INTO "SALES"."CUSTOMERS" VALUES (%s, %s, %s)', row)


def prod(bench: ConfirmBench, *rows: Any) -> None:
    for row in rows:
        bench.made.connection.execute(b"INSERT INTO production.customers VALUES (%s, %s, %s)", row)


def test_a_row_whose_key_production_cannot_hold_keeps_no_other_from_being_corrected(make: Make) -> None:
    bench = make(PLAIN)
    src(bench, (1, "new", LATER), (9999999999, "big", now()))
    confirmed = bench.confirm(bench.merge({"customers": [(1, "old", NOON)]}))
    assert bench.rows("SELECT id, name FROM production.customers") == [(1, "new")]
    assert not confirmed.settled
    assert (
        "1 rows of the source cannot be in production.customers by the type of its key (9999999999" in confirmed.detail
    )


def test_a_row_of_production_without_a_key_is_named_as_that_until_it_is_gone(make: Make) -> None:
    bench = make(PLAIN.replace("PRIMARY KEY", "UNIQUE"), key=["id"])
    src(bench, (1, "new", LATER))
    prod(bench, (None, "nobody's", NOON))
    rows = {"customers": [(1, "old", NOON)]}
    confirmed = bench.confirm(bench.merge(rows))
    assert not confirmed.settled
    assert "1 rows of production.customers have NULL in a column of the key" in confirmed.detail
    assert bench.rows("SELECT id, name FROM production.customers WHERE id IS NOT NULL") == [(1, "new")]
    bench.on_production("DELETE FROM production.customers WHERE id IS NULL")
    assert bench.confirm(bench.merge(rows)).settled


def test_a_row_whose_key_is_too_long_for_production_is_not_taken_for_another_one(make: Make) -> None:
    bench = make(PLAIN.replace("integer", "varchar(5)"), CODES)
    src(bench, ("a", "new", LATER), ("abcdefgh", "big", now()))
    prod(bench, ("abcde", "mine", "2024-01-01"))
    src(bench, ("abcde", "mine", "2024-01-01"))
    confirmed = bench.confirm(bench.merge({"customers": [("a", "old", NOON)]}))
    assert not confirmed.settled


def test_a_skipped_statement_that_names_a_key_beside_its_domain_keeps_no_row_from_being_corrected(make: Make) -> None:
    bench = make(
        "DROP DOMAIN IF EXISTS public.pos; CREATE DOMAIN public.pos AS integer CHECK (VALUE > 0); "
        + PLAIN.replace("integer", "public.pos")
    )
    src(bench, (1, "new", LATER))
    reload = bench.merge({"customers": [(1, "old", NOON)]})
    statement = "UPDATE production.customers SET id = -1 WHERE id = 1"
    error = "ERROR: SqlState: 23514 value for domain pos violates check"
    bench.cdc.passed_over.append(Skipped(datetime.now(timezone.utc), statement, error, "production", "customers"))
    confirmed = bench.confirm(reload)
    assert not confirmed.settled
    assert "1 statements that CDC skipped could not be read" in confirmed.detail
    assert bench.rows("SELECT id, name FROM production.customers") == [(1, "new")]


@pytest.mark.parametrize("action", ["", "ON DELETE CASCADE", "ON DELETE SET NULL", "DEFERRABLE INITIALLY DEFERRED"])
@pytest.mark.parametrize("mode", ["atomic", "chunked"])
def test_self_reference(make: Make, action: str, mode: str) -> None:
    bench = make(
        "CREATE TABLE production.customers (id integer PRIMARY KEY, "
        f"parent integer REFERENCES production.customers {action}, updated_at timestamp)",
        TREE,
        orphans="delete",
    )
    prod(bench, (1, None, NOON), (2, 1, NOON), (3, 2, NOON), (7, None, "2024-01-01"), (8, 7, NOON))
    src(bench, (7, None, "2024-01-01"), (10, None, NOON), (5, 10, NOON))
    confirmed = bench.confirm(
        bench.merge({"customers": [(5, 10, NOON), (10, None, NOON), (6, 5, NOON)]}), mode=mode, chunk_rows=1
    )
    assert bench.rows("SELECT id FROM production.customers ORDER BY id") == [(5,), (7,), (10,)]
    assert confirmed.settled, confirmed.detail
    assert len(bench.audit()) == 5


def test_trigger_sets_updated_at(make: Make) -> None:
    bench = make(
        PLAIN + "; CREATE FUNCTION production.touch() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN NEW.updated_at := now(); RETURN NEW; END $$; CREATE TRIGGER touch BEFORE INSERT OR UPDATE "
        "ON production.customers FOR EACH ROW EXECUTE FUNCTION production.touch()",
        orphans="delete",
    )
    src(bench, (1, "new", LATER), (2, "two", NOON))
    prod(bench, (1, "x", NOON))
    confirmed = bench.confirm(bench.merge({"customers": [(1, "old", NOON), (2, "two", NOON), (3, "zombie", NOON)]}))
    assert bench.rows("SELECT id, name FROM production.customers ORDER BY id") == [(1, "new"), (2, "two")]
    assert confirmed.settled


def test_hostile_text(make: Make) -> None:
    bench = make(PLAIN.replace("integer", "text"), CODES, orphans="delete")
    keys = [
        "a'b",
        'a"b',
        "a\\b",
        "a\nb",
        "a\tb",
        "a%b",
        "a%%sb",
        "{a}",
        "a:b",
        " a",
        "a ",
        "é",
        "e\u0301",
        "\\N",
        "\\.",
        "NULL",
        "null",
        "a|b",
        "~",
        "A",
        "$1",
        "--",
        "/*",
        "\r",
        "ß",
        "\U0001f600",
    ]
    for k in keys:
        src(bench, (k, k, NOON))
    prod(bench, *[(k, "damaged", NOON) for k in keys[::2]])
    confirmed = bench.confirm(bench.merge({"customers": [(k, k, NOON) for k in keys[::3]]}))
    assert confirmed.settled
    assert sorted(bench.rows("SELECT id, name FROM production.customers")) == sorted((k, k) for k in keys)


def test_a_table_outside_that_the_login_may_not_read_is_told_and_not_run_into(make: Make) -> None:
    bench = make(
        PLAIN + "; CREATE TABLE production.orders (id integer PRIMARY KEY, customer integer REFERENCES "
        "production.customers); DROP ROLE IF EXISTS narrow; CREATE ROLE narrow; "
        "GRANT USAGE ON SCHEMA production TO narrow; GRANT ALL ON production.customers TO narrow"
    )
    reload = bench.merge({"customers": [(1, "n", NOON)]})
    statement = "INSERT INTO production.orders (id, customer) VALUES (5, 9)"
    at = datetime.now(timezone.utc)
    bench.cdc.passed_over.append(Skipped(at, statement, "ERROR: SqlState: 23503", "production", "orders"))
    staged = bench.made.ledger.tables(reload.reload_id)
    all_statements = [
        ConfirmStatements(statements, exact=True)
        for statements in merge_statements(reload, bench.made.resolve(), staged, bench.made.config.source.zone)
    ]
    skipped = SkippedStatements(cast(Cdc, bench.cdc), all_statements, reload.opened_at, reload.opened_at)
    bench.on_production("SET ROLE narrow")
    try:
        assert skipped.collect(bench.made.connection) == 0
    finally:
        bench.on_production("RESET ROLE; DROP OWNED BY narrow; DROP ROLE narrow")
    assert "(production.orders 5)" in skipped.open_ends[0]


def test_a_json_column_of_a_row_that_cdc_writes_at_every_pass_is_corrected(make: Make) -> None:
    docs = OracleTable(
        "CUSTOMERS", [_ID, OracleColumn("NAME", "CLOB"), OracleColumn("HITS", "NUMBER(10)"), _AT], ["ID"]
    )
    bench = make(PLAIN.replace("name text", "name json, hits integer"), docs)
    bench.source.execute(b'INSERT INTO "SALES"."CUSTOMERS" VALUES (1, %s, 0, %s)', ('{"a":  1}', LATER))
    reload = bench.merge({"customers": [(1, '{"a":  0}', 0, NOON)]})
    count = [0]

    def go_on() -> None:
        count[0] += 1
        bench.on_source(f'UPDATE "SALES"."CUSTOMERS" SET "HITS" = {count[0]}')
        bench.on_production(f"UPDATE production.customers SET hits = {count[0]}, updated_at = '{LATER}'")

    bench.cdc.steps += [go_on] * 20
    assert bench.confirm(reload).settled
    assert bench.rows("SELECT name::text FROM production.customers") == [('{"a":  1}',)]
