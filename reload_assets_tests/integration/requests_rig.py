"""Findings and requests in a ledger of its own: what the tests of finders and of requests start from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import Any

from reload_assets.config.finders import HealingLimits
from reload_assets.errors import ReloadError
from reload_assets.finders.finding import FinderName, Finding, Key
from reload_assets.finders.requesting import Asked, ask
from reload_assets.ledger.install import install
from reload_assets.local.postgres import PostgresServer
from reload_assets.postgres.connection import TargetDatabase
from reload_assets.windows import Window
from reload_assets_tests.integration.staged import config, target_of
from reload_assets_tests.integration.throwaway import throwaway_database


@contextmanager
def installed_ledger(postgres: PostgresServer) -> Iterator[TargetDatabase]:
    """A database with an empty ledger."""
    with throwaway_database(postgres, "requests") as url:
        target = target_of(postgres, url, "CREATE SCHEMA production")
        with target.connect(autocommit=True) as connection:
            install(connection, config("orders: {window_column: updated_at}").target)
        yield target


def emptied(target: TargetDatabase) -> TargetDatabase:
    """The database, after its ledger was emptied."""
    rows(target, "TRUNCATE admin.reloads, admin.reload_requests, admin.findings RESTART IDENTITY CASCADE")
    return target


def rows(target: TargetDatabase, query: str) -> list[tuple[Any, ...]]:
    """Run statements and commit them; the rows of the last one, if it gives any."""
    with target.connect(autocommit=True) as connection:
        cursor = connection.execute(query.encode())
        return cursor.fetchall() if cursor.description else []


def linked(target: TargetDatabase) -> list[int]:
    """The requests of the findings."""
    return [number for (number,) in rows(target, "SELECT request_id FROM admin.findings ORDER BY finding_id")]


def nothing_to_wait_for(group: str, tables: Sequence[str]) -> ReloadError | None:
    """CDC carries everything."""
    return None


def finding(
    evidence_id: str,
    *keys: Key,
    table: str = "orders",
    window: Window | None = None,
    group: str = "sales",
    finder: FinderName = "validation",
    complete: bool = True,
    seen_at: datetime | None = None,
    **evidence: Any,
) -> Finding:
    """A finding with these keys, or with the window."""
    seen = seen_at or datetime.now(timezone.utc)
    return Finding(finder, evidence_id, group, table, keys, window, evidence, seen, complete)


def asked(target: TargetDatabase, *findings: Finding, **limits: Any) -> Asked:
    """What becomes of findings, if CDC carries everything."""
    return ask(target, HealingLimits(**limits), findings, nothing_to_wait_for)
