"""A reload keeps its tables as it resolved them; a change of either side's catalog between its steps is noticed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from reload_assets.errors.reloads import DefinitionUnreadable, ProductionChanged
from reload_assets.resolved import definition, resolved_tables
from reload_assets_tests.integration.reload_bench import ReloadBench
from reload_assets_tests.integration.test_cdc_task import INSERT
from reload_assets_tests.integration.test_cdc_task import opened as opened_bench

Databases = Callable[[str], str]
ROWS = "SELECT id, name FROM production.customers ORDER BY id"


@contextmanager
def opened(new_database: Databases) -> Iterator[ReloadBench]:
    with opened_bench(new_database) as bench:
        bench.on_source(INSERT.format(1, "v1", 12))
        bench.drain()
        bench.on_production("DELETE FROM production.customers")
        yield bench


def test_the_ledger_gives_back_the_very_tables(new_database: Databases) -> None:
    with opened(new_database) as bench:
        reload = bench.stage()
        assert resolved_tables(bench.target, reload) == bench.tables()
        assert resolved_tables(bench.target, reload, only=["other"]) == []
        (table,) = bench.tables()
        assert "password" not in definition(table)


def test_tables_as_another_version_described_them_are_refused_by_name(new_database: Databases) -> None:
    with opened(new_database) as bench:
        reload = bench.stage()
        bench.on_production("UPDATE admin.reload_tables SET definition = definition - 'source_schema'")
        with pytest.raises(DefinitionUnreadable, match=rf"{reload.title} was opened by another version .* reload the"):
            bench.merge(reload)
        # Which is what helps.
        again = bench.stage()
        bench.merge(again)
        assert bench.confirm(again).settled
        assert bench.on_production(ROWS) == [(1, "v1")]


CHANGES = {
    "ALTER COLUMN name TYPE varchar(20)": r"name was character varying\(40\) and is character varying\(20\)",
    "ALTER COLUMN name SET NOT NULL": "name is NOT NULL now",
    "RENAME COLUMN name TO title": "name is gone",
    "ADD COLUMN region text NOT NULL": "region is new, NOT NULL and without a default",
    "DROP CONSTRAINT customers_pkey, ALTER COLUMN id SET NOT NULL": r"it has no unique index on \(id\) any more",
    "ADD UNIQUE (id) DEFERRABLE": r"it has a deferrable unique constraint on \(id\) now",
}


STATEMENTS = {
    "CREATE RULE kept AS ON UPDATE TO production.customers DO INSTEAD NOTHING": r"it has new rules \(kept\)",
}


def test_a_change_of_production_between_load_and_merge_is_refused(new_database: Databases) -> None:
    with opened(new_database) as bench:
        reload = bench.stage()
        altered = {f"ALTER TABLE production.customers {change}": said for change, said in CHANGES.items()}
        for change, said in (altered | STATEMENTS).items():
            with bench.target.transaction(force_rollback=True):
                bench.on_production(change)
                with pytest.raises(
                    ProductionChanged,
                    match=rf"^production.customers .* {reload.title} was opened: {said}",
                ):
                    bench.resolved(reload)
        # Each change has been taken back, which is the other thing that the sentence offers.
        assert [table.name for table in bench.resolved(reload)] == ["customers"]


def test_what_does_not_touch_the_staged_rows_may_change(new_database: Databases) -> None:
    with opened(new_database) as bench:
        reload = bench.stage()
        bench.on_production("ALTER TABLE production.customers ADD COLUMN note text, ADD UNIQUE (name)")
        bench.on_production("ALTER TABLE production.customers ALTER COLUMN name SET DEFAULT 'x'")
        bench.merge(reload)
        assert bench.confirm(reload).settled
        assert bench.on_production(ROWS) == [(1, "v1")]


def test_a_change_of_the_source_between_merge_and_confirm_ends_unconfirmed(new_database: Databases) -> None:
    with opened(new_database) as bench:
        reload = bench.stage()
        bench.merge(reload)
        bench.on_source("""COMMENT ON COLUMN "SALES"."CUSTOMERS"."NAME" IS 'VARCHAR2(50)'""")
        confirmed = bench.confirm(reload)
        assert not confirmed.settled
        assert "SALES.CUSTOMERS has changed since" in confirmed.detail
        assert "NAME was VARCHAR2(40) and is VARCHAR2(50)" in confirmed.detail
