"""A merge in chunks that dies between two of them, over the whole of a run and the next."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime

from reload_assets.local import damage
from reload_assets.local.stack import checkout_file
from reload_assets_tests.scenarios.runs import Runner, checks, failures

CHUNKED = checkout_file("reload.yaml").read_text(encoding="utf-8") + "\nmerge: {mode: chunked, chunk_rows: 10}\n"
ORDERS = ["staging/customers", "staging/orders", "production/customers", "production/orders"]
# The session that merges is ended by the server when it comes to one of the later orders.
DIE = """
CREATE FUNCTION public.die() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_terminate_backend(pg_backend_pid());
    PERFORM pg_sleep(5);
    RETURN NEW;
END $$;
CREATE TRIGGER die BEFORE INSERT OR UPDATE ON production.orders FOR EACH ROW
WHEN (NEW.order_id >= {}) EXECUTE FUNCTION public.die();
"""


def test_a_merge_that_died_between_chunks_is_gone_on_with_by_the_next_run(
    configured: Callable[[str], Runner], day: date, bounds: tuple[datetime, datetime]
) -> None:
    runner = configured(CHUNKED)
    with runner.stack.connect_target() as target:
        damage.damage(target, *bounds, seed=1)
        # The day as a whole is gone: every order is written again.
        target.execute(
            "DELETE FROM production.order_items WHERE order_id IN (SELECT order_id FROM production.orders "
            "WHERE updated_at >= %s AND updated_at < %s)",
            bounds,
        )
        target.execute("DELETE FROM production.orders WHERE updated_at >= %s AND updated_at < %s", bounds)
    with runner.stack.connect_source() as source:
        found = source.execute(
            'SELECT percentile_disc(0.6) WITHIN GROUP (ORDER BY "ORDER_ID") FROM "SALES"."ORDERS" '
            'WHERE "UPDATED_AT" >= %s AND "UPDATED_AT" < %s',
            bounds,
        ).fetchone()
        assert found is not None
    with runner.stack.connect_target() as target:
        target.execute(DIE.format(int(found[0])).encode())
    try:
        died = runner.run(day.isoformat(), assets=ORDERS)
        assert not died.success
        (said,) = failures(died)
        assert "is merged in part" in said
    finally:
        with runner.stack.connect_target() as target:
            target.execute("DROP FUNCTION public.die() CASCADE")
    row = runner.ledger(died.run_id)
    assert (row["status"], row["confirm_status"]) == ("merging", "pending")
    assert runner.dms_tasks() == []

    went_on = runner.run(day.isoformat(), assets=ORDERS[2:])
    assert failures(went_on) == []
    number, row = row["reload_id"], runner.ledger(went_on.run_id)
    assert (row["reload_id"], row["status"], row["confirm_status"]) == (number, "merged", "confirmed")
    ((chunks, written),) = runner.query(
        "SELECT merge_chunks, inserted FROM admin.reload_tables WHERE reload_id = %s AND table_name = 'orders'",
        row["reload_id"],
    )
    assert chunks > 3
    ((audited, keys),) = runner.query(
        "SELECT count(*), count(DISTINCT key) FROM admin.reload_changes "
        "WHERE reload_id = %s AND table_name = 'orders' AND step = 'merge' AND operation = 'inserted'",
        row["reload_id"],
    )
    assert (audited, keys) == (written, written)
    assert checks(went_on)["production/orders.window_matches_source"]
