"""Selected keys are reloaded as a window is: staged, verified, merged, confirmed and compared; nothing else changes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from reload_assets.local.stack import checkout_file
from reload_assets.verify.production import AFTER_CHECKS_OF_KEYS
from reload_assets.verify.staging import STAGING_CHECKS_OF_KEYS
from reload_assets_tests.scenarios.requesting import answer, ask, launch, tick
from reload_assets_tests.scenarios.runs import Runner, checks, failures
from reload_assets_tests.scenarios.test_cli import command

KEY = {"customers": "customer_id", "orders": "order_id", "order_items": "order_id, line_no", "documents": "document_id"}


def reference(**changes: Any) -> str:
    """The reference configuration with other sections."""
    document = yaml.safe_load(checkout_file("reload.yaml").read_text(encoding="utf-8"))
    document["groups"]["sales"]["tables"]["order_items"]["orphans"] = "delete"
    document["source"].update(changes.pop("source", {}))
    return yaml.safe_dump({**document, **changes})


@pytest.fixture
def requests(runner: Runner) -> Iterator[None]:
    yield
    with runner.stack.connect_target() as target:
        target.execute("DELETE FROM admin.reload_requests")


def source_row(runner: Runner, table: str, *key: int) -> tuple[Any, ...] | None:
    with runner.stack.connect_source() as source:
        columns = [f'"{name.strip().upper()}"' for name in KEY[table].split(",")]
        where = " AND ".join(f"{column} = %s" for column in columns)
        return source.execute(f'SELECT * FROM "SALES"."{table.upper()}" WHERE {where}'.encode(), key).fetchone()


def target_row(runner: Runner, table: str, *key: int) -> tuple[Any, ...] | None:
    where = " AND ".join(f"{column} = %s" for column in KEY[table].split(", "))
    found = runner.query(f"SELECT * FROM production.{table} WHERE {where}", *key)
    return found[0] if found else None


def orders_of(runner: Runner, day: date, least_items: int = 2) -> list[int]:
    """Orders of a day that have some lines."""
    return [
        order
        for (order,) in runner.query(
            "SELECT order_id FROM production.orders AS o WHERE updated_at::date = %s AND "
            "(SELECT count(*) FROM production.order_items AS i WHERE i.order_id = o.order_id) >= %s ORDER BY 1",
            day,
            least_items,
        )
    ]


@pytest.mark.usefixtures("requests")
def test_requested_keys_equal_the_source_afterwards_and_others_stay(
    configured: Callable[[str], Runner], day: date
) -> None:
    runner = configured(reference())
    gone, wrong, other = orders_of(runner, day)[:3]
    (customer,) = target_row(runner, "orders", gone)[1:2]  # type: ignore[index]
    (document,) = runner.query("SELECT min(document_id) FROM production.documents WHERE updated_at::date = %s", day)[0]
    with runner.stack.connect_target() as target:
        target.execute("DELETE FROM production.order_items WHERE order_id = %s", (gone,))
        target.execute("DELETE FROM production.orders WHERE order_id = %s", (gone,))
        target.execute("UPDATE production.orders SET amount = amount + 1 WHERE order_id IN (%s, %s)", (wrong, other))
        target.execute(
            "INSERT INTO production.order_items SELECT order_id, 99, product, quantity, price, updated_at "
            "FROM production.order_items WHERE order_id = %s AND line_no = 1",
            (wrong,),
        )
        target.execute("UPDATE production.documents SET body = 'lost' WHERE document_id = %s", (document,))
    damaged = target_row(runner, "orders", other)
    # As a person writes them: numbers and texts, in any order, one of them twice.
    keys = {
        "order_items": [[gone, 1], [gone, "2"], [wrong, 99]],
        "orders": [wrong, str(gone), wrong],
        "customers": [customer],
        "documents": [[document]],
    }
    number = ask(runner, group_name="sales", keys=json.dumps(keys), reason="a list", requested_by="ana")
    (request,) = tick(runner)
    assert (request.job_name, request.partition_key) == ("reload_keys_sales", f"request-{number}")
    result = runner.run(
        f"request-{number}",
        job="reload_keys_sales",
        assets=[key.to_user_string() for key in request.asset_selection or []],
        tags=dict(request.tags),
    )
    assert failures(result) == []
    expected = {f"keys/staging/{table}.{check}" for table in keys for check in STAGING_CHECKS_OF_KEYS} | {
        f"keys/production/{table}.{check}" for table in keys for check in AFTER_CHECKS_OF_KEYS
    }
    assert checks(result) == dict.fromkeys(expected, True)
    for table, some in {**keys, "orders": [wrong, gone]}.items():
        for key in some:
            values = [int(value) for value in (key if isinstance(key, list) else [key])]
            assert target_row(runner, table, *values) == source_row(runner, table, *values), (table, values)
    assert target_row(runner, "order_items", wrong, 99) is None
    assert target_row(runner, "orders", other) == damaged != source_row(runner, "orders", other)

    row = runner.ledger(result.run_id)
    assert (row["status"], row["confirm_status"], row["selection"]) == ("merged", "confirmed", "keys")
    assert (row["window_start"], row["task_arn"], row["request_id"]) == (None, None, number)
    assert runner.query(
        "SELECT table_name, keys, inserted, updated + repaired, identical, confirm_corrections, state "
        "FROM admin.key_status WHERE request_id = %s ORDER BY table_name",
        number,
    ) == [
        ("customers", 1, 0, 0, 1, 0, "green"),
        ("documents", 1, 0, 1, 0, 0, "green"),
        ("order_items", 3, 2, 0, 0, 1, "green"),
        ("orders", 2, 1, 1, 0, 0, "green"),
    ]
    ((audited,),) = runner.query("SELECT count(*) FROM admin.reload_changes WHERE reload_id = %s", row["reload_id"])
    assert audited == 6
    assert tick(runner) == []
    assert answer(runner, number) == ("done", result.run_id, row["reload_id"], None)
    assert runner.dms_tasks() == []


@pytest.mark.usefixtures("requests")
def test_parents_that_production_lacks_are_reloaded_with_the_keys(runner: Runner, day: date) -> None:
    """CDC skipped a change of an item, say, whose order was lost with its customer."""
    order = orders_of(runner, day)[0]
    found = target_row(runner, "orders", order)
    assert found is not None
    others = runner.query(
        "SELECT order_id FROM production.orders WHERE customer_id = %s AND order_id <> %s", found[1], order
    )
    with runner.stack.connect_target() as target:
        target.execute("DELETE FROM production.order_items WHERE order_id = %s", (order,))
        target.execute("DELETE FROM production.orders WHERE order_id = %s", (order,))
        if not others:
            target.execute("DELETE FROM production.customers WHERE customer_id = %s", (found[1],))
    number = ask(runner, group_name="sales", keys=json.dumps({"order_items": [[order, 1]]}), reason="x")
    (request,) = tick(runner)
    assert launch(runner, request)
    ((keys,),) = runner.query("SELECT keys FROM admin.reload_requests WHERE request_id = %s", number)
    assert keys["orders"] == [str(order)]
    assert ("customers" in keys) == (not others)
    for table, key in (("orders", [order]), ("order_items", [order, 1]), ("customers", [found[1]])):
        assert target_row(runner, table, *key) == source_row(runner, table, *key) is not None


@pytest.mark.usefixtures("requests")
def test_without_a_source_connection_dms_loads_the_keys(configured: Callable[[str], Runner], day: date) -> None:
    runner = configured(reference(source={"connection": None}))
    wrong, other = orders_of(runner, day)[:2]
    with runner.stack.connect_target() as target:
        target.execute("DELETE FROM production.order_items WHERE order_id IN (%s, %s)", (wrong, other))
    number = ask(runner, group_name="sales", keys=json.dumps({"order_items": [[wrong, 1], [wrong, 77]]}), reason="x")
    (request,) = tick(runner)
    assert launch(runner, request)
    assert target_row(runner, "order_items", wrong, 1) == source_row(runner, "order_items", wrong, 1) is not None
    # The filter is on the order alone, and brings its other lines too.
    assert target_row(runner, "order_items", wrong, 2) is None
    assert target_row(runner, "order_items", other, 1) is None
    ((staged, trimmed),) = runner.query(
        "SELECT staged_rows, trimmed_rows FROM admin.reload_tables AS t JOIN admin.reloads AS r USING (reload_id) "
        "WHERE r.request_id = %s",
        number,
    )
    assert staged == 1
    assert trimmed >= 1
    assert runner.dms_tasks() == []


@pytest.mark.usefixtures("requests")
def test_a_long_list_becomes_the_windows_that_hold_it(configured: Callable[[str], Runner], day: date) -> None:
    runner = configured(reference(keys={"most": 2}))
    orders = orders_of(runner, day)[:3]
    with runner.stack.connect_target() as target:
        target.execute("DELETE FROM production.order_items WHERE order_id = ANY (%s)", (orders,))
        # Known to the source alone.
        target.execute("DELETE FROM production.orders WHERE order_id = %s", (orders[0],))
    number = ask(runner, group_name="sales", keys=json.dumps({"orders": orders, "customers": [1, 2]}), reason="found")
    assert tick(runner) == []
    assert answer(runner, number)[0] == "split"
    (listed,) = tick(runner)
    assert listed.job_name == "reload_keys_sales"
    assert {key.path[-1] for key in listed.asset_selection or []} == {"customers"}
    # Another part may have the parents of its rows.
    waits = "SELECT error FROM admin.reload_requests WHERE split_from = %s AND window_start IS NOT NULL"
    assert runner.query(waits, number)[0][0].endswith("[part-waits]")
    assert launch(runner, listed)
    (window,) = tick(runner)
    assert (window.job_name, window.partition_key) == ("reload_sales", day.isoformat())
    assert {key.to_user_string() for key in window.asset_selection or []} == {"staging/orders", "production/orders"}
    parts = runner.query(
        "SELECT window_start IS NULL, tables, reason FROM admin.reload_requests WHERE split_from = %s ORDER BY 1",
        number,
    )
    assert parts[0] == (False, ["orders"], f"found [request {number}] (keys in this window: 3 of orders)")
    assert parts[1][1] is None


def reload_by_command(folder: Path, written: str, keys: Mapping[str, Sequence[Sequence[int]]]) -> None:
    """Reload keys from files, as a person in a terminal does."""
    (folder / "reload.yaml").write_text(written, encoding="utf-8")
    arguments = []
    for table, some in keys.items():
        (folder / table).write_text("\n".join(",".join(map(str, key)) for key in some), encoding="utf-8")
        arguments += ["--keys", f"{table}={folder / table}"]
    done = command("--config", str(folder / "reload.yaml"), "reload", "sales", *arguments)
    assert done.exit_code == 0, done.output


@pytest.mark.usefixtures("requests")
@pytest.mark.parametrize(("by", "listed"), [("row", ["order_items", "orders"]), ("command", ["order_items"])])
def test_windows_of_a_long_list_come_after_the_parents_of_their_rows(
    configured: Callable[[str], Runner], day: date, tmp_path: Path, by: str, listed: list[str]
) -> None:
    """Production lacks an order of the day before, an item of which lies in this day."""
    written = reference(keys={"most": 1})
    runner = configured(written)
    order = orders_of(runner, day)[0]
    with runner.stack.connect_source() as source:
        earlier = """UPDATE "SALES"."ORDERS" SET "UPDATED_AT" = "UPDATED_AT" - interval '1 day' WHERE "ORDER_ID" = %s"""
        source.execute(earlier, (order,))
    runner.stack.drain()
    with runner.stack.connect_target() as target:
        target.execute("DELETE FROM production.order_items WHERE order_id = %s", (order,))
        target.execute("DELETE FROM production.orders WHERE order_id = %s", (order,))
    others = orders_of(runner, day)[1:3]
    every = [[order], *([one] for one in others)]
    keys = {table: [[*key, 1] for key in every] if table == "order_items" else every for table in listed}
    if by == "row":
        number = ask(runner, group_name="sales", keys=json.dumps(keys), reason="x")
        assert tick(runner) == []
        for _ in range(2):
            wanted = tick(runner)
            # The windows, the last one first.
            assert all(launch(runner, request) for request in reversed(wanted))
        # The first of these notes the ends of the parts.
        assert tick(runner) == tick(runner) == []
        assert answer(runner, number)[0] == "done"
    else:
        reload_by_command(tmp_path, written, keys)
    assert target_row(runner, "order_items", order, 1) == source_row(runner, "order_items", order, 1) is not None


@pytest.mark.usefixtures("requests")
@pytest.mark.parametrize("by", ["row", "command"])
def test_parts_of_a_long_list_have_the_parents_of_their_own_rows(
    configured: Callable[[str], Runner], day: date, tmp_path: Path, by: str
) -> None:
    """The second part has the order to which the first part's item refers. No window of the cadence holds the rows."""
    written = reference(keys={"most": 1}, windows={"first": "2026-01-01"})
    runner = configured(written)
    first, second = orders_of(runner, day)[:2]
    with runner.stack.connect_target() as target:
        target.execute("DELETE FROM production.order_items WHERE order_id IN (%s, %s)", (first, second))
        target.execute("DELETE FROM production.orders WHERE order_id IN (%s, %s)", (first, second))
    keys = {"orders": [[first], [second]], "order_items": [[second, 1], [first, 1]]}
    if by == "row":
        ask(runner, group_name="sales", keys=json.dumps(keys), reason="x")
        assert tick(runner) == []
        assert all(launch(runner, request) for request in tick(runner))
        assert tick(runner) == []
        ((requests,),) = runner.query("SELECT count(*) FROM admin.reload_requests")
        assert requests == 3
    else:
        reload_by_command(tmp_path, written, keys)
    for order in (first, second):
        assert target_row(runner, "order_items", order, 1) == source_row(runner, "order_items", order, 1) is not None


