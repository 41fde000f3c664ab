"""The merge is the one that yields: to whoever waits for it, and to a source that has gone on since the load."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from psycopg import Connection, sql

from reload_assets.errors.merge import MergeYielded, ParentMissing
from reload_assets.ledger.records import Reload, staging_name
from reload_assets.merge import Outcomes
from reload_assets.tables import ReloadTable
from reload_assets_tests.integration.merge_bench import CUSTOMERS, EARLIER, NOON, UPDATED_AT, InThread, MakeBench

# The merge, which has row 1 locked by then, waits at row 2 for as long as another session holds the gate.
GATED = f"""{CUSTOMERS};
    CREATE TABLE production.gate (id integer);
    CREATE FUNCTION production.wait() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN IF NEW.id = 2 THEN LOCK TABLE production.gate; END IF; RETURN NEW; END $$;
    CREATE TRIGGER wait BEFORE UPDATE ON production.customers FOR EACH ROW EXECUTE FUNCTION production.wait();
    INSERT INTO production.customers VALUES (1, 'old', '{EARLIER}'), (2, 'old', '{EARLIER}');
"""
FAMILY = f"""{CUSTOMERS};
    CREATE TABLE production.orders (
        id integer PRIMARY KEY, customer integer REFERENCES production.customers, updated_at timestamp
    );
    CREATE TABLE production.items (
        id integer PRIMARY KEY, "order" integer REFERENCES production.orders, updated_at timestamp
    )
"""
FAMILY_TABLES = {name: dict(UPDATED_AT) for name in ("customers", "orders", "items")}
STAGED = {"customers": [(1, "new", NOON), (2, "new", NOON)]}


def test_nobody_waits_for_the_merge_longer_than_the_limit(make_bench: MakeBench) -> None:
    made = make_bench(GATED)
    reload = made.stage(STAGED)
    with made.writer() as gate, made.writer() as cdc:
        gate.execute("LOCK TABLE production.gate")
        patience: dict[str, Any] = {"lock_timeout_ms": 30_000, "stall_limit_ms": 300, "attempts": 9}
        merge = InThread(lambda: made.merge(reload, **patience))
        made.await_waiting()
        began = time.monotonic()
        cdc.execute("UPDATE production.customers SET name = 'cdc' WHERE id = 1")
        cdc.commit()
        waited = time.monotonic() - began
        gate.rollback()
        result = merge.result()
    # Without the watch it waits for as long as the merge does: until the gate is opened, which is never.
    assert waited < 5
    assert result.attempts > 1
    assert result.outcomes["customers"] == Outcomes(updated=2)
    assert made.customers() == [(1, "new"), (2, "new")]


def test_a_merge_that_had_to_yield_every_time_says_so(make_bench: MakeBench) -> None:
    made = make_bench(GATED)
    reload = made.stage(STAGED)
    with made.writer() as gate, made.writer() as cdc:
        gate.execute("LOCK TABLE production.gate")
        patience: dict[str, Any] = {"lock_timeout_ms": 30_000, "stall_limit_ms": 200, "attempts": 1}
        merge = InThread(lambda: made.merge(reload, **patience))
        made.await_waiting()
        cdc.execute("UPDATE production.customers SET name = 'cdc' WHERE id = 1")
        with pytest.raises(MergeYielded, match="200 ms"):
            merge.result()
    assert made.customers() == [(1, "old"), (2, "old")]
    assert made.ledger.get(reload.reload_id).status == "failed"


class SourceLacks:
    """Reads the source again: it has all rows as they were loaded, except those with some keys."""

    batch = 2

    def __init__(self, reload: Reload, *keys: int) -> None:
        self._reload, self._keys = reload, keys

    def fill(
        self, connection: Connection[Any], table: ReloadTable, rows: str, batches: Iterator[Sequence[tuple[Any, ...]]]
    ) -> None:
        """See Reread."""
        staging = sql.Identifier("staging", staging_name(table, self._reload.reload_id))
        copy = sql.SQL("INSERT INTO {} SELECT s.* FROM {} AS s WHERE s.id::text = ANY (%s) AND s.id <> ALL (%s)")
        for keys in batches:
            connection.execute(copy.format(sql.Identifier(rows), staging), ([key for (key,) in keys], list(self._keys)))


class SourceHasAnotherRow2(SourceLacks):
    """Reads the source again: row 2 has another name than it was loaded with."""

    def fill(
        self, connection: Connection[Any], table: ReloadTable, rows: str, batches: Iterator[Sequence[tuple[Any, ...]]]
    ) -> None:
        """See Reread."""
        super().fill(connection, table, rows, batches)
        change = sql.SQL("UPDATE {} SET c2 = 'newer still' WHERE c1 = 2")
        assert connection.execute(change.format(sql.Identifier(rows))).rowcount == 1


def test_hazard_12_rows_that_went_with_their_parent_since_the_load_are_left_out(make_bench: MakeBench) -> None:
    # Customer 7 of another window was deleted in the source after the load, its order and items before it; CDC has
    # carried all of that into production already.
    made = make_bench(FAMILY, FAMILY_TABLES)
    made.execute(f"INSERT INTO production.customers VALUES (1, 'a', '{EARLIER}')")
    rows = {"orders": [(1, 1, NOON), (7, 7, NOON)], "items": [(1, 1, NOON), (7, 7, NOON)]}
    reload = made.stage(rows)
    result = made.merge(reload, reread=SourceLacks(reload, 7))
    assert result.outcomes == {name: Outcomes(inserted=1, refused=1) for name in rows}
    assert made.rows("SELECT id FROM production.items") == [(1,)]


def test_hazard_12_a_row_that_the_source_still_has_wants_its_parent(make_bench: MakeBench) -> None:
    made = make_bench(FAMILY, FAMILY_TABLES)
    reload = made.stage({"orders": [(7, 7, NOON)]})
    with pytest.raises(ParentMissing, match=r"1 staged row\(s\) of orders .* \(id\)=\(7\) wants \(id\)=\(7\)"):
        made.merge(reload, reread=SourceLacks(reload))
    assert made.ledger.get(reload.reload_id).status == "failed"


def test_with_cdc_stopped_only_rows_are_merged_that_the_source_still_has(make_bench: MakeBench) -> None:
    made = make_bench(CUSTOMERS)
    made.execute(f"INSERT INTO production.customers VALUES (1, 'old', '{EARLIER}'), (3, 'old', '{EARLIER}')")
    reload = made.stage({"customers": [(number, "new", NOON) for number in (1, 2, 3, 4)]})
    result = made.merge(reload, reread=SourceLacks(reload, 1, 2), fenced=True)
    assert result.outcomes["customers"] == Outcomes(inserted=1, updated=1, refused=2)
    assert made.customers() == [(1, "old"), (3, "new"), (4, "new")]


def test_with_cdc_stopped_a_row_is_left_out_that_the_source_has_changed_since(make_bench: MakeBench) -> None:
    made = make_bench(CUSTOMERS)
    reload = made.stage({"customers": [(1, "new", NOON), (2, "new", NOON)]})
    assert made.merge(reload, reread=SourceHasAnotherRow2(reload), fenced=True).outcomes["customers"] == Outcomes(
        inserted=1, refused=1
    )
    assert made.customers() == [(1, "new")]
