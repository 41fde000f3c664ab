"""After a confirm that production refused something: what its reason asks for, and a second confirm, settle it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

import pytest

from reload_assets.errors.merge import CorrectionsContended
from reload_assets.local.oracle import OracleColumn, OracleTable
from reload_assets.local.postgres import PostgresServer
from reload_assets.windows import Window
from reload_assets_tests.integration.confirm_bench import ConfirmBench, confirm_bench
from reload_assets_tests.integration.merge_bench import LATER, NOON, UPDATED_AT, Rows
from reload_assets_tests.integration.throwaway import throwaway_database

TABLES = [
    OracleTable(
        name,
        [
            OracleColumn("ID", "NUMBER(10)", nullable=False),
            OracleColumn("NAME", "VARCHAR2(40)"),
            OracleColumn("PARENT", "NUMBER(10)"),
            OracleColumn("UPDATED_AT", "TIMESTAMP(6)"),
        ],
        ["ID"],
    )
    for name in ("CUSTOMERS", "OTHERS")
]
DDL = """
CREATE TABLE production.others (id integer PRIMARY KEY, name varchar(40), parent integer, updated_at timestamp(6));
CREATE TABLE production.customers (id integer PRIMARY KEY, name varchar(40), parent integer, updated_at timestamp(6));
"""
SETTINGS = {"customers": {**UPDATED_AT, "orphans": "delete"}, "others": UPDATED_AT}
JULY = Window(datetime(2024, 7, 1, tzinfo=timezone.utc), datetime(2024, 7, 2, tzinfo=timezone.utc))
IN_JULY = "2024-07-01 12:00:00"
AGAIN = "materialize production of the window again"


@pytest.fixture(scope="module")
def databases(postgres: PostgresServer) -> Iterator[tuple[str, str]]:
    with throwaway_database(postgres, "again") as target, throwaway_database(postgres, "again") as source:
        yield target, source


@pytest.fixture
def bench(databases: tuple[str, str]) -> Iterator[ConfirmBench]:
    with confirm_bench(*databases, DDL, TABLES, SETTINGS) as made:
        yield made


@dataclass(frozen=True)
class Case:
    """``cause`` keeps customer 1 of production from becoming what the source has; ``fix`` is what the reason asks for.

    ``july``: the window of another day, whose rows are these in the source, is reloaded before ``fix``.
    """

    reason: str
    cause: str
    fix: str = "SELECT 1"
    in_source: str = f"(1, 'new', NULL, '{LATER}')"
    july: tuple[str, Rows] | None = None


NO = "CREATE FUNCTION production.no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {} END $$;"
TRIGGER = "CREATE TRIGGER no BEFORE UPDATE ON production.customers FOR EACH ROW EXECUTE FUNCTION production.no()"
CASES = {
    "a rule": Case(
        "fix the row in the source or the rule in production",
        "ALTER TABLE production.customers ADD CONSTRAINT not_new CHECK (name <> 'new')",
        "ALTER TABLE production.customers DROP CONSTRAINT not_new",
    ),
    "a trigger": Case(
        "have the trigger let the login of target.connection pass",
        NO.format("RETURN NULL;") + TRIGGER,
        "DROP TRIGGER no ON production.customers",
    ),
    "a missing parent": Case(
        "reload the window of the row that it refers to",
        "ALTER TABLE production.customers ADD CONSTRAINT of_one FOREIGN KEY (parent) REFERENCES production.others",
        in_source=f"(1, 'new', 7, '{LATER}')",
        july=("others", [(7, "parent", None, IN_JULY)]),
    ),
    "a value that another row has": Case(
        "the source still has that row; reload the window of that time",
        "ALTER TABLE production.customers ADD UNIQUE (name);"
        f"INSERT INTO production.customers VALUES (2, 'new', NULL, '{IN_JULY}')",
        in_source=f"(1, 'new', NULL, '{LATER}'), (2, 'new', NULL, '{IN_JULY}')",
        july=("customers", [(2, "renamed", None, IN_JULY)]),
    ),
    "a row that refers to it": Case(
        "reload their windows, or delete them or let them refer to another row",
        "CREATE TABLE production.visits (customer integer CONSTRAINT visited REFERENCES production.customers);"
        "INSERT INTO production.visits VALUES (1)",
        "DELETE FROM production.visits",
        in_source="",
    ),
}


def in_production(bench: ConfirmBench) -> list[tuple[Any, ...]]:
    return bench.rows("SELECT id, name, parent FROM production.customers WHERE id = 1")


@pytest.mark.parametrize("case", CASES.values(), ids=[*CASES])
def test_what_the_reason_asks_for_settles_it(bench: ConfirmBench, case: Case) -> None:
    if case.in_source:
        bench.on_source(f'INSERT INTO "SALES"."CUSTOMERS" VALUES {case.in_source}')
    reload = bench.merge({"customers": [(1, "old", None, NOON)]})
    bench.on_production(case.cause)
    refused = bench.confirm(reload)
    assert not refused.settled
    assert case.reason in refused.detail
    assert AGAIN in refused.detail
    assert in_production(bench) == [(1, "old", None)]
    if case.july:
        table, rows = case.july
        for row in rows:
            bench.source.execute(f'DELETE FROM "SALES"."{table.upper()}" WHERE "ID" = %s'.encode(), row[:1])
            bench.source.execute(f'INSERT INTO "SALES"."{table.upper()}" VALUES (%s, %s, %s, %s)'.encode(), row)
        other = bench.made.stage({table: rows}, JULY)
        bench.made.merge(other)
    bench.on_production(case.fix)
    settled = bench.confirm(bench.made.ledger.get(reload.reload_id))
    assert settled.settled, settled.detail
    assert AGAIN not in settled.detail
    assert [row[:2] for row in in_production(bench)] == ([(1, "new")] if case.in_source else [])


def test_a_transaction_that_ends_lets_the_corrections_in(bench: ConfirmBench) -> None:
    bench.on_source(f"""INSERT INTO "SALES"."CUSTOMERS" VALUES (1, 'new', NULL, '{LATER}')""")
    reload = bench.merge({"customers": [(1, "old", None, NOON)]})
    with bench.made.writer() as other:
        other.execute("SELECT * FROM production.customers FOR UPDATE")
        with pytest.raises(CorrectionsContended, match=f"end that transaction, then {AGAIN}"):
            bench.confirm(reload, lock_timeout_ms=50, attempts=2)
    assert bench.confirm(bench.made.ledger.get(reload.reload_id)).settled
    assert in_production(bench) == [(1, "new", None)]
