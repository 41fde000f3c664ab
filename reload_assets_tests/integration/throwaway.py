"""Databases that several tests of a module share."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql

from reload_assets.local.postgres import PostgresServer

_numbers = itertools.count(1)


@contextmanager
def throwaway_database(postgres: PostgresServer, name: str) -> Iterator[str]:
    """The URL of a new database, which is dropped at the end, whoever is still connected."""
    database = f"shared_{name}_{next(_numbers)}"
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
        try:
            yield postgres.url(database)
        finally:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(database)))
