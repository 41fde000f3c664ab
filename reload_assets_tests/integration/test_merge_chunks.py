"""The merge in chunks: each a transaction of its own, in parents-first order, resumed after a crash."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
import pytest

from reload_assets.errors import MergeFailed
from reload_assets.errors.merge import MergeContended
from reload_assets.errors.reloads import StagingChanged, StagingGone, WindowBusy
from reload_assets.ledger.records import Reload
from reload_assets.merge import Outcomes
from reload_assets.postgres.statements import run
from reload_assets_tests.integration.merge_bench import (
    CUSTOMERS,
    EARLIER,
    LATER,
    NOON,
    UPDATED_AT,
    MakeBench,
    MergeBench,
)

ORDERS = """
CREATE TABLE production.customers (id integer PRIMARY KEY, name text, updated_at timestamp);
CREATE TABLE production.orders (
    order_id integer, line text, customer_id integer NOT NULL REFERENCES production.customers,
    amount numeric(10, 2) CHECK (amount < 1000), updated_at timestamp, PRIMARY KEY (order_id, line)
);
"""
GROUP: Mapping[str, Mapping[str, Any]] = {"customers": UPDATED_AT, "orders": UPDATED_AT}
TRANSACTIONS = "SELECT xmin::text, count(*) FROM production.{} GROUP BY xmin ORDER BY count(*) DESC, min({})"


def customer_rows(count: int, name: str = "new", at: str = NOON) -> list[tuple[Any, ...]]:
    return [(number, f"{name} {number}", at) for number in range(1, count + 1)]


def order_rows(count: int) -> list[tuple[Any, ...]]:
    # Three lines per order, so that chunks end in the middle of a composite key; texts that have to be quoted.
    return [(number // 3, f"it's {number % 3}", 1 + number % 5, number, NOON) for number in range(count)]


def transactions(bench: MergeBench, table: str, first: str) -> list[int]:
    """How many rows each transaction wrote that production's rows of a table are from."""
    return [count for _, count in bench.rows(TRANSACTIONS.format(table, first))]


def test_each_chunk_is_a_transaction_in_key_order(make_bench: MakeBench) -> None:
    bench = make_bench(ORDERS, GROUP)
    reload = bench.stage({"customers": customer_rows(5), "orders": order_rows(20)})
    result = bench.merge(reload, chunk_rows=8)
    assert result.outcomes == {"customers": Outcomes(inserted=5), "orders": Outcomes(inserted=20)}
    assert (result.chunks, result.attempts) == (4, 4)
    assert transactions(bench, "customers", "id") == [5]
    assert transactions(bench, "orders", "order_id") == [8, 8, 4]
    ranges = bench.rows("SELECT max((order_id, line)::text) < 'z', count(*) FROM production.orders GROUP BY xmin")
    assert len(ranges) == 3
    assert [key["order_id"] for _, key, _ in bench.audit() if "order_id" in key] == [row[0] for row in order_rows(20)]


def test_it_does_what_one_transaction_does(make_bench: MakeBench) -> None:
    found = []
    every: list[dict[str, Any]] = [{}, {"chunk_rows": 3}]
    for options in every:
        bench = make_bench(ORDERS, GROUP)
        bench.execute(
            f"INSERT INTO production.customers SELECT n, 'new ' || n, '{NOON}' FROM generate_series(1, 30) AS n;"
            f"UPDATE production.customers SET updated_at = '{EARLIER}' WHERE id % 4 = 1;"
            f"UPDATE production.customers SET name = 'other' WHERE id % 4 = 2;"
            f"UPDATE production.customers SET updated_at = '{LATER}', name = 'newer' WHERE id % 4 = 3;"
            "DELETE FROM production.customers WHERE id % 5 = 0"
        )
        result = bench.merge(bench.stage({"customers": customer_rows(30), "orders": order_rows(20)}), **options)
        ledger = bench.ledger.tables(1)["customers"]
        assert (ledger.inserted, ledger.identical) == (6, result.outcomes["customers"].identical)
        audit = sorted(map(str, bench.audit()))
        found.append((result.outcomes, bench.rows("TABLE production.customers ORDER BY id"), audit))
    assert found[0] == found[1]


def die_in_chunk(bench: MergeBench, key: int) -> None:
    """The merge's own session is ended by the server when it writes this key."""
    bench.execute(
        "CREATE FUNCTION production.die() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(5); RETURN NEW; END $$;"
        "CREATE TRIGGER die BEFORE INSERT OR UPDATE ON production.orders FOR EACH ROW "
        f"WHEN (NEW.order_id = {key}) EXECUTE FUNCTION production.die()"
    )


