"""What one reload left unconfirmed is looked after by the next, once; and marks of deleted rows are seen as such."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from reload_assets.local.oracle import OracleColumn, OracleTable
from reload_assets.local.postgres import PostgresServer
from reload_assets.reload.parts import group_tables
from reload_assets.tables import ReloadTable, resolve_group
from reload_assets.verify.production import verify_merged
from reload_assets.windows import Window
from reload_assets_tests.integration.confirm_bench import ConfirmBench, confirm_bench
from reload_assets_tests.integration.merge_bench import DAY, EARLIER, GROUP, NOON, UPDATED_AT
from reload_assets_tests.integration.throwaway import throwaway_database

TABLES = [
    OracleTable(
        name,
        [
            OracleColumn("ID", "NUMBER(10)", nullable=False),
            OracleColumn("NAME", "VARCHAR2(40)"),
            OracleColumn("UPDATED_AT", "TIMESTAMP(6)"),
        ],
        ["ID"],
    )
    for name in ("CUSTOMERS", "NOTES")
]
DDL = """
CREATE TABLE production.customers (id bigint PRIMARY KEY, name varchar(40), updated_at timestamp(6), deleted boolean);
CREATE TABLE production.notes (id integer PRIMARY KEY, name varchar(40), updated_at timestamp(6));
"""
SETTINGS = {
    "customers": {**UPDATED_AT, "orphans": "soft_delete", "soft_delete_column": "deleted"},
    "notes": UPDATED_AT,
}


@pytest.fixture(scope="module")
def databases(postgres: PostgresServer) -> Iterator[tuple[str, str]]:
    with throwaway_database(postgres, "taken_up") as target, throwaway_database(postgres, "taken_up") as source:
        yield target, source


@pytest.fixture
def bench(databases: tuple[str, str]) -> Iterator[ConfirmBench]:
    with confirm_bench(*databases, DDL, TABLES, SETTINGS) as made:
        yield made


def left_unconfirmed(bench: ConfirmBench, customer: int = 5) -> int:
    """Reload A brings a customer to the source's state, and its run dies; its id."""
    bench.on_production(f"INSERT INTO production.customers VALUES ({customer}, 'x', '{EARLIER}', false)")
    bench.on_source(f"""INSERT INTO "SALES"."CUSTOMERS" VALUES ({customer}, 'y', '{NOON}')""")
    reload = bench.merge({"customers": [(customer, "y", NOON)], "notes": []})
    bench.made.ledger.give_up_confirm(reload.reload_id, "its run died")
    return reload.reload_id


def status(bench: ConfirmBench, reload_id: int) -> tuple[str, str | None]:
    found = bench.made.ledger.get(reload_id)
    return found.confirm_status, found.confirm_detail


def test_an_earlier_reload_is_confirmed_with_the_one_that_takes_it_up(bench: ConfirmBench) -> None:
    first = left_unconfirmed(bench)
    second = bench.merge({"customers": [(5, "y", NOON)], "notes": []})
    assert bench.confirm(second).settled
    assert status(bench, first) == ("confirmed", f"confirmed with reload {second.reload_id}")
    # A month later the source deletes the row: the policy holds for it again, as this reload has not written it.
    bench.on_source('DELETE FROM "SALES"."CUSTOMERS"')
    assert bench.confirm(bench.merge({"customers": [], "notes": []})).settled
    assert bench.rows("SELECT id, deleted FROM production.customers") == [(5, True)]


def test_rows_that_were_taken_up_are_not_again_by_a_reload_of_some_tables(bench: ConfirmBench) -> None:
    first = left_unconfirmed(bench)
    assert bench.confirm(bench.merge({"customers": [(5, "y", NOON)]})).settled
    # The notes of that reload are still nobody's.
    assert status(bench, first) == ("unconfirmed", "its run died")
    bench.on_source('DELETE FROM "SALES"."CUSTOMERS"')
    bench.confirm(bench.merge({"customers": []}))
    assert bench.rows("SELECT id, deleted FROM production.customers") == [(5, True)]


def test_a_smaller_window_confirms_only_the_rows(bench: ConfirmBench) -> None:
    first = left_unconfirmed(bench)
    half = Window(DAY.start, DAY.start + timedelta(hours=14))
    reload = bench.made.stage({"customers": [(5, "y", NOON)], "notes": []}, half)
    bench.made.merge(reload, awaits_confirm=True)
    assert bench.confirm(bench.made.ledger.get(reload.reload_id)).settled
    assert status(bench, first) == ("unconfirmed", "its run died")
    rows = bench.rows(f"SELECT confirmed_with FROM admin.reload_tables WHERE reload_id = {first}")
    assert rows == [(reload.reload_id,)] * 2


