"""DMS validates a group, what it lists is asked for, each failure once, and its task is removed in every case."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from dagster import (
    DagsterRun,
    DagsterRunStatus,
    ExecuteInProcessResult,
    SkipReason,
    TableMetadataValue,
    build_sensor_context,
)

from reload_assets.errors import code_of
from reload_assets.ledger.records import RUN_TAG, VALIDATES_TAG
from reload_assets.local.dms.faults import RecoverableError
from reload_assets.reload.parts import dms_engine, group_tables
from reload_assets.tables import resolve_group
from reload_assets_tests.scenarios.runs import Runner, failures

Bounds = tuple[datetime, datetime]
COLUMNS = {
    "orders": ("order_id", "customer_id", "amount", "order_date", "updated_at"),
    "order_items": ("order_id", "line_no", "product", "quantity", "price", "updated_at"),
}
KEY_LENGTHS = {"orders": 1, "order_items": 2}


@pytest.fixture(autouse=True)
def _nothing_asked(runner: Runner) -> Iterator[None]:
    yield
    runner.stack.dms.faults.clear()
    with runner.stack.connect_target() as target:
        target.execute("TRUNCATE admin.findings")
        target.execute("DELETE FROM admin.reload_requests WHERE found_by = 'validation'")
        target.execute("DROP TABLE IF EXISTS dmslogs.awsdms_validation_failures_v2")


def validate(runner: Runner) -> ExecuteInProcessResult:
    return runner.run(None, job="validate_sales")


def differing(runner: Runner, table: str) -> dict[tuple[str, ...], str]:
    """How each row of a table differs: the kinds that DMS has for it, by the key."""
    names, length = COLUMNS[table], KEY_LENGTHS[table]
    with runner.stack.connect_source() as source, runner.stack.connect_target() as target:
        upper = ", ".join(f'"{name.upper()}"' for name in names)
        there = _by_key(source.execute(f'SELECT {upper} FROM "SALES"."{table.upper()}"'.encode()).fetchall(), length)
        here = _by_key(target.execute(f"SELECT {', '.join(names)} FROM production.{table}".encode()).fetchall(), length)
    kinds = dict.fromkeys(there.keys() - here.keys(), "MISSING_TARGET")
    kinds |= dict.fromkeys(here.keys() - there.keys(), "MISSING_SOURCE")
    return kinds | {key: "RECORD_DIFF" for key in there.keys() & here.keys() if there[key] != here[key]}


def _by_key(rows: list[tuple[Any, ...]], length: int) -> dict[tuple[str, ...], tuple[Any, ...]]:
    plain = [tuple(Decimal(one) if isinstance(one, int | Decimal) else one for one in row) for row in rows]
    return {tuple(str(one) for one in row[:length]): row for row in plain}


def tick(runner: Runner, sensor: str) -> str:
    """Return what a sensor says after one tick."""
    resources = {"reload": (runner.definitions.resources or {})["reload"]}
    with build_sensor_context(
        runner.instance, repository_def=runner.definitions.get_repository_def(), resources=resources
    ) as context:
        result = runner.definitions.resolve_sensor_def(sensor)(context)
    assert isinstance(result, SkipReason)
    return result.skip_message or ""


@contextmanager
def damaged(runner: Runner, bounds: Bounds) -> Iterator[tuple[str, str]]:
    """Change an order and its items, lose another with its items, and add one with the key -1, for the block."""
    with runner.stack.connect_target() as target:
        chosen = "SELECT order_id FROM production.orders WHERE updated_at >= %s AND updated_at < %s ORDER BY 1 LIMIT 2"
        changed, missing = (number for (number,) in target.execute(chosen, bounds))
        for table in ("orders", "order_items"):
            target.execute(
                f"CREATE TEMPORARY TABLE kept_{table} AS SELECT * FROM production.{table} WHERE order_id = any(%s)",
                ([changed, missing],),
            )
        target.execute("UPDATE production.orders SET amount = amount + 1 WHERE order_id = %s", (changed,))
        target.execute("UPDATE production.order_items SET product = 'it''s' WHERE order_id = %s", (changed,))
        target.execute("DELETE FROM production.order_items WHERE order_id = %s", (missing,))
        target.execute("DELETE FROM production.orders WHERE order_id = %s", (missing,))
        target.execute(
            "INSERT INTO production.orders SELECT -1, customer_id, 1, %s, %s FROM production.customers LIMIT 1",
            (bounds[0], bounds[0] + timedelta(hours=1)),
        )
        try:
            yield str(changed), str(missing)
        finally:
            for table in ("order_items", "orders"):
                target.execute(f"DELETE FROM production.{table} WHERE order_id = any(%s)", ([changed, missing, -1],))
            for table in ("orders", "order_items"):
                target.execute(f"INSERT INTO production.{table} SELECT * FROM kept_{table}")


def reported(result: ExecuteInProcessResult) -> tuple[dict[str, tuple[str, int, int]], dict[str, str]]:
    """What the run shows: each table's state with the numbers of failed and suspended records, and its other texts."""
    (event,) = [one for one in result.all_events if one.is_successful_output]
    metadata = event.step_output_data.metadata
    table = metadata["tables"]
    assert isinstance(table, TableMetadataValue)
    records = [one.data for one in table.records]
    states = {
        str(one["table"]): (str(one["state"]), int(one["failed"] or 0), int(one["suspended"] or 0)) for one in records
    }
    return states, {name: str(value.value) for name, value in metadata.items() if name != "tables"}


