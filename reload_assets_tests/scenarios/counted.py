"""Counts what a run costs beside its rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import boto3
import psycopg
import sqlalchemy as sa

from reload_assets.local.stack import Stack
from reload_assets.postgres import statements


@contextmanager
def counted(stack: Stack) -> Iterator[Counter[str]]:
    """Count, in this process, DMS clients, connections under the logins of ``reload.yaml``, and catalog queries."""
    found: Counter[str] = Counter()
    login, text, client = psycopg.connect, statements.text, boto3.Session.client
    job = stack.environment["RELOAD_TARGET_USER"]

    def connect(*arguments: Any, **options: Any) -> Any:
        found["target logins"] += options.get("user") == job
        return login(*arguments, **options)

    def read(name: str) -> str:
        found["catalog queries"] += name.startswith("catalog/")
        return text(name)

    def make_client(session: Any, *arguments: Any, **options: Any) -> Any:
        found["DMS clients"] += 1
        return client(session, *arguments, **options)

    def connected(connection: Any, _: object) -> None:
        # Dagster's own storage is in SQLite here.
        found["source connections"] += hasattr(connection, "info")

    sa.event.listen(sa.pool.Pool, "connect", connected)
    try:
        with (
            patch.object(psycopg, "connect", connect),
            patch.object(statements, "text", read),
            patch.object(boto3.Session, "client", make_client),
        ):
            yield found
    finally:
        sa.event.remove(sa.pool.Pool, "connect", connected)