def interrupted(bench: MergeBench, chunk_rows: int = 4) -> Reload:
    """A reload of 20 orders whose merge died after some chunks."""
    reload = bench.stage({"customers": customer_rows(5), "orders": order_rows(20)})
    die_in_chunk(bench, 3)
    with pytest.raises(MergeFailed, match="merged in part .4 chunks are in production and stay"):
        bench.merge(reload, chunk_rows=chunk_rows, awaits_confirm=True)
    bench.execute("DROP TRIGGER die ON production.orders")
    return bench.ledger.get(reload.reload_id)


def test_a_merge_that_died_goes_on_after_its_last_chunk(make_bench: MakeBench) -> None:
    bench = make_bench(ORDERS, GROUP)
    reload = interrupted(bench)
    assert (reload.status, reload.confirm_status) == ("merging", "pending")
    assert reload.error is not None
    assert "merged in part" in reload.error
    ledger = bench.ledger.tables(reload.reload_id)
    assert (ledger["orders"].inserted, ledger["orders"].merged_through) == (8, ["2", "it's 1"])
    assert ledger["customers"].merge_ended_at is not None
    # CDC goes on meanwhile, also in rows that are merged already: they are not looked at again.
    bench.execute(f"UPDATE production.orders SET amount = 7, updated_at = '{LATER}' WHERE order_id = 0")
    result = bench.merge(reload, chunk_rows=4, awaits_confirm=True)
    assert result.outcomes == {"customers": Outcomes(inserted=5), "orders": Outcomes(inserted=20)}
    assert result.chunks == 7
    assert len(bench.audit()) == 25
    assert bench.rows("SELECT amount FROM production.orders WHERE order_id = 0") == [(7,)] * 3
    assert bench.ledger.get(reload.reload_id).status == "merged"


def test_it_goes_on_whatever_the_configuration_says_by_then(make_bench: MakeBench) -> None:
    bench = make_bench(ORDERS, GROUP)
    result = bench.merge(interrupted(bench), awaits_confirm=True)
    assert result.outcomes["orders"] == Outcomes(inserted=20)
    assert (result.chunks, len(bench.audit())) == (5, 25)


def test_children_never_stand_without_parents(make_bench: MakeBench) -> None:
    """The foreign key is checked at every commit; with the children first the first chunk would fail."""
    bench = make_bench(ORDERS, dict(reversed(list(GROUP.items()))))
    interrupted(bench)
    assert bench.rows("SELECT count(*) FROM production.customers") == [(5,)]
    assert bench.rows("SELECT count(*) FROM production.orders") == [(8,)]


def test_a_refused_row_leaves_the_chunks_before_it_and_says_so(make_bench: MakeBench) -> None:
    bench = make_bench(ORDERS, GROUP)
    rows = order_rows(20)
    rows[10] = (*rows[10][:3], 5000, NOON)
    reload = bench.stage({"customers": customer_rows(5), "orders": rows})
    with pytest.raises(MergeFailed) as caught:
        bench.merge(reload, chunk_rows=4)
    assert "merged in part (4 chunks are in production and stay" in str(caught.value)
    assert "refuses the staged row (order_id, line)=(3, it's 1)" in str(caught.value)
    assert bench.rows("SELECT count(*) FROM production.orders") == [(8,)]
    bench.execute("ALTER TABLE production.orders DROP CONSTRAINT orders_amount_check")
    assert bench.merge(bench.ledger.get(reload.reload_id), chunk_rows=4).outcomes["orders"] == Outcomes(inserted=20)


@pytest.mark.parametrize("unique", ["(name)", "(lower(name)) WHERE id > 0"])
def test_values_that_move_between_rows_keep_a_table_together(make_bench: MakeBench, unique: str) -> None:
    bench = make_bench(
        "CREATE TABLE production.customers (id integer PRIMARY KEY, name text, updated_at timestamp);"
        f"CREATE UNIQUE INDEX ON production.customers {unique}"
    )
    bench.execute(
        f"INSERT INTO production.customers SELECT n, 'new ' || (13 - n), '{EARLIER}' FROM generate_series(1, 12) AS n"
    )
    result = bench.merge(bench.stage({"customers": customer_rows(12)}), chunk_rows=4)
    assert (result.outcomes["customers"], result.chunks) == (Outcomes(updated=12), 1)


def test_rows_that_refer_to_each_other_keep_a_table_together(make_bench: MakeBench) -> None:
    bench = make_bench(
        "CREATE TABLE production.customers (id integer PRIMARY KEY, boss integer REFERENCES production.customers, "
        "updated_at timestamp)"
    )
    result = bench.merge(bench.stage({"customers": [(n, 13 - n, NOON) for n in range(1, 13)]}), chunk_rows=4)
    assert (result.outcomes["customers"], result.chunks) == (Outcomes(inserted=12), 1)


