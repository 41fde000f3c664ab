"""Confirm: a correction that production refuses is named with its reason, and keeps no other from being made."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from reload_assets.local.oracle import OracleColumn, OracleTable
from reload_assets.local.postgres import PostgresServer
from reload_assets_tests.integration.confirm_bench import ConfirmBench, confirm_bench
from reload_assets_tests.integration.merge_bench import LATER, NOON, UPDATED_AT
from reload_assets_tests.integration.throwaway import throwaway_database

CUSTOMERS = OracleTable(
    "CUSTOMERS",
    [
        OracleColumn("ID", "NUMBER(10)", nullable=False),
        OracleColumn("NAME", "VARCHAR2(40)"),
        OracleColumn("UPDATED_AT", "TIMESTAMP(6)"),
    ],
    ["ID"],
)
DDL = "CREATE TABLE production.customers (id integer PRIMARY KEY, name {}, updated_at timestamp(6))"
RAISES = """; CREATE FUNCTION production.no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF NEW.id = 5 THEN RAISE EXCEPTION 'row 5 is posted' {}; END IF; RETURN NEW; END $$;
    CREATE TRIGGER no BEFORE UPDATE ON production.customers FOR EACH ROW EXECUTE FUNCTION production.no()"""
DOMAIN = "DROP DOMAIN IF EXISTS public.short CASCADE; CREATE DOMAIN public.short AS varchar CHECK (value <> 'new 5');"
ALL = "SELECT id, name FROM production.customers ORDER BY id"
KEYS = range(1, 10)

Make = Callable[[str], ConfirmBench]
MODES: list[dict[str, Any]] = [{}, {"attempts": 1}, {"mode": "chunked", "chunk_rows": 4}]


@pytest.fixture(scope="module")
def databases(postgres: PostgresServer) -> Iterator[tuple[str, str]]:
    with throwaway_database(postgres, "refusals_target") as target, throwaway_database(postgres, "refusals") as source:
        yield target, source


@pytest.fixture
def make(databases: tuple[str, str]) -> Iterator[Make]:
    made: list[Any] = []

    def one(ddl: str) -> ConfirmBench:
        tables = {"customers": {**UPDATED_AT, "orphans": "delete"}}
        entered = confirm_bench(*databases, ddl, [CUSTOMERS], tables)
        made.append(entered)
        return entered.__enter__()

    yield one
    for entered in made:
        entered.__exit__(None, None, None)


def source_has(bench: ConfirmBench, **rows: str) -> None:
    values = ", ".join(f"({key[1:]}, '{name}', '{LATER}')" for key, name in rows.items())
    bench.on_source(f'INSERT INTO "SALES"."CUSTOMERS" VALUES {values}')


def names(bench: ConfirmBench) -> list[str]:
    return [name for _, name in bench.rows(ALL)]


@pytest.mark.parametrize(
    ("ddl", "reason", "mode"),
    [
        *((DDL.format("varchar(40)") + RAISES.format(""), "SQLSTATE P0001: row 5 is posted; fix", m) for m in MODES),
        (
            DDL.format("varchar(40)") + RAISES.format("USING ERRCODE = 'ZX001'"),
            "SQLSTATE ZX001: row 5 is posted; fix",
            MODES[0],
        ),
        (
            DDL.format("varchar(40) CONSTRAINT fine CHECK (name <> 'new 5')"),
            "check constraint fine of production.customers, SQLSTATE 23514: ",
            MODES[2],
        ),
        (DDL.format("varchar(8)"), "SQLSTATE 22001: value too long for type character varying(8); fix", MODES[1]),
        (DOMAIN + DDL.format("public.short"), "SQLSTATE 23514: value for domain short violates check", MODES[2]),
    ],
    ids=["raise", "raise at once", "raise in chunks", "its own state", "check", "too long", "domain"],
)
def test_a_refused_update_keeps_no_other_from_being_made(
    make: Make, ddl: str, reason: str, mode: dict[str, Any]
) -> None:
    bench = make(ddl)
    long = "too long!" if "varchar(8)" in ddl else "new 5"
    source_has(bench, **{f"k{key}": long if key == 5 else f"new {key}" for key in KEYS})
    rows = [(key, f"old {key}", NOON) for key in KEYS]
    confirmed = bench.confirm(bench.merge({"customers": [*rows, (10, "zombie", NOON)]}), **mode)
    assert names(bench) == [f"old {key}" if key == 5 else f"new {key}" for key in KEYS]
    assert not confirmed.settled
    assert confirmed.corrections == len(KEYS)
    assert "1 rows could not be corrected: customers 5 (" in confirmed.detail
    assert reason in confirmed.detail
    assert "new 5" not in confirmed.detail
    assert sorted(key["id"] for _, key, _ in bench.audit()) == [1, 2, 3, 4, 6, 7, 8, 9, 10]


@pytest.mark.parametrize(("deferred", "mode"), [("", MODES[0]), *(("DEFERRABLE INITIALLY DEFERRED", m) for m in MODES)])
def test_a_refused_delete_keeps_no_other_from_being_made(make: Make, deferred: str, mode: dict[str, Any]) -> None:
    bench = make(
        DDL.format("varchar(40)") + "; CREATE TABLE production.visits (customer integer CONSTRAINT visited REFERENCES "
        f"production.customers {deferred})"
    )
    source_has(bench, k1="new")
    bench.on_production(f"INSERT INTO production.customers SELECT n, 'x', '{NOON}' FROM generate_series(2, 9) AS n")
    bench.on_production("INSERT INTO production.visits VALUES (5)")
    confirmed = bench.confirm(bench.merge({"customers": [(1, "old", NOON)]}), **mode)
    assert bench.rows(ALL) == [(1, "new"), (5, "x")]
    assert "customers 5 (1 row(s) of production.visits refer to it (foreign key visited); reload" in confirmed.detail
    assert len(bench.audit()) == 8


def test_a_row_without_a_partition_is_named_with_what_helps(make: Make) -> None:
    bench = make(
        DDL.format("varchar(40)") + " PARTITION BY RANGE (id); CREATE TABLE production.low PARTITION OF "
        "production.customers FOR VALUES FROM (0) TO (100)"
    )
    source_has(bench, k1="new", k150="far")
    reload = bench.merge({"customers": [(1, "old", NOON)]})
    confirmed = bench.confirm(reload)
    assert bench.rows(ALL) == [(1, "new")]
    assert "customers 150 (SQLSTATE 23514: no partition of relation" in confirmed.detail
    assert "found for row; create a partition of production.customers for the row)" in confirmed.detail
    bench.on_production("CREATE TABLE production.high PARTITION OF production.customers FOR VALUES FROM (100) TO (200)")
    assert bench.confirm(reload).settled
    assert bench.rows(ALL) == [(1, "new"), (150, "far")]


def test_each_reason_is_told_with_its_rows(make: Make) -> None:
    bench = make(DDL.format("varchar(40) UNIQUE") + RAISES.format(""))
    source_has(bench, k1="taken", k2="new", k5="new 5")
    bench.on_source("INSERT INTO \"SALES\".\"CUSTOMERS\" VALUES (9, 'taken', '2024-06-01')")
    bench.on_production("INSERT INTO production.customers VALUES (9, 'taken', '2024-06-01')")
    rows = [(1, "one", NOON), (2, "two", NOON), (5, "five", NOON)]
    confirmed = bench.confirm(bench.merge({"customers": rows}))
    assert bench.rows(ALL) == [(1, "one"), (2, "new"), (5, "five"), (9, "taken")]
    assert "2 rows could not be corrected: customers " in confirmed.detail
    assert "customers 5 (SQLSTATE P0001: row 5 is posted; fix the row in the source" in confirmed.detail
    assert (
        "customers 1 (unique constraint customers_name_key of production.customers: (id)=(9), whose updated_at "
        "is 2024-06-01 00:00:00, has the value; the source still has that row; reload the window of that time)"
        in confirmed.detail
    )


@pytest.mark.parametrize(
    ("unique", "poisoned", "mode"),
    [
        ("UNIQUE", False, MODES[1]),
        ("UNIQUE", True, MODES[2]),
        ("NOT NULL UNIQUE", False, MODES[2]),
        ("NOT NULL UNIQUE", True, MODES[0]),
        ("UNIQUE NULLS NOT DISTINCT", True, MODES[1]),
        ("UNIQUE DEFERRABLE", True, MODES[2]),
        ("UNIQUE DEFERRABLE INITIALLY DEFERRED", False, MODES[0]),
        ("UNIQUE DEFERRABLE INITIALLY DEFERRED", True, MODES[1]),
        ("; CREATE UNIQUE INDEX ON production.customers (lower(name)) WHERE name <> 'none'", True, MODES[1]),
        (", EXCLUDE USING hash (name WITH =)", False, MODES[1]),
    ],
)
def test_unique_values_that_swap_or_shift_are_moved(
    make: Make, unique: str, poisoned: bool, mode: dict[str, Any]
) -> None:
    column, semicolon, index = unique.partition(";")
    bench = make(f"{DDL.format(f'varchar(8) {column}')}{semicolon}{index}")
    rows = {1: "b", 2: "a", **{key: f"p{key % 6}" for key in range(11, 17)}, 20: "z", 21: "free", 30: "x"}
    loaded = {1: "a", 2: "b", **{key: f"p{(key + 1) % 6}" for key in range(11, 17)}, 20: "free", 21: "y", 30: "x"}
    if poisoned:
        rows[5], loaded[5] = "too long!", "old"
    source_has(bench, **{f"k{key}": name for key, name in rows.items()})
    confirmed = bench.confirm(
        bench.merge({"customers": [(key, name, NOON) for key, name in sorted(loaded.items())]}), **mode
    )
    if poisoned:
        rows[5] = "old"
    assert dict(bench.rows(ALL)) == rows
    assert confirmed.settled == (not poisoned)
    before = bench.rows("SELECT key ->> 'id', before ->> 'name' FROM admin.reload_changes WHERE step = 'confirm'")
    assert {int(key): name for key, name in before if int(key) not in (5, 30)} == {
        key: name for key, name in loaded.items() if key not in (5, 30)
    }


def test_rows_that_refer_to_each_other_are_written_whatever_their_order(make: Make) -> None:
    # Beside a row that is refused: the chunks know nothing of who refers to whom.
    bench = make(
        DDL.format("varchar(8)") + "; ALTER TABLE production.customers ADD FOREIGN KEY (id) REFERENCES "
        "production.customers DEFERRABLE"
    )
    source_has(bench, **{f"k{key}": "too long!" if key == 5 else "new" for key in KEYS})
    confirmed = bench.confirm(bench.merge({"customers": [(key, "old", NOON) for key in KEYS]}))
    assert confirmed.corrections == len(KEYS) - 1


def test_chunks_are_transactions_of_their_own(make: Make) -> None:
    bench = make(DDL.format("varchar(40)"))
    source_has(bench, **{f"k{key}": "new" for key in KEYS})
    bench.on_production(f"INSERT INTO production.customers SELECT n, 'x', '{NOON}' FROM generate_series(11, 20) AS n")
    reload = bench.merge({"customers": [(key, "old", NOON) for key in KEYS]})
    assert bench.confirm(reload, mode="chunked", chunk_rows=4).settled
    assert names(bench) == ["new"] * 9
    sizes = bench.rows(
        "SELECT count(*) FROM admin.reload_changes WHERE step = 'confirm' GROUP BY xmin, operation "
        "ORDER BY min(change_id)"
    )
    assert [size for (size,) in sizes] == [4, 4, 2, 4, 4, 1]


def test_many_corrections_beside_a_busy_cdc_come_to_their_end_in_chunks(make: Make) -> None:
    bench = make(
        DDL.format("varchar(40)")
        + """; CREATE FUNCTION production.slow() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN PERFORM pg_sleep(0.01); RETURN OLD; END $$;
        CREATE TRIGGER slow BEFORE DELETE ON production.customers FOR EACH ROW EXECUTE FUNCTION production.slow()"""
    )
    bench.on_production(f"INSERT INTO production.customers SELECT n, 'x', '{NOON}' FROM generate_series(1, 80) AS n")
    reload = bench.merge({"customers": []})
    ended = threading.Event()

    def be_busy() -> None:
        with psycopg.connect(bench.made.url, autocommit=True) as cdc:
            number = 0
            while not ended.is_set():
                # It waits for whoever holds a row, as an update of CDC's would.
                cdc.execute(f"SELECT FROM production.customers WHERE id = {1 + number % 80} FOR KEY SHARE".encode())
                number += 7

    busy = threading.Thread(target=be_busy)
    busy.start()
    try:
        confirmed = bench.confirm(reload, mode="chunked", chunk_rows=80, stall_limit_ms=200, attempts=10)
    finally:
        ended.set()
        busy.join()
    assert (confirmed.settled, confirmed.corrections) == (True, 80)
    assert bench.rows(ALL) == []