def test_an_unconfirmed_reload_takes_nothing_off_an_earlier_one(bench: ConfirmBench) -> None:
    first = left_unconfirmed(bench)
    second = bench.merge({"customers": [(5, "y", NOON)], "notes": []})
    bench.made.ledger.set_confirm_ended(second.reload_id, "unconfirmed", 1, 0.0, "CDC does not run")
    assert status(bench, first) == ("unconfirmed", "its run died")
    bench.on_source('DELETE FROM "SALES"."CUSTOMERS"')
    bench.confirm(bench.merge({"customers": [], "notes": []}))
    # Written by a reload and lost in the source before anybody confirmed it.
    assert bench.rows("SELECT id FROM production.customers WHERE NOT deleted") == []


def resolved(bench: ConfirmBench) -> ReloadTable:
    with bench.made.target.connect() as connection:
        return resolve_group(group_tables(bench.made.config, GROUP), connection, bench.reader, ["customers"])[0]


@pytest.mark.parametrize(
    ("in_source", "staged", "outcomes"),
    [
        # The source has the row, and production says that it is deleted.
        (True, True, {"window_matches_source": "failed", "staged_in_production": "failed"}),
        # Both sides say that it is deleted.
        (False, False, {"window_matches_source": "passed", "staged_in_production": "passed"}),
    ],
)
@pytest.mark.parametrize("at", [NOON, "2024-12-31 12:00"])
def test_a_marked_row_counts_as_missing(
    bench: ConfirmBench, in_source: bool, staged: bool, outcomes: dict[str, Any], at: str
) -> None:
    row = (7, "z", NOON)
    reload = bench.merge({"customers": [row] if staged else []})
    bench.on_production(
        f"INSERT INTO production.customers VALUES (7, 'z', '{at}', true) ON CONFLICT (id) DO UPDATE SET deleted = true"
    )
    bench.on_production("DELETE FROM admin.reload_changes")
    if in_source:
        bench.on_source(f"""INSERT INTO "SALES"."CUSTOMERS" VALUES (7, 'z', '{NOON}')""")
    found = {
        one.check_name: one
        for one in verify_merged(
            bench.made.target,
            bench.made.config.source.zone,
            reload,
            resolved(bench),
            bench.made.ledger.tables(reload.reload_id)["customers"],
            bench.reader,
        )
    }
    assert {name: found[name].status for name in outcomes} == outcomes
    if in_source:
        assert found["window_matches_source"].facts["missing"] == 1


def changed_key(bench: ConfirmBench, change: str) -> None:
    """Production loses its rows of customers, and its key is another one."""
    bench.on_production("DELETE FROM production.customers")
    bench.on_production(f"ALTER TABLE production.customers {change}")


BIG = 5_000_000_000
IN_TWO_COLUMNS = "DROP CONSTRAINT customers_pkey, ADD PRIMARY KEY (id, name)"


@pytest.mark.parametrize(("written", "change"), [(5, IN_TWO_COLUMNS), (BIG, "ALTER COLUMN id TYPE integer")])
def test_keys_of_before_that_are_no_keys_now_are_left_out_and_said(
    bench: ConfirmBench, written: int, change: str
) -> None:
    first = left_unconfirmed(bench, written)
    changed_key(bench, change)
    bench.on_source('DELETE FROM "SALES"."CUSTOMERS"')
    if change == IN_TWO_COLUMNS:
        bench.on_source(
            'ALTER TABLE "SALES"."CUSTOMERS" DROP CONSTRAINT "PK_CUSTOMERS", ADD PRIMARY KEY ("ID", "NAME")'
        )
    second = bench.merge({"customers": [], "notes": []})
    confirmed = bench.confirm(second)
    assert (
        f"1 rows of production.customers that reload {first} wrote and nobody confirmed were left out, as the key of "
        "the table was another one then"
    ) in confirmed.detail
    # The window is free again, and the next reload has nothing to leave out.
    assert confirmed.settled
    assert status(bench, first) == ("confirmed", f"confirmed with reload {second.reload_id}")
    assert "left out" not in bench.confirm(bench.merge({"customers": [], "notes": []})).detail


def test_a_key_with_another_name_leaves_out_those_of_before(bench: ConfirmBench) -> None:
    left_unconfirmed(bench)
    changed_key(bench, "RENAME COLUMN id TO number")
    bench.on_source('DELETE FROM "SALES"."CUSTOMERS"')
    bench.on_source('ALTER TABLE "SALES"."CUSTOMERS" RENAME COLUMN "ID" TO "NUMBER"')
    confirmed = bench.confirm(bench.merge({"customers": [], "notes": []}))
    assert "were left out" in confirmed.detail
    assert confirmed.settled


def test_keys_of_before_stay_where_todays_key_takes_them(bench: ConfirmBench) -> None:
    first = left_unconfirmed(bench)
    bench.on_production("ALTER TABLE production.customers ALTER COLUMN id TYPE integer")
    second = bench.merge({"customers": [], "notes": []})
    confirmed = bench.confirm(second)
    assert confirmed.settled
    assert "left out" not in confirmed.detail
    assert status(bench, first) == ("confirmed", f"confirmed with reload {second.reload_id}")
    read_again = f"SELECT confirm_keys FROM admin.reload_tables WHERE reload_id = {second.reload_id} ORDER BY id"
    assert bench.rows(read_again)[0] == (1,)
