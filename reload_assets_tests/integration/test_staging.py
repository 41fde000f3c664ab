"""A staging table is fast to load and then fit to be merged from: bare and unlogged first, keyed and analysed after."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from reload_assets.local.postgres import PostgresServer
from reload_assets.postgres.connection import TargetDatabase
from reload_assets_tests.integration.staged import NOON, StagedReload, target_of
from reload_assets_tests.integration.throwaway import throwaway_database

DDL = """
CREATE SCHEMA production;
CREATE TABLE production.lines (
    order_id bigint, line_no integer, name varchar(20) NOT NULL, amount numeric(10, 2) NOT NULL, note text,
    updated_at timestamp NOT NULL, PRIMARY KEY (order_id, line_no)
);
CREATE INDEX ON production.lines (updated_at);
"""


@pytest.fixture(scope="module")
def database(postgres: PostgresServer) -> Iterator[TargetDatabase]:
    with throwaway_database(postgres, "staging") as url:
        yield target_of(postgres, url, DDL)


@pytest.fixture
def reload(database: TargetDatabase) -> Iterator[StagedReload]:
    made = StagedReload(database, "lines: {window_column: updated_at}")
    yield made
    made.ledger.close(made.reload.reload_id, "cancelled", "end of the test")


def state(reload: StagedReload) -> dict[str, Any]:
    """What the catalog says of the staging table."""
    place = f"staging.lines_r{reload.reload.reload_id}"
    [(persistence, rows, indexes, key, filled, statistics)] = reload.execute(
        """
        SELECT
            c.relpersistence::text, c.reltuples::int,
            (SELECT count(*) FROM pg_index AS i WHERE i.indrelid = c.oid),
            (SELECT pg_get_constraintdef(k.oid) FROM pg_constraint AS k WHERE k.conrelid = c.oid AND k.contype = 'p'),
            (SELECT array_agg(a.attname::text ORDER BY a.attnum) FROM pg_attribute AS a
             WHERE a.attrelid = c.oid AND a.attnum > 0 AND a.attnotnull),
            (SELECT count(*) FROM pg_statistic AS s WHERE s.starelid = c.oid)
        FROM pg_class AS c WHERE c.oid = %s::regclass
        """,
        place,
    )
    return {
        "persistence": persistence,
        "rows": rows,
        "indexes": indexes,
        "key": key,
        "not null": filled,
        "statistics": statistics,
    }


BARE = {"persistence": "u", "rows": -1, "indexes": 0, "key": None, "not null": None, "statistics": 0}


def test_staging_is_unlogged_and_bare_until_it_is_loaded_then_keyed_and_analysed(reload: StagedReload) -> None:
    reload.stage("lines", [(n, 1, "a name", n, None, NOON) for n in range(100)])
    assert state(reload) == BARE, "whatever is there before the load makes it slower"
    reload.finish(source=100)
    assert state(reload) == {
        "persistence": "u",
        "rows": 100,
        "indexes": 1,
        "key": "PRIMARY KEY (order_id, line_no)",
        "not null": ["order_id", "line_no", "name", "amount", "updated_at"],
        "statistics": 6,
    }


def test_duplicates_only_cost_the_key_and_are_reported(reload: StagedReload) -> None:
    reload.stage("lines", [(n % 99, 1, "a name", n, None, NOON) for n in range(100)])
    reload.finish(source=100)
    found = state(reload)
    assert (found["key"], found["indexes"]) == (None, 0)
    assert found["not null"] == ["order_id", "line_no", "name", "amount", "updated_at"]
    assert (found["rows"], found["statistics"]) == (100, 6)
    assert reload.staged("lines").staged_rows == 100
    outcome = reload.verify("lines", "keys")["keys"]
    assert outcome.status == "failed"


def test_nulls_only_cost_the_declaration_of_their_columns(reload: StagedReload) -> None:
    reload.stage("lines", [(n, None, None if n == 7 else "a name", n, "note", NOON) for n in range(100)])
    reload.finish(source=100)
    found = state(reload)
    assert (found["key"], found["not null"]) == (None, ["order_id", "amount", "updated_at"])
    assert found["statistics"] == 6
    assert reload.verify("lines", "keys")["keys"].status == "failed"


def test_a_table_without_any_filled_column_is_left_as_it_is(reload: StagedReload) -> None:
    reload.stage("lines", [(None, None, None, None, None, None)])
    reload.finish(source=1)
    assert (state(reload)["key"], state(reload)["not null"]) == (None, None)
