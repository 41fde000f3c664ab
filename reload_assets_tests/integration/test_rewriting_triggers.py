"""Triggers of production that change what a reload writes: their rows are named, and the confirm ends soon."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from reload_assets.ledger.records import Reload
from reload_assets.local.oracle import OracleColumn, OracleTable
from reload_assets.verify.window_matches_source import compare_with_source
from reload_assets_tests.integration.reload_bench import WINDOW, ReloadBench, reload_bench

Databases = Callable[[str], str]

THINGS = OracleTable(
    "THINGS",
    [
        OracleColumn("ID", "NUMBER(9)", nullable=False),
        OracleColumn("NOTE", "VARCHAR2(10)"),
        OracleColumn("UPDATED_AT", "TIMESTAMP(6)"),
    ],
    ["ID"],
)
DDL = """CREATE TABLE production.things (id integer PRIMARY KEY, note varchar(10), updated_at timestamp);
CREATE FUNCTION production.meddle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {} END $$;
CREATE TRIGGER meddle BEFORE INSERT OR UPDATE ON production.things FOR EACH ROW EXECUTE FUNCTION production.meddle();
ALTER TABLE production.things DISABLE TRIGGER meddle"""


@contextmanager
def staged(new_database: Databases, body: str) -> Iterator[tuple[ReloadBench, Reload]]:
    """A staged reload: row 1 is wrong in production and row 2 is missing there, and the trigger is on."""
    with reload_bench(new_database, [THINGS], DDL.format(body), {"things": {"window_column": "updated_at"}}) as bench:
        bench.on_source(
            """INSERT INTO "SALES"."THINGS" VALUES (1, 'one', '2025-01-03 12:00'), (2, 'two', '2025-01-03 12:00')"""
        )
        bench.drain()
        bench.on_production(
            "UPDATE production.things SET note = 'x' WHERE id = 1; DELETE FROM production.things WHERE id = 2;"
            "ALTER TABLE production.things ENABLE TRIGGER meddle"
        )
        yield bench, bench.stage()


def rows(bench: ReloadBench) -> list[tuple[object, ...]]:
    return bench.on_production("SELECT id, note FROM production.things ORDER BY id")


@pytest.mark.parametrize(
    ("body", "note"),
    [
        ("NEW.note := upper(NEW.note); RETURN NEW;", ["ONE", "TWO"]),
        ("NEW.updated_at := clock_timestamp(); RETURN NEW;", ["one", "two"]),
        ("IF TG_OP = 'INSERT' THEN NEW.note := 'new'; RETURN NEW; END IF; RETURN OLD;", ["x", "new"]),
    ],
)
def test_a_trigger_that_rewrites_rows_is_named_after_few_passes(
    new_database: Databases, body: str, note: list[str]
) -> None:
    with staged(new_database, body) as (bench, reload):
        bench.merge(reload)
        confirmed = bench.confirm(reload)
        assert rows(bench) == [(1, note[0]), (2, note[1])]
        assert (confirmed.settled, confirmed.passes) == (True, 3)
        assert (
            "2 rows of production.things differ from what was written (1; 2), because a trigger of production changes "
            "them (meddle)" in confirmed.detail
        )
        (table,) = bench.resolved(reload)
        with bench.reader() as reader, bench.server.connect(autocommit=True) as connection:
            bounds = WINDOW.in_zone(bench.config.source.zone)
            compared = compare_with_source("window_matches_source", connection, table, bounds, reader, bench.cdc)
        # A version that a trigger sets is newer in production, and no difference of content.
        assert compared.status == ("passed" if "updated_at" in body else "failed")
        if compared.status == "failed":
            assert "the trigger meddle of production.things can change what is written" in compared.detail
