"""The main job, with real rows: damage a day, reload it, and production equals the source."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple

import pytest
from dagster import AssetKey, DagsterInstance, ExecuteInProcessResult

from reload_assets.local import compare, damage
from reload_assets.local.oracle import OracleColumn, OracleTable, create_table
from reload_assets.local.stack import Stack, checkout_file
from reload_assets.verify.production import AFTER_CHECKS
from reload_assets.verify.staging import STAGING_CHECKS
from reload_assets_tests.scenarios.counted import counted
from reload_assets_tests.scenarios.runs import Runner, checks, failures, take_day

TABLES = ("customers", "orders", "order_items", "documents")
Bounds = tuple[datetime, datetime]


def differences(runner: Runner, bounds: Bounds, tables: Sequence[str] = TABLES) -> int:
    with runner.stack.connect_source() as source, runner.stack.connect_target() as target:
        found = compare.compare_window(source, target, *bounds)
    return sum(found[name].missing + found[name].stale + found[name].corrupted + found[name].extra for name in tables)


def break_day(runner: Runner, bounds: Bounds) -> dict[str, dict[str, int]]:
    with runner.stack.connect_target() as target:
        return damage.damage(target, *bounds, seed=1)


class Reloaded(NamedTuple):
    """A day that was damaged and then reloaded: what was broken in it, and how production looked before.

    ``cost`` counts what the run asked of the databases and of DMS.
    """

    day: date
    bounds: Bounds
    done: dict[str, dict[str, int]]
    different: int
    outside: str
    result: ExecuteInProcessResult
    cost: Counter[str]


@pytest.fixture(scope="module")
def reloaded(stack: Stack, instance: DagsterInstance) -> Reloaded:
    """One run for all that look at what it did."""
    runner = Runner(stack, instance)
    day = take_day()
    start = datetime(day.year, day.month, day.day)
    bounds = (start, start + timedelta(days=1))
    done = break_day(runner, bounds)
    different = differences(runner, bounds)
    with stack.connect_target() as target:
        outside = compare.outside_digest(target, *bounds)
    with counted(stack) as cost:
        result = runner.run(day.isoformat())
    return Reloaded(day, bounds, done, different, outside, result, cost)


def test_a_damaged_day_equals_the_source_afterwards(runner: Runner, reloaded: Reloaded) -> None:
    bounds, done, result = reloaded.bounds, reloaded.done, reloaded.result
    assert reloaded.different == sum(sum(kinds.values()) for kinds in done.values()) > 20
    assert failures(result) == []
    assert result.success
    assert differences(runner, bounds) == 0
    with runner.stack.connect_target() as target:
        assert compare.outside_digest(target, *bounds) == reloaded.outside
    expected = {f"staging/{table}.{check}" for table in TABLES for check in STAGING_CHECKS} | {
        f"production/{table}.{check}" for table in TABLES for check in AFTER_CHECKS
    }
    assert checks(result) == dict.fromkeys(expected, True)
    assert runner.dms_tasks() == []

    row = runner.ledger(result.run_id)
    assert (row["status"], row["error"], row["stop_reason"]) == ("merged", None, "FULL_LOAD_ONLY_FINISHED")
    assert row["opened_at"] < row["loaded_at"] < row["merge_started_at"] < row["merge_ended_at"]
    assert row["task_removed_at"] is not None
    for table, kinds in done.items():
        ((inserted, updated, repaired, refused),) = runner.query(
            "SELECT inserted, updated, repaired, refused FROM admin.reload_tables "
            "WHERE reload_id = %s AND table_name = %s",
            row["reload_id"],
            table,
        )
        assert (inserted, updated, repaired, refused) == (kinds["missing"], kinds["stale"], kinds["corrupted"], 0)
        ((audited,),) = runner.query(
            "SELECT count(*) FROM admin.reload_changes WHERE reload_id = %s AND table_name = %s",
            row["reload_id"],
            table,
        )
        assert audited == inserted + updated + repaired


def test_tables_are_resolved_once_a_reload_and_connections_are_few(reloaded: Reloaded) -> None:
    assert reloaded.result.success
    most = {"DMS clients": 1, "source connections": 18, "target logins": 100, "catalog queries": 170}
    assert {what: count for what, count in reloaded.cost.items() if count > most[what]} == {}
    assert min(reloaded.cost[what] for what in most) > 0


def test_materializations_explain_themselves(reloaded: Reloaded) -> None:
    assert reloaded.result.success
    by_key = {
        event.asset_key: event.step_materialization_data.materialization
        for event in reloaded.result.get_asset_materialization_events()
    }
    assert len(by_key) == 8
    for table in TABLES:
        staged = by_key[AssetKey(["staging", table])]
        merged = by_key[AssetKey(["production", table])]
        assert staged.partition == merged.partition == reloaded.day.isoformat()
        assert staged.metadata["dagster/row_count"].value not in (0, None)
        assert {"DMS task", "window start (UTC)", "dagster/column_schema"} <= staged.metadata.keys()
        assert merged.metadata["inserted"].value == reloaded.done[table]["missing"]
        assert {"outcomes", "merge seconds", "reload", "identical"} <= merged.metadata.keys()


def test_reloading_twice_changes_nothing_the_second_time(runner: Runner, reloaded: Reloaded) -> None:
    assert reloaded.result.success
    again = runner.run(reloaded.day.isoformat(), assets=["staging/orders", "production/orders"])
    assert failures(again) == []
    number = runner.ledger(again.run_id)["reload_id"]
    assert runner.query("SELECT count(*) FROM admin.reload_changes WHERE reload_id = %s", number) == [(0,)]


def test_an_adhoc_window_is_reloaded_and_nothing_beside_it(runner: Runner, day: date, bounds: Bounds) -> None:
    # Wide enough for rows of each kind of damage on every day, narrow enough for customers beside it.
    start, end = bounds[0] + timedelta(hours=1), bounds[0] + timedelta(hours=23, microseconds=1)
    break_day(runner, (start, end))
    with runner.stack.connect_target() as target:
        target.execute(
            "UPDATE production.customers SET name = 'wrong' WHERE updated_at >= %s AND updated_at < %s "
            "AND NOT (updated_at >= %s AND updated_at < %s)",
            (*bounds, start, end),
        )
    before = differences(runner, bounds, ["customers"])
    inside = differences(runner, (start, end), ["customers"])
    assert 0 < inside < before
    key = f"{start.isoformat()}Z--{end.isoformat()}Z"
    runner.instance.add_dynamic_partitions("sales_windows", [key])
    customers = [f"adhoc/{layer}/customers" for layer in ("staging", "production")]
    result = runner.run(key, job="reload_window_sales", assets=customers)
    assert failures(result) == []
    assert differences(runner, (start, end), ["customers"]) == 0
    assert differences(runner, bounds, ["customers"]) == before - inside
    assert {event.asset_key for event in result.get_asset_materialization_events()} == {
        AssetKey(name.split("/")) for name in customers
    }


def test_a_subset_of_tables_is_reloaded_alone(runner: Runner, day: date, bounds: Bounds) -> None:
    break_day(runner, bounds)
    result = runner.run(day.isoformat(), assets=["staging/documents", "production/documents"])
    assert failures(result) == []
    with runner.stack.connect_source() as source, runner.stack.connect_target() as target:
        found = compare.compare_window(source, target, *bounds)
    assert (found["documents"].missing, found["documents"].stale, found["documents"].corrupted) == (0, 0, 0)
    assert found["orders"].missing > 0
    assert runner.ledger(result.run_id)["tables"] == ["documents"]


def test_hazard_12_a_subset_that_would_break_a_foreign_key_says_so(runner: Runner, day: date, bounds: Bounds) -> None:
    break_day(runner, bounds)
    with runner.stack.connect_target() as target:
        # Customers of the day are missing with everything that refers to them.
        target.execute(
            "DELETE FROM production.order_items WHERE order_id IN (SELECT order_id FROM production.orders "
            "WHERE customer_id IN (SELECT customer_id FROM production.customers "
            "WHERE updated_at >= %s AND updated_at < %s))",
            bounds,
        )
        target.execute(
            "DELETE FROM production.orders WHERE customer_id IN (SELECT customer_id FROM production.customers "
            "WHERE updated_at >= %s AND updated_at < %s)",
            bounds,
        )
        target.execute("DELETE FROM production.customers WHERE updated_at >= %s AND updated_at < %s", bounds)
    before = differences(runner, bounds)
    result = runner.run(day.isoformat(), assets=["staging/orders", "production/orders"])
    assert not result.success
    (said,) = failures(result)
    assert "customers" in said
    assert "customer_id" in said
    assert differences(runner, bounds) == before
    assert runner.ledger(result.run_id)["status"] == "failed"
    # With the table that it names, it goes through.
    both = [f"{layer}/{table}" for layer in ("staging", "production") for table in ("customers", "orders")]
    assert failures(runner.run(day.isoformat(), assets=both)) == []


def test_without_a_source_connection_everything_still_works(
    runner: Runner, configured: Callable[[str], Runner], day: date, bounds: Bounds
) -> None:
    written = checkout_file("reload.yaml").read_text(encoding="utf-8")
    without = re.sub(r"  # May be left out.*?(?=\ntarget:)", "", written, flags=re.DOTALL)
    blind = configured(without)
    assert blind.config.source.connection is None
    break_day(runner, bounds)
    tables = ["customers", "orders"]
    result = blind.run(
        day.isoformat(), assets=[f"{one}/{table}" for one in ("staging", "production") for table in tables]
    )
    assert failures(result) == []
    assert differences(runner, bounds, tables) == 0
    found = checks(result)
    assert found["staging/orders.row_count"] is False
    assert found["staging/orders.keys"] is True
    (evaluation,) = [
        each
        for each in result.get_asset_check_evaluations()
        if each.asset_key == AssetKey(["staging", "orders"]) and each.check_name == "row_count"
    ]
    assert evaluation.metadata["status"].value == "could not verify"
    assert (evaluation.description or "").startswith("Could not verify")
    assert evaluation.severity.value == "WARN"


def test_a_table_is_added_by_editing_the_yaml_alone(
    runner: Runner, configured: Callable[[str], Runner], day: date, bounds: Bounds
) -> None:
    with runner.stack.connect_source() as source, runner.stack.connect_target() as target:
        create_table(
            source,
            "SALES",
            OracleTable(
                "REFUNDS",
                columns=[
                    OracleColumn("REFUND_ID", "NUMBER(10)", nullable=False),
                    OracleColumn("REASON", "VARCHAR2(50)"),
                    OracleColumn("CHANGED_ON", "DATE"),
                ],
                primary_key=["REFUND_ID"],
            ),
        )
        source.execute('GRANT SELECT ON "SALES"."REFUNDS" TO reload_reader')
        source.execute('INSERT INTO "SALES"."REFUNDS" VALUES (1, %s, %s)', ("late", bounds[0] + timedelta(hours=3)))
        target.execute(
            "CREATE TABLE production.refunds (refund_id bigint PRIMARY KEY, reason varchar(50), "
            "changed_on timestamp(0))"
        )
        target.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON production.refunds TO reload_job")
    written = checkout_file("reload.yaml").read_text(encoding="utf-8")
    # The stack's CDC task does not carry the new table, and a reload beside it would be refused.
    written = written[: written.index("cdc:\n")] + written[written.index("windows:\n") :]
    extended = configured(written.rstrip() + "\n      refunds:\n        window_column: changed_on\n")
    refunds = ["staging/refunds", "production/refunds"]
    job = extended.definitions.resolve_job_def("reload_sales")
    assert {key.to_user_string() for key in job.asset_layer.selected_asset_keys} >= {*refunds, "production/orders"}
    result = extended.run(day.isoformat(), assets=refunds)
    assert failures(result) == []
    assert runner.query("SELECT refund_id, reason FROM production.refunds") == [(1, "late")]
