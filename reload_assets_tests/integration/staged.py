"""A reload up to its staging tables, in a database of its own: what the tests of verification start from."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import psycopg
from psycopg import Connection, sql

from reload_assets.config.model import ReloadConfig, parse_config
from reload_assets.engines.staging_tables import create_staging, finish_staging
from reload_assets.ledger.install import install
from reload_assets.ledger.ledger import Ledger
from reload_assets.ledger.records import Opening, Reload, StagedTable, staging_name
from reload_assets.local.postgres import PostgresServer
from reload_assets.postgres.connection import TargetDatabase
from reload_assets.reload.parts import group_tables
from reload_assets.resolved import definition
from reload_assets.source.reader import SourceReader
from reload_assets.tables import ReloadTable, resolve_group
from reload_assets.verify.outcome import CheckOutcome
from reload_assets.verify.source_keys import SourceKeys
from reload_assets.verify.staging import STAGING_CHECKS, verify_staging
from reload_assets.windows import Window

HEAD = """
source: {schema: SALES}
target: {connection: {host: h, port: 1, database: d, user: u, password: {env: P}}}
dms: {replication_instance_arn: a, source_endpoint_arn: b, target_endpoint_arn: c, task: {lob_limit_kb: 1}}
windows: {first: 2025-01-01}
groups:
  sales:
    tables:
"""
DAY = Window(datetime(2025, 1, 2, tzinfo=timezone.utc), datetime(2025, 1, 3, tzinfo=timezone.utc))
NOON = datetime(2025, 1, 2, 12)


def config(tables: str) -> ReloadConfig:
    """A configuration with the lines of its tables, each ``name: {...}``."""
    return parse_config(HEAD + "\n".join(f"      {line}" for line in tables.strip().splitlines()))


class StagedReload:
    """One reload of one day. ``ddl`` makes production; staging is filled by ``stage``, as DMS would have."""

    def __init__(
        self,
        target: TargetDatabase,
        tables: str,
        *,
        reader: SourceReader | None = None,
        window: Window = DAY,
        installed: bool = False,
    ) -> None:
        self.target, self.config, self.reader = target, config(tables), reader
        self.ledger = Ledger(target)
        with target.connect(autocommit=True) as connection:
            if not installed:
                install(connection, self.config.target)
            self.tables = {
                table.name: table for table in resolve_group(group_tables(self.config, "sales"), connection, reader)
            }
        opening = Opening("sales", window, window, window.key, "me", "", "run", None)
        with target.connect() as connection:
            self.reload: Reload = self.ledger.open(connection, opening, list(self.tables.values()))
            for table in self.tables.values():
                create_staging(connection, "staging", self.reload, table, None)
                self.ledger.add_table(connection, self.reload.reload_id, table, "staging", definition(table))
                self.ledger.expect_checks(connection, self.reload.reload_id, table.name, STAGING_CHECKS)

    def moved_to(self, target: TargetDatabase, reader: SourceReader | None = None) -> StagedReload:
        """The same reload in a copy of its database."""
        moved = copy(self)
        moved.target, moved.ledger, moved.reader = target, Ledger(target), reader
        return moved

    def table(self, name: str) -> ReloadTable:
        """One table of the group."""
        return self.tables[name]

    def execute(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Run a statement in the target and commit it; the rows, if it gives any."""
        with self.target.connect(autocommit=True) as connection:
            cursor = connection.execute(statement.encode(), values or None)
            return cursor.fetchall() if cursor.description else []

    def stage(self, name: str, rows: Sequence[Sequence[Any]], *columns: str) -> None:
        """Put rows into a staging table: values of all its columns in order, or of the named ones."""
        with self.target.connect(autocommit=True) as connection:
            self._insert(connection, name, rows, columns)

    def finish(self, *, source: int | None = None, source_after: int | None = None, dms: int | None = None) -> None:
        """End the load: finish every staging table and note the counts of rows, the same for each table."""
        bounds = self.reload.bounds(self.config.source.zone)
        assert bounds is not None
        number = self.reload.reload_id
        self.ledger.set_task(number, "task", "arn")
        with self.target.connect() as connection:
            for table in self.tables.values():
                finish_staging(
                    connection,
                    self.ledger,
                    "staging",
                    self.reload,
                    table,
                    bounds=bounds,
                    filter_bounds=(bounds[0] - timedelta(seconds=1), bounds[1] + timedelta(seconds=1)),
                    load_role=None,
                )
        after = source if source_after is None else source_after
        for name in self.tables:
            if source is not None and after is not None:
                self.ledger.set_source_rows(number, {name: source}, when="before")
                self.ledger.set_source_rows(number, {name: after}, when="after")
        if self.reader is not None and source is not None:
            self._note(self.reader)
        self.ledger.set_loaded(
            number, "FULL_LOAD_ONLY_FINISHED", {name: dms for name in self.tables if dms is not None}
        )

    def _note(self, reader: SourceReader) -> None:
        """Note the source's rows, as before the load."""
        zone = self.config.source.zone
        for name, known in self.ledger.tables(self.reload.reload_id).items():
            with self.target.connect(autocommit=True) as connection, connection.transaction():
                rows = SourceKeys(connection, reader, self.reload, self.tables[name], known, zone).note()
            self.ledger.set_source_rows(self.reload.reload_id, {name: rows}, when="before")

    def staged(self, name: str) -> StagedTable:
        """What the ledger says of a table now."""
        return self.ledger.tables(self.reload.reload_id)[name]

    def verify(
        self,
        name: str,
        *checks: str,
        source_configured: bool = True,
    ) -> dict[str, CheckOutcome]:
        """The outcomes of the checks (all of them by default) on one table."""
        chosen: Collection[str] = checks or STAGING_CHECKS
        outcomes = verify_staging(
            self.target,
            self.config.source.zone,
            self.reload,
            self.table(name),
            self.staged(name),
            lob_limit_kb=self.config.dms.task.lob_limit_kb,
            source_configured=source_configured,
            checks=chosen,
            reader=self.reader,
        )
        return {outcome.check_name: outcome for outcome in outcomes}

    def _insert(
        self, connection: Connection[Any], name: str, rows: Sequence[Sequence[Any]], columns: Sequence[str]
    ) -> None:
        table = self.table(name)
        place = sql.Identifier("staging", staging_name(table, self.reload.reload_id))
        names = columns or [column.staged for column in table.columns]
        statement = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
            place,
            sql.SQL(", ").join(map(sql.Identifier, names)),
            sql.SQL(", ").join([sql.Placeholder()] * len(names)),
        )
        with connection.cursor() as cursor:
            cursor.executemany(statement, rows)


_numbers = itertools.count(1)


@contextmanager
def copied(postgres: PostgresServer, target: TargetDatabase) -> Iterator[TargetDatabase]:
    """A copy of a database to which nobody is connected, dropped at the end; much faster than making it again."""
    name = f"{target.database}_copy_{next(_numbers)}"
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(target.database))
        )
        try:
            yield replace(target, database=name)
        finally:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def target_of(postgres: PostgresServer, url: str, ddl: str) -> TargetDatabase:
    """The superuser's login to a database in which production is made by ``ddl``."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(ddl.encode())
    return TargetDatabase("127.0.0.1", postgres.port, url.rsplit("/", 1)[1], postgres.superuser, postgres.password)
