"""Keys that finders read in lists of DMS: those that no request can ask for are found."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from reload_assets.errors.reloads import KeysUnreadable
from reload_assets.finders.keys import unfit
from reload_assets.ledger.install import install
from reload_assets.ledger.selected import canonical_keys
from reload_assets.local.postgres import PostgresServer
from reload_assets.reload.parts import group_tables
from reload_assets.tables import resolve_group
from reload_assets_tests.integration.staged import config
from reload_assets_tests.integration.throwaway import throwaway_database

# Production's type, keys that it has, and texts that it refuses, rounds, cuts or guesses.
KEYS = {
    "integer": (["7", "-2147483648"], ["2147483648", "1.5", "x", ""]),
    "numeric(10,2)": (["7", "1.25", "1.250"], ["1.255", "123456789"]),
    "varchar(4)": (["abcd", "ä", " x"], ["abcde", ""]),
    "char(4)": (["abcd", "a   "], ["abcde", "  "]),
    "text": (["abcd", " "], []),
    "timestamp": (
        ["2025-01-03 10:00:00", "2025-01-03 10:00:00.123456000"],
        ["2025-01-03 10:00:00+01", "03-JAN-25", "2025-13-03", "2025-01-03 10:00:00.1234567"],
    ),
    "uuid": (["00000000-0000-0000-0000-000000000001", "00" * 16], ["00"]),
    "bytea": (["00ff"], ["0ff", "xx", ""]),
}


@pytest.fixture(scope="module")
def connection(postgres: PostgresServer) -> Iterator[psycopg.Connection[Any]]:
    with throwaway_database(postgres, "finder_keys") as url, psycopg.connect(url, autocommit=True) as connection:
        install(connection, config("t: {window_column: at}").target)
        connection.execute("CREATE SCHEMA production")
        yield connection


@pytest.mark.parametrize("key_type", KEYS)
def test_keys_that_are_not_apart_can_be_asked_for(connection: psycopg.Connection[Any], key_type: str) -> None:
    right, wrong = KEYS[key_type]
    connection.execute("DROP TABLE IF EXISTS production.t")
    connection.execute(
        f"CREATE TABLE production.t (n integer, k {key_type}, at timestamp, PRIMARY KEY (n, k))".encode()
    )
    (table,) = resolve_group(group_tables(config("t: {window_column: at}"), "sales"), connection, None)
    keys = [("1", value) for value in [*right, *wrong]]
    assert unfit(connection, [column.target for column in table.key], keys) == {("1", value) for value in wrong}
    assert canonical_keys(connection, table, [("1", value) for value in right])
    for value in wrong:
        with pytest.raises(KeysUnreadable):
            canonical_keys(connection, table, [("1", value)])