def test_exactly_the_damaged_rows_are_asked_for_and_each_once(runner: Runner, bounds: Bounds) -> None:
    with damaged(runner, bounds) as (changed, missing):
        expected = {table: differing(runner, table) for table in COLUMNS}
        orders = expected["orders"]
        assert (orders[changed,], orders[missing,], orders["-1",]) == (
            "RECORD_DIFF",
            "MISSING_TARGET",
            "MISSING_SOURCE",
        )
        result = validate(runner)
        assert failures(result) == []
        for table, kinds in expected.items():
            found = runner.query(
                "SELECT keys, evidence ->> 'kind' FROM admin.findings WHERE table_name = %s AND finder = 'validation'",
                table,
            )
            assert {tuple(key): kind for ([key], kind) in found} == kinds
            assert len(found) == len(kinds)
            ((asked,),) = runner.query(
                "SELECT keys -> %s FROM admin.reload_requests WHERE found_by = 'validation'", table
            )
            assert {tuple(key) if isinstance(key, list) else (key,) for key in asked} == set(kinds)
        assert runner.dms_tasks() == []
        states, shown = reported(result)
        assert states["orders"] == ("Mismatched records", len(orders), 0)
        assert "requested: request " in shown["asked"]
        assert shown["remarks"] == "none"

        assert tick(runner, "find_validation_failures") == "New findings: 0."
        # DMS lists the same rows again as new failures, for which the open request asks already.
        assert failures(validate(runner)) == []
        ((requests,),) = runner.query("SELECT count(*) FROM admin.reload_requests WHERE found_by = 'validation'")
        assert requests == 1

        # The sensor finds what a task listed whose run did not come to ask.
        with runner.stack.connect_target() as target:
            ((known,),) = target.execute("SELECT count(*) FROM admin.findings").fetchall()
            target.execute("TRUNCATE admin.findings")
        assert tick(runner, "find_validation_failures").startswith(f"New findings: {known}; open already: request ")


def test_a_validation_that_does_not_end_well_is_refused_and_leaves_no_task(runner: Runner) -> None:
    runner.stack.dms.faults.set(RecoverableError())
    result = validate(runner)
    (said,) = failures(result)
    assert code_of(said) == "validation-failed"
    assert "ended as 'stopped' with RECOVERABLE_ERROR" in said
    assert runner.dms_tasks() == []


@pytest.mark.thorough
def test_a_table_that_dms_cannot_compare_is_named_and_the_others_are_validated(runner: Runner) -> None:
    with runner.stack.connect_target() as target:
        target.execute("REVOKE SELECT ON production.documents, production.customers FROM dms")
        try:
            result = validate(runner)
            target.execute("REVOKE SELECT ON production.orders, production.order_items FROM dms")
            none = validate(runner)
        finally:
            target.execute("GRANT SELECT ON ALL TABLES IN SCHEMA production TO dms")
    assert failures(result) == []
    states, shown = reported(result)
    assert states["documents"][0] == "Error" != states["orders"][0]
    assert "DMS did not validate production.documents: DMS cannot compare it; " in shown["remarks"]
    assert code_of(shown["remarks"]) == "table-not-validated"
    (said,) = failures(none)
    assert "No table of the group sales was validated. " in said
    assert "production.orders" in said
    assert "[nothing-validated]" in said


def test_the_task_of_a_run_that_died_is_swept_and_that_of_a_live_one_is_not(runner: Runner) -> None:
    services = (runner.definitions.resources or {})["reload"].services
    engine, tasks = dms_engine(runner.config), services.load_tasks()
    with services.source() as reader, services.target.connect(autocommit=True) as connection:
        tables = resolve_group(group_tables(runner.config, "sales"), connection, reader)
    arns = {}
    for status in (DagsterRunStatus.STARTED, DagsterRunStatus.FAILURE):
        run = DagsterRun(job_name="validate_sales", status=status)
        runner.instance.add_run(run)
        tags = {RUN_TAG: run.run_id, VALIDATES_TAG: "sales"}
        arns[status] = tasks.create(engine.validation_request("sales", tables, "dmslogs", tags))
        tasks.wait_ready(arns[status])
    try:
        assert len(runner.dms_tasks()) == 2
        assert all(name.startswith("validate-sales-") for name in runner.dms_tasks())
        assert f"DMS task {arns[DagsterRunStatus.FAILURE]} is stopped and deleted" in tick(runner, "sweeper")
        assert tasks.find({VALIDATES_TAG: "sales"}) == [arns[DagsterRunStatus.STARTED]]
    finally:
        tasks.remove(arns[DagsterRunStatus.STARTED])
