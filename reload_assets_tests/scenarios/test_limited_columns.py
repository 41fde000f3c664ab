"""Repairs of columns that requests and the command line ask for: what they change, what they leave, what is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from reload_assets_tests.scenarios.requesting import answer, ask, launch, tick
from reload_assets_tests.scenarios.runs import Runner, checks, failures
from reload_assets_tests.scenarios.test_cli import command

AMOUNT = {"orders": ["amount"]}
Order = tuple[Any, ...]


@pytest.fixture
def requests(runner: Runner) -> Iterator[None]:
    yield
    with runner.stack.connect_target() as target:
        target.execute("DELETE FROM admin.reload_requests")


def orders(runner: Runner, day: date) -> dict[int, Order]:
    """Production's orders of a day: amount, date and version by key."""
    found = runner.query(
        "SELECT order_id, amount, order_date, updated_at FROM production.orders WHERE updated_at::date = %s", day
    )
    return {row[0]: row[1:] for row in found}


def damage(runner: Runner, day: date) -> tuple[dict[int, Order], list[int]]:
    """Lose the amounts of a day, and damage more of four orders; what is to be expected, and these orders."""
    before = orders(runner, day)
    some = sorted(before)[:4]
    with runner.stack.connect_target() as target:
        target.execute("UPDATE production.orders SET amount = NULL WHERE updated_at::date = %s", (day,))
        target.execute("UPDATE production.orders SET order_date = '1999-01-01' WHERE order_id = ANY (%s)", (some[:3],))
        target.execute("DELETE FROM production.order_items WHERE order_id = %s", (some[3],))
        target.execute("DELETE FROM production.orders WHERE order_id = %s", (some[3],))
    damaged = orders(runner, day)
    return {order: (before[order][0], *row[1:]) for order, row in damaged.items()}, some


@pytest.mark.usefixtures("requests")
def test_a_request_for_a_window_repairs_a_column_and_nothing_else(runner: Runner, day: date) -> None:
    expected, _ = damage(runner, day)
    window = {"window_start": day, "window_end": day + timedelta(days=1)}
    number = ask(runner, group_name="sales", **window, columns=json.dumps(AMOUNT), reason="backfilled")
    (request,) = tick(runner)
    # The cadence's partition says what became of whole rows, so another one is materialized.
    assert request.job_name == "reload_window_sales"
    assert {key.path[-1] for key in request.asset_selection or []} == {"orders"}
    result = runner.run(
        request.partition_key or "",
        job="reload_window_sales",
        assets=[key.to_user_string() for key in request.asset_selection or []],
        tags=dict(request.tags),
    )
    assert failures(result) == []
    assert set(checks(result).values()) == {True}
    assert orders(runner, day) == expected

    row = runner.ledger(result.run_id)
    assert (row["status"], row["confirm_status"], row["columns"]) == ("merged", "confirmed", AMOUNT)
    assert "only amount of production.orders were compared and corrected" in row["confirm_detail"]
    assert tick(runner) == []
    assert answer(runner, number) == ("done", result.run_id, row["reload_id"], None)
    shown = [event.materialization.metadata["columns"].value for event in result.get_asset_materialization_events()]
    assert shown == ["amount of orders"] * 2

    # It does not cover the window: a reload of whole rows beside it has a row of its own, and heals the rest.
    whole = runner.run(day.isoformat(), assets=["staging/orders", "production/orders"])
    assert failures(whole) == []
    assert runner.query(
        "SELECT columns, inserted, state FROM admin.window_status WHERE window_start = %s::date AT TIME ZONE 'UTC' "
        "AND table_name = 'orders' ORDER BY columns NULLS FIRST",
        day,
    ) == [(None, 1, "green"), (["amount"], 0, "green")]
    found = command("status", "sales", "--json")
    assert '"orders (amount)"' in found.stdout