@pytest.mark.usefixtures("requests")
def test_keys_of_rows_at_times_that_no_window_has_stay_keys(configured: Callable[[str], Runner], day: date) -> None:
    """Such as the end of all times, which in this zone is a year later in UTC."""
    runner = configured(reference(keys={"most": 2}, source={"time_zone": "America/New_York"}))
    usual = orders_of(runner, day)[0]
    times = {9001: "9999-12-31 23:59:59", 9002: "infinity", 9003: "20000-01-01", 9004: "0044-03-15 BC"}
    with runner.stack.connect_target() as target:
        for number, at in times.items():
            target.execute(
                "INSERT INTO production.orders SELECT (jsonb_populate_record(o, jsonb_build_object("
                "'order_id', %s::bigint, 'updated_at', %s::text))).* FROM production.orders AS o WHERE order_id = %s",
                (number, at, usual),
            )
    orders = [*times, usual]
    number = ask(runner, group_name="sales", keys=json.dumps({"orders": orders}), reason="x")
    try:
        assert tick(runner) == []
    finally:
        with runner.stack.connect_target() as target:
            target.execute("DELETE FROM production.orders WHERE order_id = ANY (%s)", (list(times),))
    assert answer(runner, number)[0] == "split"
    parts = runner.query("SELECT keys->'orders' FROM admin.reload_requests WHERE split_from = %s ORDER BY 1", number)
    # At most two in a request, as ever; the other one goes with its window.
    assert sorted(parts, key=str) == [(None,), (["9001", "9002"],), (["9003", "9004"],)]


