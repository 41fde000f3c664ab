"""Drift: rows that differ at two readings of both sides, and not because CDC had not reached them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import pytest

from reload_assets.cdc.position import Cdc
from reload_assets.compare.compared_columns import Inexact
from reload_assets.compare.drift import Drift, find_drift
from reload_assets.compare.pace import Pace
from reload_assets.local.postgres import PostgresServer
from reload_assets.reload.parts import group_tables
from reload_assets.tables import resolve_group
from reload_assets_tests.integration.compare_rig import DAY, WINDOW, Both, base_row, made
from reload_assets_tests.integration.confirm_bench import ScriptedCdc
from reload_assets_tests.integration.staged import config
from reload_assets_tests.integration.throwaway import throwaway_database


@pytest.fixture(scope="module")
def both(postgres: PostgresServer) -> Iterator[Both]:
    with throwaway_database(postgres, "drift_source") as source, throwaway_database(postgres, "drift") as target:
        yield from made(source, target)


def pace(**values: Any) -> Pace:
    return Pace(**{"rows_per_second": 1e9, "seconds": 600, **values})


def search(
    both: Both,
    *steps: Callable[[], None],
    keys: int = 10,
    inexact: Inexact = "without lobs",
    bounded: Pace | None = None,
) -> Drift:
    """Search; each wait for CDC runs the next of the steps."""
    cdc = cast(Cdc, ScriptedCdc(list(steps)))
    return find_drift(both.target, both.table, WINDOW, both.reader, cdc, bounded or pace(), keys=keys, inexact=inexact)


def under(both: Both, policies: str) -> Both:
    settings = config(f"hostile: {{window_column: updated_at, {policies}}}")
    (table,) = resolve_group(group_tables(settings, "sales"), both.target, both.reader)
    return replace(both, table=table)


def key(number: int) -> tuple[str, str]:
    return str(number), "a"


def nothing() -> None:
    pass


def test_what_differs_at_both_readings_is_drift_and_each_outcome_has_its_keys(both: Both) -> None:
    both.fill([base_row(number, updated_at=DAY + timedelta(hours=1)) for number in range(1, 8)])
    both.target.execute("DELETE FROM production.hostile WHERE id = 1")
    both.set("updated_at", DAY, 2)
    both.set("name", "other", 3)
    both.target.execute(
        "UPDATE production.hostile SET updated_at = updated_at + interval '1 minute' WHERE id IN (4, 5)"
    )
    both.set("name", "other", 4)
    both.production_has(base_row(8))
    both.source_has(base_row(9, updated_at=DAY - timedelta(days=1)))
    both.production_has(base_row(9))
    found = search(under(both, "orphans: delete"))
    assert found.keys == {
        "missing": [key(1)],
        "older": [key(2)],
        "content": [key(3)],
        # Of row 5, only the version differs: a trigger wrote it.
        "later": [key(4)],
        "extra": [key(8), key(9)],
    }
    assert found.counts == {"missing": 1, "older": 1, "content": 1, "later": 1, "extra": 2}
    assert (found.rows, found.unsettled, found.is_whole, found.drifted) == (7, 0, True, 6)
    assert found.effort.source_rows >= 14
    assert found.effort.production_rows >= 8
