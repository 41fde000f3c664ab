"""Ordinary things of a schema that a reload meets in production: domains, rules, row security, blank keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from reload_assets.confirm.reread import ReaderRows
from reload_assets.errors.tables import RewriteRules, RowSecurity
from reload_assets.local.oracle import OracleColumn, OracleTable
from reload_assets.local.postgres import PostgresServer
from reload_assets_tests.integration.confirm_bench import ConfirmBench, confirm_bench
from reload_assets_tests.integration.merge_bench import LATER, NOON, UPDATED_AT
from reload_assets_tests.integration.throwaway import throwaway_database

_AT = OracleColumn("UPDATED_AT", "TIMESTAMP(6)")
CUSTOMERS = OracleTable(
    "CUSTOMERS", [OracleColumn("ID", "NUMBER(10)", nullable=False), OracleColumn("NAME", "VARCHAR2(40)"), _AT], ["ID"]
)
Make = Callable[..., ConfirmBench]


@pytest.fixture(scope="module")
def databases(postgres: PostgresServer) -> Iterator[tuple[str, str]]:
    with throwaway_database(postgres, "found_target") as target, throwaway_database(postgres, "found") as source:
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


TITLED = (
    "DROP DOMAIN IF EXISTS public.title; CREATE DOMAIN public.title AS varchar(20) NOT NULL; "
    "CREATE TABLE production.customers (id integer PRIMARY KEY, name public.title, updated_at timestamp)"
)


def test_a_domain_that_does_not_allow_null_keeps_no_reload_from_being_confirmed(make: Make) -> None:
    bench = make(TITLED)
    bench.on_source(f"""INSERT INTO "SALES"."CUSTOMERS" VALUES (1, 'new', '{LATER}')""")
    reload = bench.merge({"customers": [(1, "old", NOON)]})
    assert bench.confirm(reload).settled
    assert bench.rows("SELECT id, name FROM production.customers") == [(1, "new")]


def test_a_row_that_does_not_fit_is_told_beside_a_domain_that_does_not_allow_null(make: Make) -> None:
    bench = make(TITLED)
    bench.on_source(f"""INSERT INTO "SALES"."CUSTOMERS" VALUES (1, '{"x" * 30}', '{LATER}')""")
    confirmed = bench.confirm(bench.merge({"customers": [(1, "old", NOON)]}))
    assert not confirmed.settled
    assert "1 rows could not be corrected: customers 1" in confirmed.detail


@pytest.mark.parametrize(
    "rule",
    [
        "ON INSERT TO production.customers DO ALSO NOTHING",
        "ON DELETE TO production.customers DO INSTEAD NOTHING",
        "ON DELETE TO production.customers DO ALSO NOTIFY changed",
        "ON UPDATE TO production.customers DO ALSO NOTIFY changed",
    ],
)
def test_rules_that_rewrite_statements_are_refused_before_the_load(make: Make, rule: str) -> None:
    bench = make(
        "CREATE TABLE production.customers (id integer PRIMARY KEY, name text, updated_at timestamp);"
        f"CREATE RULE aside AS {rule}"
    )
    with pytest.raises(RewriteRules, match=r"target: production\.customers .*\(aside\)"):
        bench.made.resolve()
    bench.on_production("ALTER TABLE production.customers DISABLE RULE aside")
    bench.made.resolve()


def test_row_security_that_hides_rows_from_the_login_is_refused(make: Make) -> None:
    bench = make(
        "CREATE TABLE production.customers (id integer PRIMARY KEY, name text, updated_at timestamp);"
        "ALTER TABLE production.customers ENABLE ROW LEVEL SECURITY; DROP ROLE IF EXISTS half_blind;"
        "CREATE ROLE half_blind; GRANT USAGE ON SCHEMA production TO half_blind;"
        "GRANT ALL ON production.customers TO half_blind;"
        "CREATE POLICY few ON production.customers USING (id > 10)"
    )
    bench.made.resolve()
    bench.on_production("SET ROLE half_blind")
    try:
        with pytest.raises(RowSecurity, match="production.customers"):
            bench.made.resolve()
    finally:
        bench.on_production("RESET ROLE; DROP OWNED BY half_blind; DROP ROLE half_blind")


def test_columns_named_as_aliases(make: Make) -> None:
    names = [
        "s",
        "p",
        "d",
        "k",
        "r",
        "n",
        "b",
        "c1",
        "is_recent",
        "version_seen",
        "key",
        "before",
        "place",
        "seen",
        "outcome",
        "moves",
        "verdict",
        "user",
        "select",
        "% done",
        "a b",
        'q"q',
    ]
    table = OracleTable(
        "CUSTOMERS",
        [
            OracleColumn("ID", "NUMBER(10)", nullable=False),
            *(OracleColumn(n.upper(), "VARCHAR2(40)") for n in names),
            _AT,
        ],
        ["ID"],
    )
    columns = ", ".join('"{}" text'.format(n.replace('"', '""')) for n in names)
    bench = make(f"CREATE TABLE production.customers (id integer PRIMARY KEY, {columns}, updated_at timestamp)", table)
    new = ", ".join(["'new'"] * len(names))
    bench.on_source(f"""INSERT INTO "SALES"."CUSTOMERS" VALUES (1, {new}, '{LATER}'), (3, {new}, '{LATER}')""")
    bench.on_production(f"INSERT INTO production.customers VALUES (3, {new}, '{LATER}'), (4, {new}, '{LATER}')")
    reload = bench.merge({"customers": [(1, *["old"] * len(names), NOON), (2, *["old"] * len(names), NOON)]})
    count = [0]

    def go_on() -> None:
        count[0] += 1
        bench.on_source(f'UPDATE "SALES"."CUSTOMERS" SET "S" = {count[0]}')
        bench.on_production(f"UPDATE production.customers SET s = {count[0]}")

    bench.cdc.steps += [go_on] * 12
    confirmed = bench.confirm(reload, arbiter=ReaderRows(bench.reader))
    assert confirmed.settled
    assert bench.rows("SELECT id, p FROM production.customers ORDER BY id") == [(1, "new"), (3, "new"), (4, "new")]


def test_two_hundred_columns(make: Make) -> None:
    names = [f"x{n}" for n in range(300)]
    table = OracleTable(
        "CUSTOMERS",
        [
            OracleColumn("ID", "NUMBER(10)", nullable=False),
            *(OracleColumn(n.upper(), "VARCHAR2(40)") for n in names),
            _AT,
        ],
        ["ID"],
    )
    columns = ", ".join(f'"{n}" varchar(40)' for n in names)
    bench = make(f"CREATE TABLE production.customers (id integer PRIMARY KEY, {columns}, updated_at timestamp)", table)
    new = ", ".join(["'new'"] * len(names))
    bench.on_source(f"""INSERT INTO "SALES"."CUSTOMERS" VALUES (1, {new}, '{LATER}'), (3, {new}, '{LATER}')""")
    reload = bench.merge({"customers": [(1, *["old"] * len(names), NOON), (2, *["old"] * len(names), NOON)]})
    assert bench.confirm(reload).settled
    assert bench.rows("SELECT id, x299 FROM production.customers ORDER BY id") == [(1, "new"), (3, "new")]
