"""Fixtures of the tests against a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import psycopg
import pytest

from reload_assets.local.postgres import PostgresServer
from reload_assets_tests.integration.merge_bench import MakeBench, MergeBench
from reload_assets_tests.integration.standin_bench import Bench, open_bench, two_databases


@pytest.fixture(scope="session")
def merge_database(postgres: PostgresServer) -> str:
    """The URL of a database that tests of the merge use one after the other."""
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute("CREATE DATABASE merge_bench")
    return postgres.url("merge_bench")


@pytest.fixture
def make_bench(merge_database: str) -> Iterator[MakeBench]:
    """Makes production and an installed, empty ledger, instead of those of the test before."""
    made: list[MergeBench] = []

    def make(ddl: str, tables: Mapping[str, Mapping[str, Any]] | None = None) -> MergeBench:
        made.append(MergeBench(merge_database, ddl, tables))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture(scope="module")
def databases(postgres: PostgresServer) -> Iterator[tuple[str, str]]:
    """The URLs of a source and a target database that a module's tests use one after the other."""
    with two_databases(postgres) as urls:
        yield urls


@pytest.fixture
def bench(databases: tuple[str, str]) -> Iterator[Bench]:
    """The DMS stand-in over both databases, with tested endpoints."""
    with open_bench(databases) as made:
        yield made
