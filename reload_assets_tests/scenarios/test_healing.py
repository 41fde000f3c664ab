"""Damage that nobody announced: each finder finds it, a reload heals it, and the request is closed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from dagster import SkipReason, build_sensor_context

from reload_assets_tests.scenarios.requesting import answer, ask, launch, tick
from reload_assets_tests.scenarios.runs import Runner, failures
from reload_assets_tests.scenarios.test_keys import orders_of, source_row, target_row


@pytest.fixture(autouse=True)
def _nothing_asked(runner: Runner) -> Iterator[None]:
    """Each scenario begins and ends without findings and requests."""
    for _ in ("before", "after"):
        with runner.stack.connect_target() as target:
            target.execute("TRUNCATE admin.findings")
            target.execute("DELETE FROM admin.reload_requests")
            target.execute("DELETE FROM dmslogs.awsdms_apply_exceptions")
            target.execute("DROP TABLE IF EXISTS dmslogs.awsdms_validation_failures_v1")
        if _ == "before":
            yield


def look(runner: Runner, sensor: str) -> str:
    """One tick of a finder's sensor; what it says."""
    resources = {"reload": (runner.definitions.resources or {})["reload"]}
    with build_sensor_context(
        runner.instance, repository_def=runner.definitions.get_repository_def(), resources=resources
    ) as context:
        result = runner.definitions.resolve_sensor_def(sensor)(context)
    assert isinstance(result, SkipReason)
    return result.skip_message or ""


def heal(runner: Runner, found_by: str) -> dict[str, Any]:
    """Launch the only request of a finder, as the daemon would; the request afterwards."""
    (request,) = tick(runner)
    assert launch(runner, request)
    assert tick(runner) == []
    ((number, keys, status, evidence),) = runner.query(
        "SELECT request_id, keys, status, evidence FROM admin.reload_requests WHERE found_by = %s", found_by
    )
    assert answer(runner, number)[0] == status == "done"
    return {"keys": keys, "evidence": evidence}


def test_what_validation_finds_is_healed(runner: Runner, day: date) -> None:
    lost, wrong = orders_of(runner, day)[:2]
    with runner.stack.connect_target() as target:
        target.execute("DELETE FROM production.order_items WHERE order_id = %s", (lost,))
        target.execute("UPDATE production.orders SET amount = amount + 1 WHERE order_id = %s", (wrong,))
    result = runner.run(None, job="validate_sales")
    assert failures(result) == []
    asked = heal(runner, "validation")
    assert str(wrong) in asked["keys"]["orders"]
    assert [str(lost), "1"] in asked["keys"]["order_items"]
    assert target_row(runner, "orders", wrong) == source_row(runner, "orders", wrong)
    assert target_row(runner, "order_items", lost, 1) == source_row(runner, "order_items", lost, 1) is not None
    # DMS keeps what it listed, and compares again: nothing differs any more, and nothing is asked for again.
    assert failures(runner.run(None, job="validate_sales")) == []
    assert look(runner, "find_validation_failures") == "New findings: 0."
    assert tick(runner) == []


def test_what_cdc_skipped_is_healed(runner: Runner, day: date) -> None:
    order = orders_of(runner, day)[0]
    with runner.stack.connect_target() as target:
        target.execute("ALTER TABLE production.orders ADD CONSTRAINT small CHECK (amount < 1e6) NOT VALID")
    try:
        with runner.stack.connect_source() as source:
            source.execute('UPDATE "SALES"."ORDERS" SET "AMOUNT" = 2e6 WHERE "ORDER_ID" = %s', (order,))
        runner.stack.drain()
    finally:
        with runner.stack.connect_target() as target:
            target.execute("ALTER TABLE production.orders DROP CONSTRAINT small")
    assert target_row(runner, "orders", order) != source_row(runner, "orders", order)
    assert look(runner, "find_skipped").startswith("New findings: 1; requested: request ")
    asked = heal(runner, "skipped")
    assert asked["keys"] == {"orders": [str(order)]}
    assert target_row(runner, "orders", order) == source_row(runner, "orders", order)
    assert "requested" not in look(runner, "find_skipped")


def test_a_flood_is_held_until_a_person_releases_it(runner: Runner, day: date) -> None:
    with runner.stack.connect_target() as target:
        statement = 'UPDATE "production"."orders" SET "amount"=\'1\' WHERE "order_id"=\'%s\''
        target.cursor().executemany(
            "INSERT INTO dmslogs.awsdms_apply_exceptions "
            "VALUES (%s, 'production', 'orders', now() AT TIME ZONE 'UTC', %s, '0 rows affected')",
            [(runner.stack.cdc.task.resource, statement % number) for number in range(1, 1101)],
        )
    said = look(runner, "find_skipped")
    assert "held: request" in said, said
    assert tick(runner) == []
    ((number, status, why),) = runner.query(
        "SELECT request_id, status, held_because FROM admin.reload_requests WHERE found_by = 'skipped'"
    )
    assert status == "held"
    assert "keys_per_tick" in why
    runner.query("UPDATE admin.reload_requests SET status = 'pending' WHERE request_id = %s RETURNING 1", number)
    # More than keys.most: the windows that hold them.
    assert tick(runner) == []
    assert answer(runner, number)[0] == "split"
    assert json.dumps(runner.query("SELECT DISTINCT found_by FROM admin.reload_requests")) == '[["skipped"]]'


def test_a_request_is_held_again_if_cdc_stops_before_its_run_begins(runner: Runner, day: date) -> None:
    order = orders_of(runner, day)[0]
    with runner.stack.connect_target() as target:
        target.execute("UPDATE production.orders SET amount = amount + 1 WHERE order_id = %s", (order,))
    keys = json.dumps({"orders": [order]})
    found = ask(runner, group_name="sales", keys=keys, reason="x", found_by="skipped")
    person = ask(runner, group_name="sales", keys=keys, reason="x")
    wanted = tick(runner)
    runner.stack.cdc.task.stop()
    try:
        assert [launch(runner, request) for request in wanted] == [False, False]
        assert tick(runner) == []
        assert answer(runner, person)[0] == "failed"
        assert answer(runner, found)[:2] == ("held", None)
        ((why,),) = runner.query("SELECT held_because FROM admin.reload_requests WHERE request_id = %s", found)
        assert why.endswith("[held-for-cdc]")
        assert "[cdc-not-running]" in why
    finally:
        runner.stack.cdc.task.resume()
    runner.stack.drain()
    (again,) = tick(runner)
    assert launch(runner, again)
    assert tick(runner) == []
    assert answer(runner, found)[0] == "done"
    assert target_row(runner, "orders", order) == source_row(runner, "orders", order)