@pytest.mark.usefixtures("requests")
@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"keys": "[1, 2]"}, "request-invalid"),
        ({"keys": '{"orders": []}'}, "request-invalid"),
        ({"keys": '{"orders": [[null]]}'}, "request-invalid"),
        ({"keys": '{"ordres": [1]}'}, "'ordres' is not a table of the group sales; did you mean 'orders'?"),
        ({"keys": '{"orders": [1]}', "tables": ["orders"]}, "goes without window_start"),
        ({"keys": '{"orders": [1]}', "group_name": "sale"}, "there is no group 'sale'"),
    ],
)
def test_bad_keys_are_refused_with_a_sentence(runner: Runner, columns: dict[str, Any], said: str) -> None:
    number = ask(runner, **{"group_name": "sales", "reason": "x", **columns})
    assert tick(runner) == []
    status, _, _, error = answer(runner, number)
    assert status == "refused"
    assert said in error


@pytest.mark.usefixtures("requests")
@pytest.mark.parametrize(
    ("source", "limit"),
    [({}, None), ({"connection": None}, None), ({}, '{"order_items": ["price"], "orders": ["amount"]}')],
    ids=["rows", "without a source", "columns"],
)
def test_keys_that_are_none_fail_before_anything_is_made(
    configured: Callable[[str], Runner], source: dict[str, Any], limit: str | None
) -> None:
    runner = configured(reference(source=source))
    keys = {"order_items": [[1, 1], [2], [3, 1]], "orders": [1]}
    number = ask(runner, group_name="sales", keys=json.dumps(keys), columns=limit, reason="x")
    assert tick(runner) == []
    status, _, reload_id, error = answer(runner, number)
    assert (status, reload_id) == ("refused", None)
    assert error == (
        "1 of the selected keys cannot be keys of order_items (2), whose key is (order_id bigint, line_no integer); "
        "nothing was loaded. Fix them and ask again. [keys-unreadable]"
    )