@pytest.mark.usefixtures("requests")
def test_a_run_whose_request_is_gone_does_not_reload_whole_rows(runner: Runner, day: date) -> None:
    window = {"window_start": day, "window_end": day + timedelta(days=1)}
    number = ask(runner, group_name="sales", **window, columns=json.dumps(AMOUNT), reason="x")
    (request,) = tick(runner)
    with runner.stack.connect_target() as target:
        target.execute("DELETE FROM admin.reload_requests WHERE request_id = %s", (number,))
    assert not launch(runner, request)
    # Nor does one of another window, which somebody has given the same tag.
    number = ask(runner, group_name="sales", **window, columns=json.dumps(AMOUNT), reason="x")
    tags = {"reload_assets/request": str(number)}
    other = (day + timedelta(days=1)).isoformat()
    failed = runner.run(other, assets=["staging/orders", "production/orders"], tags=tags)
    assert [said for said in failures(failed) if "limits another window or group to columns" in said]
    assert runner.query("SELECT count(*) FROM admin.reloads WHERE request_id = %s", number) == [(0,)]


@pytest.mark.thorough
@pytest.mark.usefixtures("requests")
def test_the_command_line_repairs_columns_of_a_window_and_of_keys(runner: Runner, day: date, tmp_path: Path) -> None:
    expected, some = damage(runner, day)
    file = tmp_path / "keys.csv"
    file.write_text("\n".join(map(str, some)), encoding="utf-8")
    done = command("reload", "sales", "--keys", f"orders={file}", "--columns", "orders=amount")
    assert done.exit_code == 0, done.stdout
    repaired = {order: row for order, row in orders(runner, day).items() if row[0] is not None}
    assert repaired == {order: expected[order] for order in some[:3]}
    until = day + timedelta(days=1)
    done = command("reload", "sales", "--from", str(day), "--to", str(until), "--columns", "orders=amount")
    assert done.exit_code == 0, done.stdout
    assert orders(runner, day) == expected
    assert runner.query(
        "SELECT q.status, q.keys IS NOT NULL, q.tables, q.columns, r.columns, r.started_by LIKE '%% at a terminal' "
        "FROM admin.reload_requests AS q JOIN admin.reloads AS r USING (reload_id) ORDER BY q.request_id"
    ) == [("done", True, None, AMOUNT, AMOUNT, True), ("done", False, ["orders"], AMOUNT, AMOUNT, True)]


@pytest.mark.usefixtures("requests")
def test_a_long_list_becomes_windows_that_are_limited_likewise(runner: Runner, day: date) -> None:
    (order, *_) = sorted(orders(runner, day))
    columns = {"orders": ["amount"], "customers": ["name"]}
    keys = {"orders": [order], "customers": [-1]}
    asked = {"keys": json.dumps(keys), "columns": json.dumps(columns), "whole_windows": True}
    number = ask(runner, group_name="sales", reason="x", **asked)
    assert tick(runner) == []
    assert runner.query(
        "SELECT tables, keys, columns FROM admin.reload_requests WHERE split_from = %s ORDER BY request_id", number
    ) == [(None, {"customers": ["-1"]}, {"customers": ["name"]}), (["orders"], None, AMOUNT)]
    # No row is inserted, so that none waits for its parents.
    assert {request.job_name for request in tick(runner)} == {"reload_window_sales", "reload_keys_sales"}


@pytest.mark.usefixtures("requests")
@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"columns": "[]"}, "columns: is not an object with tables"),
        ({"columns": '{"orders": "amount"}'}, "columns: 'orders' has no list of columns"),
        ({"columns": '{"order": ["amount"]}'}, "'order' is not a table of the group sales; did you mean 'orders'?"),
        ({"columns": '{"orders": ["amunt"]}'}, "'amunt' is not a column of production.orders; did you mean 'amount'?"),
        ({"columns": '{"orders": ["order_id"]}'}, "'order_id' of orders is in the key"),
        (
            {"columns": '{"orders": ["amount"]}', "tables": ["orders", "customers"]},
            "other tables than the request: cus",
        ),
        ({"columns": '{"orders": ["amount"]}', "keys": '{"customers": [1]}'}, "other tables than the request: cus"),
    ],
)
def test_columns_that_cannot_be_repaired_are_refused(
    runner: Runner, day: date, more: dict[str, Any], said: str
) -> None:
    window = {} if "keys" in more else {"window_start": day, "window_end": day + timedelta(days=1)}
    number = ask(runner, group_name="sales", reason="x", **window, **more)
    assert tick(runner) == []
    status, _, _, error = answer(runner, number)
    assert (status, said in error) == ("refused", True), error
