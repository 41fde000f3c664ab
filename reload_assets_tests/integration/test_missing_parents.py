"""Keys whose rows have parents that production lacks: these are added, and the rows can be written."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from reload_assets.errors.tables import RewriteRules
from reload_assets.ledger.records import CheckResult, Key, Opening
from reload_assets.local.oracle import OracleColumn, OracleTable
from reload_assets.reload.parents import with_missing_parents
from reload_assets.verify.staging import staging_checks
from reload_assets_tests.integration.reload_bench import GROUP, ReloadBench, reload_bench

AT = OracleColumn("UPDATED_AT", "TIMESTAMP(6)")
OPTIONS: dict[str, Any] = {"window_column": "updated_at"}


def number(name: str, *, nullable: bool = True) -> OracleColumn:
    return OracleColumn(name, "NUMBER(10)", nullable=nullable)


def completed(bench: ReloadBench, keys: Mapping[str, Sequence[Key]]) -> dict[str, list[Key]]:
    with bench.reader() as reader:
        found = with_missing_parents(bench.config, bench.server, reader, GROUP, keys)
    return {name: sorted(some) for name, some in found.items()}


def reload(bench: ReloadBench, keys: Mapping[str, Sequence[Key]]) -> None:
    """Load, merge and confirm these keys."""
    found = completed(bench, keys)
    opening = Opening(GROUP, None, None, "request-1", "me", "", str(uuid.uuid4()), None, keys=found)
    opened = bench.load.open(opening, list(found), run_is_live=lambda _: False)
    bench.load.create_task(opened)
    bench.load.start_task(bench.ledger.get(opened.reload_id))
    bench.load.wait(bench.ledger.get(opened.reload_id), lambda _: None)
    for name in bench.load.finish(bench.ledger.get(opened.reload_id)):
        passed = [CheckResult(name, check, "passed", True, "") for check in staging_checks(opened)]
        bench.ledger.record_checks(opened.reload_id, name, passed)
    bench.merge(opened)
    assert bench.confirm(opened).settled


def test_parents_of_parents_are_added_also_in_the_same_table_and_in_a_circle(
    new_database: Callable[[str], str],
) -> None:
    """Each employee has a manager and a department, and each department has a head."""
    tables = [
        OracleTable("DEPARTMENTS", [number("ID", nullable=False), number("HEAD"), AT], ["ID"]),
        OracleTable("EMPLOYEES", [number("ID", nullable=False), number("MANAGER"), number("DEPARTMENT"), AT], ["ID"]),
    ]
    ddl = """
    CREATE TABLE production.departments (id integer PRIMARY KEY, head integer, updated_at timestamp(6));
    CREATE TABLE production.employees (
        id integer PRIMARY KEY, manager integer REFERENCES production.employees,
        department integer REFERENCES production.departments, updated_at timestamp(6)
    );
    ALTER TABLE production.departments
    ADD FOREIGN KEY (head) REFERENCES production.employees DEFERRABLE INITIALLY DEFERRED;
    """
    with reload_bench(new_database, tables, ddl, {"departments": OPTIONS, "employees": OPTIONS}) as bench:
        bench.on_source("""INSERT INTO "SALES"."DEPARTMENTS" VALUES (1, 10, '2025-01-03'), (2, 20, '2025-01-03')""")
        bench.on_source(
            """INSERT INTO "SALES"."EMPLOYEES" VALUES (10, NULL, 1, '2025-01-03'), (11, 10, 1, '2025-01-03'),
            (12, 11, 1, '2025-01-03'), (13, 12, 1, '2025-01-03'), (20, 10, 2, '2025-01-03')"""
        )
        bench.drain()
        everything = "SELECT id FROM production.employees UNION ALL SELECT id FROM production.departments ORDER BY 1"
        assert len(bench.on_production(everything)) == 7
        with bench.target.transaction():
            bench.on_production("SET CONSTRAINTS ALL DEFERRED; UPDATE production.departments SET head = NULL")
            bench.on_production("DELETE FROM production.employees WHERE id IN (13, 12, 11, 20)")
            bench.on_production("DELETE FROM production.departments WHERE id = 2")

        # 10 and department 1 are there.
        assert completed(bench, {"employees": [("13",)]}) == {"employees": [("11",), ("12",), ("13",)]}
        assert completed(bench, {"departments": [("2",)]}) == {"departments": [("2",)], "employees": [("20",)]}
        reload(bench, {"employees": [("13",), ("20",)]})
        assert len(bench.on_production(everything)) == 7


def test_a_parent_is_found_by_the_unique_key_to_which_the_foreign_key_refers(
    new_database: Callable[[str], str],
) -> None:
    """The table is reloaded by its number; its children know it by region and code, one of them renamed."""
    code = OracleColumn("CODE", "VARCHAR2(10)")
    tables = [
        OracleTable("SHOPS", [number("ID", nullable=False), number("REGION"), code, AT], ["ID"]),
        OracleTable("SALES", [number("ID", nullable=False), code, number("REGION"), AT], ["ID"]),
    ]
    ddl = """
    CREATE TABLE production.shops (
        id integer PRIMARY KEY, region integer, shop_code varchar(10), updated_at timestamp(6),
        UNIQUE (region, shop_code)
    );
    CREATE TABLE production.sales (
        id integer PRIMARY KEY, code varchar(10), region integer, updated_at timestamp(6),
        FOREIGN KEY (code, region) REFERENCES production.shops (shop_code, region)
    );
    """
    options = {"shops": {**OPTIONS, "columns": {"shop_code": "CODE"}}, "sales": OPTIONS}
    with reload_bench(new_database, tables, ddl, options, replicated=["SALES"]) as bench:
        bench.on_source(
            """INSERT INTO "SALES"."SHOPS" VALUES (1, 1, 'a', '2025-01-03'), (2, 1, 'b', '2025-01-03'),
            (3, 2, 'a', '2025-01-03')"""
        )
        bench.on_production("INSERT INTO production.shops VALUES (1, 1, 'a', '2025-01-03')")
        bench.on_source(
            """INSERT INTO "SALES"."SALES" VALUES (1, 'a', 1, '2025-01-03'), (2, 'a', 2, '2025-01-03'),
            (3, 'b', NULL, '2025-01-03'), (4, 'b', 1, '2025-01-03')"""
        )
        found = completed(bench, {"sales": [("1",), ("2",), ("3",)]})
        assert found == {"sales": [("1",), ("2",), ("3",)], "shops": [("3",)]}
        # A parent that the source does not have cannot be brought.
        bench.on_source("""UPDATE "SALES"."SALES" SET "CODE" = 'gone' WHERE "ID" = 2""")
        assert completed(bench, {"sales": [("2",)]}) == {"sales": [("2",)]}


ZONES = "CREATE TABLE production.zones (id integer PRIMARY KEY, updated_at timestamp(6))"
BRANCHES = "CREATE TABLE production.branches (id integer PRIMARY KEY, zone integer {}, updated_at timestamp(6))"
OF_PARTS = {
    "refers to a partition": f"""
    {ZONES} PARTITION BY RANGE (id);
    CREATE TABLE production.zones_1 PARTITION OF production.zones DEFAULT;
    {BRANCHES.format("REFERENCES production.zones_1")};
    """,
    "of a partition": f"""
    {ZONES};
    {BRANCHES.format("")} PARTITION BY RANGE (id);
    CREATE TABLE production.branches_1 PARTITION OF production.branches DEFAULT;
    ALTER TABLE production.branches_1 ADD FOREIGN KEY (zone) REFERENCES production.zones;
    """,
}


@pytest.mark.parametrize("kind", OF_PARTS)
def test_parents_come_first_also_by_a_foreign_key_of_partitions(new_database: Callable[[str], str], kind: str) -> None:
    tables = [
        OracleTable("ZONES", [number("ID", nullable=False), AT], ["ID"]),
        OracleTable("BRANCHES", [number("ID", nullable=False), number("ZONE"), AT], ["ID"]),
    ]
    # The configuration names the children first.
    options = {"branches": OPTIONS, "zones": OPTIONS}
    with reload_bench(new_database, tables, OF_PARTS[kind], options) as bench:
        bench.on_source("""INSERT INTO "SALES"."ZONES" VALUES (1, '2025-01-03'), (2, '2025-01-03')""")
        bench.on_source("""INSERT INTO "SALES"."BRANCHES" VALUES (1, 1, '2025-01-03'), (2, 2, '2025-01-03')""")
        bench.drain()
        everything = "SELECT id FROM production.branches UNION ALL SELECT id FROM production.zones ORDER BY 1"
        for by_key in (True, False):
            bench.on_production(
                "DELETE FROM production.branches WHERE id = 2; DELETE FROM production.zones WHERE id = 2"
            )
            if by_key:
                assert completed(bench, {"branches": [("2",)]}) == {"branches": [("2",)], "zones": [("2",)]}
                reload(bench, {"branches": [("2",)]})
            else:
                staged = bench.stage()
                bench.merge(staged)
                assert bench.confirm(staged).settled
            assert [number for (number,) in bench.on_production(everything)] == [1, 1, 2, 2]


@pytest.mark.parametrize("referred", [False, True])
def test_a_table_of_the_group_that_cannot_be_reloaded_is_no_obstacle(
    new_database: Callable[[str], str], referred: bool
) -> None:
    tables = [
        OracleTable("ORDERS", [number("ID", nullable=False), number("SHOP"), AT], ["ID"]),
        OracleTable("SHOPS", [number("ID", nullable=False), AT], ["ID"]),
    ]
    reference = "REFERENCES production.shops (id)" if referred else ""
    ddl = f"""
    CREATE TABLE production.shops (id integer PRIMARY KEY, updated_at timestamp(6));
    CREATE TABLE production.orders (id integer PRIMARY KEY, shop integer {reference}, updated_at timestamp(6));
    """
    with reload_bench(new_database, tables, ddl, {"shops": OPTIONS, "orders": OPTIONS}) as bench:
        bench.on_source("""INSERT INTO "SALES"."SHOPS" VALUES (7, '2025-01-03')""")
        bench.on_source("""INSERT INTO "SALES"."ORDERS" VALUES (1, 7, '2025-01-03')""")
        bench.drain()
        bench.on_production("CREATE RULE kept AS ON DELETE TO production.shops DO ALSO NOTHING")
        with pytest.raises(RewriteRules):
            bench.tables()
        assert completed(bench, {"orders": [("1",)]}) == {"orders": [("1",)]}
