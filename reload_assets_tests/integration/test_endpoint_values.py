"""Settings of DMS's source endpoint that change values: load, confirm and comparison follow them alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pytest

from reload_assets.compare.window import compare_contents
from reload_assets.errors.cdc import CdcUnsuitable
from reload_assets.local.oracle import OracleColumn, OracleTable
from reload_assets_tests.integration.reload_bench import WINDOW, ReloadBench, reload_bench

PRICES = OracleTable(
    "PRICES",
    [
        OracleColumn("ID", "NUMBER(10)", nullable=False),
        OracleColumn("PRICE", "NUMBER"),
        OracleColumn("CODE", "CHAR(5)"),
        OracleColumn("UPDATED_AT", "TIMESTAMP(6)"),
    ],
    ["ID"],
)
DDL = "CREATE TABLE production.prices (id integer PRIMARY KEY, price {}, code text, updated_at timestamp(6))"
PRICE = Decimal("0.123456789012345678901")
INSERT = f"""INSERT INTO "SALES"."PRICES" VALUES ({{}}, {PRICE}, 'ab', '2025-01-03 12:00')"""

Databases = Callable[[str], str]


@contextmanager
def opened(new_database: Databases, source: Mapping[str, Any], price: str = "numeric") -> Iterator[ReloadBench]:
    tables = {"prices": {"window_column": "updated_at"}}
    ddl = DDL.format(price)
    with reload_bench(new_database, [PRICES], ddl, tables, endpoints={"source": source}) as bench:
        yield bench


def compared(bench: ReloadBench) -> Any:
    """What a comparison of the window finds."""
    (table,) = bench.tables()
    with bench.reader() as reader:
        return compare_contents(bench.target, table, WINDOW.in_zone(bench.config.source.zone), reader, bench.cdc)


@pytest.mark.parametrize(
    ("source", "price", "code"),
    [
        ({}, Decimal("0.1234567890"), "ab"),
        pytest.param(
            {"OracleSettings": {"NumberDatatypeScale": 20}},
            Decimal("0.12345678901234567890"),
            "ab",
            marks=pytest.mark.thorough,
        ),
        ({"ExtraConnectionAttributes": "numberDatatypeScale=3;trimSpaceInChar=false"}, Decimal("0.123"), "ab   "),
        ({"OracleSettings": {"NumberDatatypeScale": -2, "TrimSpaceInChar": False}}, PRICE, "ab   "),
    ],
)
def test_load_confirm_and_comparison_write_the_same_values(
    new_database: Databases, source: Mapping[str, Any], price: Decimal, code: str
) -> None:
    with opened(new_database, source) as bench:
        bench.on_source(INSERT.format(1))
        bench.drain()
        row = "SELECT price, code FROM production.prices WHERE id = {}"
        assert bench.on_production(row.format(1)) == [(price, code)], "CDC"
        bench.on_production("DELETE FROM production.prices")
        reload = bench.stage()
        bench.merge(reload)
        assert bench.on_production(row.format(1)) == [(price, code)], "the load"

        # Confirm writes both rows again: one that is missing, one that is wrong.
        bench.on_production("DELETE FROM production.prices")
        bench.on_source(INSERT.format(2))
        bench.drain()
        bench.on_production("UPDATE production.prices SET price = 9, code = 'no' WHERE id = 2")
        assert bench.confirm(reload).settled
        assert bench.on_production(row.format(1)) == [(price, code)], "confirm, inserted"
        assert bench.on_production(row.format(2)) == [(price, code)], "confirm, updated"

        assert compared(bench).counts == {"same": 2}
        assert compared(bench).left_out == {}
        # A last digit, or a blank, that is wrong is seen.
        bench.on_production(f"UPDATE production.prices SET price = {price + Decimal('0.001')} WHERE id = 1")
        bench.on_production("UPDATE production.prices SET code = code || ' ' WHERE id = 2")
        wrong = compared(bench).counts.get("content")
        assert wrong == (2 if code.endswith(" ") else 1)


def test_a_number_that_is_carried_as_a_float_is_not_compared_and_is_read_again_by_dms(new_database: Databases) -> None:
    scale = {"OracleSettings": {"NumberDatatypeScale": -1}}
    with opened(new_database, scale, price="double precision") as bench:
        bench.on_source(INSERT.format(1))
        bench.drain()
        bench.on_production("DELETE FROM production.prices")
        reload = bench.stage()
        bench.merge(reload)
        bench.on_production("UPDATE production.prices SET price = 9")
        assert bench.confirm(reload).settled
        assert bench.on_production("SELECT price FROM production.prices") == [(0.12345678901234568,)]
        assert any(
            "read again by a DMS task (prices: PRICE is NUMBER, carried as a float (NumberDatatypeScale -1))" in line
            for line in bench.said
        )
        assert compared(bench).left_out == {"PRICE": "NUMBER, carried as a float (NumberDatatypeScale -1)"}


def test_tables_are_read_again_each_in_the_way_that_its_types_allow(new_database: Databases) -> None:
    # No DMS filter finds rows by a RAW key, and no connection reads PRICE as DMS does.
    scale = {"source": {"OracleSettings": {"NumberDatatypeScale": -1}}}
    notes = OracleTable(
        "NOTES", [OracleColumn("ID", "RAW(2)", nullable=False), OracleColumn("UPDATED_AT", "TIMESTAMP(6)")], ["ID"]
    )
    ddl = DDL.format("double precision") + ";CREATE TABLE production.notes (id bytea PRIMARY KEY, updated_at timestamp)"
    tables = {name: {"window_column": "updated_at", "orphans": "delete"} for name in ("prices", "notes")}
    with reload_bench(new_database, [PRICES, notes], ddl, tables, endpoints=scale) as bench:
        bench.on_source(INSERT.format(1))
        bench.on_source("""INSERT INTO "SALES"."NOTES" VALUES ('\\x0001', '2025-01-03 12:00')""")
        bench.drain()
        reload = bench.stage()
        bench.merge(reload)
        bench.on_production("UPDATE production.prices SET price = 9")
        bench.on_production("DELETE FROM production.notes")
        assert bench.confirm(reload).settled
        assert bench.on_production("SELECT price FROM production.prices") == [(0.12345678901234568,)]
        assert bench.on_production("SELECT id FROM production.notes") == [(b"\0\1",)]


def test_a_task_that_reads_the_source_otherwise_than_the_load_is_refused(new_database: Databases) -> None:
    with opened(new_database, {}) as bench:
        other = bench.account.endpoint(
            "source",
            "oracle",
            bench.account.source_url,
            EndpointIdentifier="other",
            OracleSettings={"NumberDatatypeScale": 20},
        )
        bench.account.test_connections(other)
        written = bench.config.dms.model_copy(update={"source_endpoint_arn": other})
        object.__setattr__(bench.load, "config", bench.config.model_copy(update={"dms": written}))
        with pytest.raises(CdcUnsuitable, match=r"NumberDatatypeScale 10 and a reload with 20.*\[other-values\]"):
            bench.stage()


def test_versions_are_told_apart_by_as_many_digits_as_are_carried(new_database: Databases) -> None:
    scale = {"source": {"OracleSettings": {"NumberDatatypeScale": 20}}}
    tables = {"prices": {"window_column": "updated_at", "version_column": "price"}}
    with reload_bench(new_database, [PRICES], DDL.format("numeric"), tables, endpoints=scale) as bench:
        bench.on_source(INSERT.format(1))
        bench.drain()
        assert compared(bench).counts == {"same": 1}
        bench.on_production("UPDATE production.prices SET code = 'no'")
        assert compared(bench).counts == {"same": 0, "content": 1}
        # Of another version in the last digit, which ten decimals do not show.
        bench.on_production("UPDATE production.prices SET price = price - 0.00000000000000000001")
        assert compared(bench).counts == {"same": 0, "other": 1}
