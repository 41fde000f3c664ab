"""What every test may ask for: one throw-away PostgreSQL server a session, a fresh database a test."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from hypothesis import settings
from psycopg import sql

from reload_assets.local.postgres import PostgresServer

# A busy machine is no defect: examples have no deadline of their own, the tests have a timeout.
settings.register_profile("reload_assets", deadline=None)
settings.load_profile("reload_assets")


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server of this test session, stopped and removed at its end."""
    root = Path(tempfile.mkdtemp(prefix="reload-test-"))
    root.chmod(0o755)
    try:
        with PostgresServer(root / "postgres") as server:
            yield server
    finally:
        shutil.rmtree(root, ignore_errors=True)


_numbers = itertools.count(1)


@pytest.fixture
def new_database(postgres: PostgresServer) -> Iterator[Callable[[str], str]]:
    """A factory: name a database, get its URL; all of them are dropped after the test."""
    made: list[str] = []

    def make(name: str = "db") -> str:
        database = f"{name}_{next(_numbers)}"
        with psycopg.connect(postgres.url(), autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
        made.append(database)
        return postgres.url(database)

    yield make
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        for database in made:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database)))
