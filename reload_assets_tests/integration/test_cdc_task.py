"""The CDC task has to carry a reload's tables whole: asked at the gate, and again when confirm ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from reload_assets.errors.cdc import CdcNotRunning, CdcUnsuitable
from reload_assets.local.oracle import OracleColumn, OracleTable
from reload_assets_tests.integration.reload_bench import ReloadBench, reload_bench
from reload_assets_tests.integration.standin_bench import transformation
from reload_assets_tests.integration.standin_cdc_bench import RULES

CUSTOMERS = OracleTable(
    "CUSTOMERS",
    [
        OracleColumn("ID", "NUMBER(10)", nullable=False),
        OracleColumn("NAME", "VARCHAR2(40)"),
        OracleColumn("UPDATED_AT", "TIMESTAMP(6)"),
    ],
    ["ID"],
)
OTHER = OracleTable("OTHER", [OracleColumn("ID", "NUMBER(10)", nullable=False)], ["ID"])
DDL = """
CREATE TABLE production.customers (id integer PRIMARY KEY, name varchar(40), updated_at timestamp(6));
CREATE TABLE production.other (id integer PRIMARY KEY);
"""
TABLES = {"customers": {"window_column": "updated_at"}}
INSERT = """INSERT INTO "SALES"."CUSTOMERS" VALUES ({}, '{}', '2025-01-03 {}:00')"""
DELETE = 'DELETE FROM "SALES"."CUSTOMERS" WHERE "ID" = {}'

Databases = Callable[[str], str]


@contextmanager
def opened(new_database: Databases, **options: Any) -> Iterator[ReloadBench]:
    with reload_bench(new_database, [CUSTOMERS, OTHER], DDL, TABLES, **options) as bench:
        yield bench


def update_of_a_missing_row(bench: ReloadBench) -> Any:
    """A merged reload, after which CDC meets an update whose row production has lost."""
    bench.on_source(INSERT.format(1, "first", 12))
    bench.on_source(INSERT.format(2, "second", 12))
    bench.drain()
    reload = bench.stage()
    bench.merge(reload)
    bench.on_production("DELETE FROM production.customers WHERE id = 2")
    bench.on_source("""UPDATE "SALES"."CUSTOMERS" SET "NAME" = 'new' WHERE "ID" = 2""")
    return reload


def reloads(bench: ReloadBench) -> int:
    ((count,),) = bench.on_production("SELECT count(*) FROM admin.reloads")
    return int(count)


def test_a_task_that_does_not_carry_the_table_is_refused_before_anything_is_made(new_database: Databases) -> None:
    with opened(new_database, replicated=["OTHER"]) as bench:
        with pytest.raises(CdcUnsuitable, match=r"SALES\.CUSTOMERS.*\[not-selected\]"):
            bench.stage()
        assert reloads(bench) == 0


def test_a_task_that_masks_is_refused(new_database: Databases) -> None:
    mask = transformation(7, "column", "data-masking-hash-mask", table="CUSTOMERS", column="NAME")
    expected = r"SALES\.CUSTOMERS \(NAME: data-masking-hash-mask.*\[values-masked\]"
    with opened(new_database, rules=[*RULES, mask]) as bench, pytest.raises(CdcUnsuitable, match=expected):
        bench.stage()


@pytest.mark.parametrize("policy", ["SUSPEND_TABLE", "STOP_TASK"])
def test_policies_that_a_row_of_ours_can_trip_ask_for_the_fence(new_database: Databases, policy: str) -> None:
    settings = {"ErrorBehavior": {"ApplyErrorInsertPolicy": policy}}
    with opened(new_database, settings=settings) as bench:
        with pytest.raises(CdcUnsuitable, match=rf"ApplyErrorInsertPolicy {policy}.*\[apply-policy\]"):
            bench.stage()
        assert reloads(bench) == 0


@pytest.mark.parametrize("policy", ["SUSPEND_TABLE", "STOP_TASK"])
def test_with_the_fence_such_a_policy_does_no_harm(new_database: Databases, policy: str) -> None:
    settings = {"ErrorBehavior": {"ApplyErrorInsertPolicy": policy}}
    with opened(new_database, settings=settings, against_cdc="fence") as bench:
        bench.on_source(INSERT.format(1, "first", 12))
        bench.drain()
        bench.on_production("DELETE FROM production.customers")
        reload = bench.stage()
        bench.on_source(DELETE.format(1))
        bench.merge(reload)
        bench.on_source(INSERT.format(1, "again", 13))
        bench.drain()
        assert bench.confirm(reload).settled
        assert bench.on_production("SELECT name FROM production.customers") == [("again",)]
        assert bench.account.statistics(bench.arn)["CUSTOMERS"]["TableState"] == "Table completed"


def test_a_suspended_table_is_refused(new_database: Databases) -> None:
    # Fenced, so that it is the table's state that speaks against the reload.
    settings = {"ErrorBehavior": {"ApplyErrorInsertPolicy": "SUSPEND_TABLE"}}
    with opened(new_database, settings=settings, against_cdc="fence") as bench:
        bench.on_production("INSERT INTO production.customers VALUES (1, 'in the way', '2025-01-01')")
        bench.on_source(INSERT.format(1, "first", 12))
        bench.drain()
        assert bench.account.statistics(bench.arn)["CUSTOMERS"]["TableState"] == "Table error"
        with pytest.raises(CdcUnsuitable, match=r"SALES\.CUSTOMERS: DMS says 'Table error'.*\[table-state\]"):
            bench.stage()
        assert reloads(bench) == 0


def test_a_table_that_is_suspended_after_the_load_leaves_the_reload_unconfirmed(new_database: Databases) -> None:
    settings = {"ErrorBehavior": {"ApplyErrorUpdatePolicy": "SUSPEND_TABLE"}}
    with opened(new_database, settings=settings, against_cdc="fence") as bench:
        reload = update_of_a_missing_row(bench)
        bench.drain()
        confirmed = bench.confirm(reload)
        assert not confirmed.settled
        assert "does not carry SALES.CUSTOMERS: DMS says 'Table error'" in confirmed.detail
        ((status, detail),) = bench.on_production("SELECT confirm_status, confirm_detail FROM admin.reloads")
        assert (status, detail) == ("unconfirmed", confirmed.detail)


def test_a_task_that_fails_is_told_with_its_reason_and_not_waited_for(new_database: Databases) -> None:
    settings = {"ErrorBehavior": {"ApplyErrorUpdatePolicy": "STOP_TASK"}}
    with opened(new_database, settings=settings, against_cdc="fence") as bench:
        reload = update_of_a_missing_row(bench)
        bench.account.wait(bench.arn, "failed")
        # Also while a reload keeps the task stopped, as far as the ledger knows.
        bench.ledger.set_cdc_stopped(reload.reload_id)
        confirmed = bench.confirm(reload)
        assert not confirmed.settled
        assert "The CDC task task-1 is failed (" in confirmed.detail
        assert "FATAL_ERROR: 0 rows affected)" in confirmed.detail
        assert "new" not in confirmed.detail
        assert "fix that and resume it" in confirmed.detail
        with pytest.raises(CdcNotRunning, match=r"is failed \(.*0 rows affected"):
            bench.cdc.require_ready()


def test_warnings_are_said_and_noted(new_database: Databases) -> None:
    with opened(new_database, endpoints={"target": {"PostgreSQLSettings": {}}}) as bench:
        bench.on_source(INSERT.format(1, "first", 12))
        bench.drain()
        reload = bench.stage()
        (remark,) = reload.cdc_remarks
        assert "does not set session_replication_role to replica" in remark
        assert remark in bench.said
        bench.merge(reload)
        assert bench.confirm(reload).settled
    with opened(new_database) as bench:
        assert bench.stage().cdc_remarks == []
