"""One statement deletes the audit of one reload and nothing of another's."""

from __future__ import annotations

from reload_assets_tests.integration.merge_bench import CUSTOMERS, EARLIER, NOON, MakeBench


def test_the_audit_of_a_reload_is_a_table_of_its_own_that_can_be_dropped(make_bench: MakeBench) -> None:
    made = make_bench(CUSTOMERS)
    made.execute(f"INSERT INTO production.customers VALUES (1, 'old', '{EARLIER}')")
    first = made.stage({"customers": [(1, "new", NOON), (2, "new", NOON)]})
    made.merge(first)
    second = made.stage({"customers": [(2, "newer", NOON), (3, "new", NOON)]})
    made.merge(second)
    held = made.rows("SELECT reload_id, count(*), min(tableoid) = max(tableoid) FROM admin.reload_changes GROUP BY 1")
    assert sorted(held) == [(first.reload_id, 2, True), (second.reload_id, 2, True)]

    ((partition,),) = made.rows(
        f"SELECT DISTINCT tableoid::regclass::text FROM admin.reload_changes WHERE reload_id = {first.reload_id}"
    )
    made.execute(f"ALTER TABLE admin.reload_changes DETACH PARTITION {partition}")
    made.execute(f"DROP TABLE {partition}")
    assert made.rows("SELECT DISTINCT reload_id FROM admin.reload_changes") == [(second.reload_id,)]
    assert made.customers() == [(1, "new"), (2, "newer"), (3, "new")]
    # What the reload did is still in the ledger.
    assert made.ledger.tables(first.reload_id)["customers"].inserted == 1
