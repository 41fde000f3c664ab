"""A small target database with verified reloads made by hand: rows go into staging by SQL instead of by a load."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from datetime import datetime, timedelta, timezone
from typing import Any, Protocol

import psycopg
import yaml
from psycopg import Connection, sql
from psycopg.conninfo import conninfo_to_dict

from reload_assets.config.model import ReloadConfig, parse_config
from reload_assets.engines.staging_tables import create_staging, finish_staging
from reload_assets.ledger.ledger import Ledger
from reload_assets.ledger.records import CheckResult, Key, Opening, Reload, staging_name
from reload_assets.ledger.selected import note_keys
from reload_assets.merge import MergeResult, Outcomes, Patience, merge_reload
from reload_assets.postgres.connection import TargetDatabase
from reload_assets.reload.limited import limited_tables
from reload_assets.reload.parts import group_tables
from reload_assets.resolved import definition
from reload_assets.tables import ReloadTable, resolve_group
from reload_assets.windows import Window
from reload_assets_tests.integration.emptied import make_empty_ledger
from reload_assets_tests.integration.kept_sessions import keep_sessions

GROUP = "sales"
DAY = Window(datetime(2025, 1, 3, tzinfo=timezone.utc), datetime(2025, 1, 4, tzinfo=timezone.utc))
NOON = "2025-01-03 12:00:00"
LATER = "2025-01-03 13:00:00"
EARLIER = "2025-01-03 11:00:00"

CUSTOMERS = "CREATE TABLE production.customers (id integer PRIMARY KEY, name text, updated_at timestamp)"
UPDATED_AT: Mapping[str, Any] = {"window_column": "updated_at"}

Rows = Sequence[Sequence[Any]]

_numbers = itertools.count(1)
_PATIENCE = [field.name for field in fields(Patience)]

_CONFIG: Mapping[str, Any] = {
    "source": {"schema": "SALES"},
    "target": {
        "connection": {
            "host": "localhost",
            "port": 5432,
            "database": "target",
            "user": "reload",
            "password": {"env": "RELOAD_TARGET_PASSWORD"},
        }
    },
    "dms": {
        "replication_instance_arn": "arn:aws:dms:us-east-1:123456789012:rep:INSTANCE",
        "source_endpoint_arn": "arn:aws:dms:us-east-1:123456789012:endpoint:SOURCE",
        "target_endpoint_arn": "arn:aws:dms:us-east-1:123456789012:endpoint:TARGET",
    },
    "windows": {"first": "2025-01-01"},
}


def bench_document(tables: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """A ``reload.yaml`` with one group of these tables."""
    return {**_CONFIG, "groups": {GROUP: {"tables": dict(tables)}}}


class MergeBench:
    """Production made by ``ddl``; ``tables`` are the group's tables as ``reload.yaml`` has them."""

    def __init__(self, url: str, ddl: str, tables: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        parts = conninfo_to_dict(url)
        self.url = url
        self.target = TargetDatabase(
            str(parts["host"]),
            int(str(parts["port"])),
            str(parts["dbname"]),
            str(parts["user"]),
            str(parts["password"]),
        )
        self._ledger_sessions = keep_sessions(self.target)
        self.ledger = Ledger(self._ledger_sessions)
        self.config: ReloadConfig = parse_config(
            yaml.safe_dump(bench_document(tables or {"customers": dict(UPDATED_AT)}))
        )
        self.connection: Connection[Any] = psycopg.connect(url, autocommit=True)
        # Many tests share one database, because creating one takes longer than most tests.
        make_empty_ledger(self.connection, self.config.target)
        self.execute("CREATE SCHEMA production")
        self.execute(ddl)

    def execute(self, statement: str) -> None:
        """Run statements at once, as another session than the merge's."""
        self.connection.execute(statement.encode())

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        return self.connection.execute(query.encode()).fetchall()

    def customers(self) -> list[tuple[Any, ...]]:
        """``production.customers`` without its timestamps."""
        return self.rows("SELECT id, name FROM production.customers ORDER BY id")

    def audit(self) -> list[tuple[Any, ...]]:
        """What the audit holds, in order."""
        return self.rows("SELECT operation, key, before FROM admin.reload_changes ORDER BY change_id")

    def resolve(self, names: Sequence[str] | None = None) -> list[ReloadTable]:
        """The group's tables, or some of them."""
        return resolve_group(group_tables(self.config, GROUP), self.connection, None, names)

    def stage(
        self,
        rows: Mapping[str, Rows],
        window: Window = DAY,
        *,
        verified: bool = True,
        keys: Mapping[str, Sequence[Key]] | None = None,
        columns: Mapping[str, Sequence[str]] | None = None,
    ) -> Reload:
        """A reload of the tables named, with these rows in staging, and with its check passed.

        It selects the window, or the ``keys`` of each table, and is limited to ``columns``.
        """
        tables = self.resolve(list(rows))
        if columns is not None:
            tables = limited_tables(tables, columns)
        with self.target.connect() as connection:
            opening = Opening(GROUP, window, window, str(window), "test", "", "run", None, columns=columns or {})
            if keys is not None:
                number = next(_numbers)
                partition = f"request-{number}"
                opening = Opening(GROUP, None, None, partition, "test", "", "run", number, keys, columns or {})
            reload = self.ledger.open(connection, opening, tables)
            for table in tables:
                create_staging(connection, "staging", reload, table, None)
                self.ledger.add_table(connection, reload.reload_id, table, "staging", definition(table))
                self.ledger.expect_checks(connection, reload.reload_id, table.name, ["row_count"])
                if keys is not None:
                    note_keys(connection, reload.reload_id, table, keys[table.name])
        self.ledger.set_task(reload.reload_id, "task", "arn")
        with self.target.connect() as connection:
            for table in tables:
                self._fill(connection, reload, table, rows[table.name])
        self.ledger.set_loaded(reload.reload_id, "FULL_LOAD_ONLY_FINISHED", {})
        if verified:
            self.verify(reload)
        return self.ledger.get(reload.reload_id)

    def verify(self, reload: Reload, status: str = "passed", detail: str = "") -> None:
        """Write the result of the check of every table."""
        for name in reload.tables:
            self.ledger.record_checks(reload.reload_id, name, [CheckResult(name, "row_count", status, True, detail)])

    def merge(self, reload: Reload, names: Sequence[str] | None = None, **options: Any) -> MergeResult:
        """Merge a reload, by default with all its tables. Unless it ``awaits_confirm``, it counts as confirmed."""
        tables = self.resolve(reload.tables if names is None else names)
        if reload.columns is not None:
            tables = limited_tables(tables, reload.columns)
        zone = self.config.source.zone
        settings = {"lock_timeout_ms": 400, "stall_limit_ms": 20_000, "attempts": 3, **options}
        awaits_confirm = settings.pop("awaits_confirm", False)
        patience = Patience(**{name: settings.pop(name) for name in _PATIENCE if name in settings})
        result = merge_reload(self.target, self.ledger, reload, tables, zone, patience, **settings)
        if not awaits_confirm:
            self.ledger.set_confirm_ended(reload.reload_id, "confirmed", 1, 0.0, "not the subject of the test")
        return result

    def reload(self, rows: Rows, **options: Any) -> Outcomes:
        """Stage and merge rows of the first table."""
        name = next(iter(self.config.groups[GROUP].tables))
        return self.merge(self.stage({name: rows}), **options).outcomes[name]

    def waiting(self) -> int:
        """How many sessions wait for a lock."""
        return int(
            self.rows(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )[0][0]
        )

    def await_waiting(self, sessions: int = 1) -> None:
        """Wait until sessions wait for a lock."""
        await_true(lambda: self.waiting() >= sessions)

    @contextmanager
    def writer(self) -> Iterator[Connection[Any]]:
        """Another session with an open transaction, as of a CDC task; rolled back where it was not committed."""
        connection = psycopg.connect(self.url)
        try:
            yield connection
        finally:
            connection.close()

    def close(self) -> None:
        """End the test's own sessions."""
        self._ledger_sessions.close()
        self.connection.close()

    def _fill(self, connection: Connection[Any], reload: Reload, table: ReloadTable, rows: Rows) -> None:
        place = sql.Identifier("staging", staging_name(table, reload.reload_id)).as_string().replace("%", "%%")
        insert = f"INSERT INTO {place} VALUES ({', '.join(['%s'] * len(table.columns))})".encode()
        with connection.cursor() as cursor:
            cursor.executemany(insert, rows)
        bounds = reload.bounds(self.config.source.zone)
        # A filter that let nothing through beside the window: what is staged beside it is left for the merge.
        nothing_beside = (bounds[0], bounds[1] - timedelta(microseconds=1)) if bounds else None
        finish_staging(
            connection,
            self.ledger,
            "staging",
            reload,
            table,
            bounds=bounds,
            filter_bounds=nothing_beside,
            load_role=None,
        )


class InThread:
    """Something that runs beside the test; ``result`` waits for it and returns or raises what it did."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self._work = work
        self._result: Any = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def result(self, timeout: float = 20) -> Any:
        """What the work returned; seconds to wait."""
        self._thread.join(timeout)
        assert not self._thread.is_alive(), "the work did not end"
        if self._error:
            raise self._error
        return self._result

    def _run(self) -> None:
        try:
            self._result = self._work()
        except BaseException as error:
            self._error = error


def await_true(condition: Callable[[], bool], timeout: float = 10) -> None:
    """Poll until the condition holds (seconds)."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.01)


class MakeBench(Protocol):
    """The fixture ``bench``: makes a database with production in it."""

    def __call__(self, ddl: str, tables: Mapping[str, Mapping[str, Any]] | None = None) -> MergeBench: ...
