"""Columns that have another name in production: key, window, version and content, from the load to the confirm."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from reload_assets.local.oracle import OracleColumn, OracleTable
from reload_assets.preflight.foreseen import foreseen
from reload_assets.verify.production import AFTER_CHECKS, verify_merged
from reload_assets_tests.integration.reload_bench import ReloadBench, reload_bench
from reload_assets_tests.integration.standin_bench import transformation
from reload_assets_tests.integration.standin_cdc_bench import RULES
from reload_assets_tests.integration.test_odd_names import verdicts

Databases = Callable[[str], str]
CUSTOMERS = OracleTable(
    "CUSTOMERS",
    [
        OracleColumn("CUST_NO", "NUMBER(10)", nullable=False),
        OracleColumn("CUST_NM", "VARCHAR2(20)"),
        OracleColumn("REF", "NUMBER(10)"),
        OracleColumn("CHANGED", "TIMESTAMP(6)"),
        OracleColumn("CREATED", "TIMESTAMP(6)"),
    ],
    ["CUST_NO"],
)
# The names are even crossed: production's ref is not the source's.
NAMES = {"id": "CUST_NO", "customer_name": "CUST_NM", "referrer": "REF", "version": "CHANGED", "created_at": "CREATED"}
DDL = (
    "CREATE TABLE production.customers (ref integer DEFAULT 7, id bigint PRIMARY KEY, "
    "customer_name varchar(20) UNIQUE, referrer bigint, version timestamp(6), created_at timestamp(6), note text)"
)
OPTIONS = {"window_column": "created_at", "version_column": "version", "orphans": "delete"}
CDC_RULES = [
    *(
        transformation(number, "column", "rename", table="CUSTOMERS", column=source, value=name)
        for number, (name, source) in enumerate(NAMES.items(), start=60)
    ),
    *RULES,
]
ALL = "SELECT id, customer_name, referrer FROM production.customers ORDER BY id"


@contextmanager
def opened(new_database: Databases, columns: Any, **options: Any) -> Iterator[ReloadBench]:
    """Six rows. Production lacks the first, the second is wrong, and an orphan has the third one's name."""
    tables = {"customers": {**OPTIONS, "columns": columns}}
    with reload_bench(new_database, [CUSTOMERS], DDL, tables, rules=CDC_RULES, **options) as bench:
        bench.on_source(
            "INSERT INTO \"SALES\".\"CUSTOMERS\" SELECT n, 'name ' || n, 10 * n, timestamp '2025-01-05' + n * interval "
            "'1 hour', timestamp '2025-01-03' + n * interval '1 hour' FROM generate_series(1, 6) AS n"
        )
        bench.drain()
        bench.on_production("DELETE FROM production.customers WHERE id IN (1, 3)")
        bench.on_production("UPDATE production.customers SET customer_name = 'wrong' WHERE id = 2")
        bench.on_production(
            "INSERT INTO production.customers (id, customer_name, created_at) VALUES (99, 'name 3', '2024-01-01')"
        )
        yield bench


RIGHT = [(number, f"name {number}", 10 * number) for number in range(1, 7)]


@pytest.mark.parametrize("against_cdc", ["confirm", "fence"])
def test_a_renamed_column_is_loaded_merged_confirmed_and_compared(new_database: Databases, against_cdc: str) -> None:
    with opened(new_database, NAMES, against_cdc=against_cdc) as bench:
        reload = bench.stage()
        assert verdicts(bench, reload) == {}
        unfed = "no column of SALES.CUSTOMERS feeds ref, note, where new rows get NULL in note"
        assert [one for one in bench.said if unfed in one] != []
        bench.merge(reload)
        # While the confirm has not begun, CDC carries a change of every renamed column.
        bench.on_source(
            'UPDATE "SALES"."CUSTOMERS" SET "CUST_NM" = \'changed\', "CHANGED" = timestamp \'2025-01-06\' '
            'WHERE "CUST_NO" = 4'
        )
        confirmed = bench.confirm(reload)
        assert confirmed.settled, confirmed.detail
        right = [(4, "changed", 40) if row[0] == 4 else row for row in RIGHT]
        assert bench.on_production(ALL) == right
        assert bench.on_production("SELECT DISTINCT ref FROM production.customers") == [(7,)]
        (table,), known = bench.resolved(reload), bench.ledger.tables(reload.reload_id)["customers"]
        with bench.reader() as reader:
            checked = verify_merged(
                bench.server,
                bench.config.source.zone,
                bench.ledger.get(reload.reload_id),
                table,
                known,
                reader,
                bench.cdc,
            )
        assert {one.check_name: one.status for one in checked} == dict.fromkeys(AFTER_CHECKS, "passed")


def test_a_column_that_may_be_null_only_in_the_source_is_named_before_the_load(new_database: Databases) -> None:
    with opened(new_database, NAMES) as bench:
        bench.on_production("ALTER TABLE production.customers ALTER COLUMN customer_name SET NOT NULL")
        (table,) = bench.tables()
        assert foreseen(table)[1].text == (
            "production.customers: CUST_NM of SALES.CUSTOMERS may be NULL, but production declares this column NOT "
            "NULL: a window that holds such a row is not merged; declare it alike on both sides."
        )


def test_without_a_source_connection_the_list_has_the_names_in_the_source_s_order(new_database: Databases) -> None:
    listed = [{name: source} for name, source in NAMES.items()]
    with opened(new_database, listed) as bench:
        bench.reader = lambda: None  # type: ignore[assignment, return-value]
        reload = bench.stage()
        bench.merge(reload)
        confirmed = bench.confirm(reload)
        assert confirmed.settled, confirmed.detail
        assert bench.on_production(ALL) == RIGHT


def test_a_statement_that_cdc_skipped_is_read_by_production_s_names(new_database: Databases) -> None:
    with opened(new_database, NAMES) as bench:
        reload = bench.stage()
        bench.merge(reload)
        # CDC meets a key that production has since, and skips its insert.
        bench.on_production("INSERT INTO production.customers (id, customer_name) VALUES (50, 'in the way')")
        bench.on_source(
            'INSERT INTO "SALES"."CUSTOMERS" '
            "VALUES (50, 'late', 5, timestamp '2025-01-06', timestamp '2025-01-03 07:00')"
        )
        bench.drain()
        confirmed = bench.confirm(reload)
        assert confirmed.settled, confirmed.detail
        assert bench.on_production(ALL) == [*RIGHT, (50, "late", 5)]