@pytest.mark.usefixtures("requests")
@pytest.mark.parametrize(("most", "keys"), [(1000, '{"order_items": [[7, 1]]}'), (1, '{"orders": [7, 8]}')])
def test_keys_of_a_table_that_may_not_be_read_are_refused_and_block_nobody(
    configured: Callable[[str], Runner], most: int, keys: str
) -> None:
    """The rows are looked up before a reload is opened, which would look at the rights."""
    runner = configured(reference(keys={"most": most}))
    with runner.stack.connect_target() as target:
        target.execute("REVOKE SELECT ON production.orders FROM reload_job")
    try:
        number = ask(runner, group_name="sales", keys=keys, reason="x")
        other = ask(runner, group_name="sales", keys='{"documents": [1]}', reason="x")
        (request,) = tick(runner)
    finally:
        with runner.stack.connect_target() as target:
            target.execute("GRANT SELECT ON production.orders TO reload_job")
    assert request.partition_key == f"request-{other}"
    status, _, _, error = answer(runner, number)
    assert status == "refused"
    assert "lacks SELECT on production.orders; run: GRANT SELECT ON TABLE production.orders TO reload_job" in error


@pytest.mark.usefixtures("requests")
@pytest.mark.parametrize("limit", [{}, {"columns": '{"orders": ["amount"]}'}], ids=["rows", "columns"])
def test_keys_of_a_table_that_the_source_does_not_have_are_refused(
    configured: Callable[[str], Runner], limit: dict[str, str]
) -> None:
    """No later tick would find it either."""
    document = yaml.safe_load(reference())
    document["groups"]["sales"]["tables"]["orders"]["source"] = "ORDER"
    runner = configured(yaml.safe_dump(document))
    number = ask(runner, group_name="sales", keys='{"orders": [7]}', reason="x", **limit)
    assert tick(runner) == []
    status, _, _, error = answer(runner, number)
    assert status == "refused"
    assert "has no table SALES.ORDER that this user may read (did you mean 'ORDERS'?)" in error