def test_a_circle_of_tables_is_merged_in_one_transaction(make_bench: MakeBench) -> None:
    bench = make_bench(
        "CREATE TABLE production.customers (id integer PRIMARY KEY, first_order integer, updated_at timestamp);"
        "CREATE TABLE production.orders (order_id integer PRIMARY KEY, "
        "customer_id integer REFERENCES production.customers, updated_at timestamp);"
        "ALTER TABLE production.customers ADD FOREIGN KEY (first_order) REFERENCES production.orders "
        "DEFERRABLE INITIALLY DEFERRED",
        GROUP,
    )
    rows: dict[str, Sequence[Sequence[Any]]] = {
        "customers": [(n, n, NOON) for n in range(1, 10)],
        "orders": [(n, n, NOON) for n in range(1, 10)],
    }
    result = bench.merge(bench.stage(rows), chunk_rows=2)
    assert (result.chunks, result.outcomes["orders"]) == (1, Outcomes(inserted=9))


def test_staging_that_changed_since_it_was_verified_is_refused(make_bench: MakeBench) -> None:
    bench = make_bench(CUSTOMERS)
    reload = bench.stage({"customers": customer_rows(9)})
    bench.execute("DELETE FROM staging.customers_r1 WHERE id = 9")
    with pytest.raises(StagingChanged, match="8 rows, but 9"):
        bench.merge(reload, chunk_rows=2)
    assert bench.customers() == []


def test_staging_that_is_gone_ends_a_merge_in_its_middle(make_bench: MakeBench) -> None:
    bench = make_bench(ORDERS, GROUP)
    reload = interrupted(bench)
    bench.execute("DROP TABLE staging.orders_r1")
    with pytest.raises(StagingGone):
        bench.merge(reload, chunk_rows=4)
    ended = bench.ledger.get(reload.reload_id)
    assert (ended.status, ended.confirm_status) == ("failed", "unconfirmed")


def test_no_other_reload_of_the_window_begins_in_its_middle(make_bench: MakeBench) -> None:
    bench = make_bench(ORDERS, GROUP)
    reload = interrupted(bench)
    with pytest.raises(WindowBusy, match="by reload 1"):
        bench.stage({"customers": customer_rows(1)})
    # Its run is over, so the next load closes it; what it wrote is left for the next confirm.
    assert bench.ledger.close(reload.reload_id, "cancelled", "Run run ended and left it merging.")
    again = bench.stage({"customers": customer_rows(5), "orders": order_rows(20)})
    bench.merge(again, awaits_confirm=True)
    parts = {
        "group_name": again.group_name,
        "window_start": again.load_start,
        "window_end": again.window_end,
        "reload_id": again.reload_id,
        "table_name": "customers",
    }
    with psycopg.connect(bench.url) as connection:
        found = run(connection, "confirm/1_keys:find_unconfirmed", **parts).fetchall()
    assert [row[0] for row in found] == [1, 2]


def test_the_ledger_shows_how_far_it_is(make_bench: MakeBench) -> None:
    bench = make_bench(ORDERS, GROUP)
    interrupted(bench)
    assert bench.rows("SELECT state, status, table_name, inserted FROM admin.window_status") == [
        ("running", "merging", "customers", 5),
        ("running", "merging", "orders", 8),
    ]
    assert bench.rows("SELECT status, records_inserted FROM admin.merge_summary") == [("RUNNING", 13)]


def test_only_a_chunk_is_tried_again(make_bench: MakeBench) -> None:
    bench = make_bench(ORDERS, GROUP)
    reload = bench.stage({"customers": customer_rows(5), "orders": order_rows(20)})
    with bench.writer() as writer:
        writer.execute(f"INSERT INTO production.customers VALUES (1, 'cdc', '{EARLIER}')")
        writer.commit()
        bench.execute(f"INSERT INTO production.orders VALUES (4, 'it''s 0', 1, 1, '{EARLIER}')")
        writer.execute("SELECT 1 FROM production.orders FOR UPDATE")
        with pytest.raises(MergeContended, match=r"merged in part \(5 chunks .*production.orders"):
            bench.merge(reload, chunk_rows=4, lock_timeout_ms=30, attempts=2)
    result = bench.merge(bench.ledger.get(reload.reload_id), chunk_rows=4)
    assert result.outcomes == {"customers": Outcomes(inserted=4, updated=1), "orders": Outcomes(inserted=19, updated=1)}
    assert result.chunks == 7
