"""The data to merge: production of some size, a window of it in staging, and a verified reload in the ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

import psycopg
import yaml
from psycopg import Connection, sql

from benchmarks.statements import run
from reload_assets.config.model import ReloadConfig, parse_config
from reload_assets.engines.staging_tables import create_staging, finish_staging
from reload_assets.ledger.install import install
from reload_assets.ledger.ledger import Ledger
from reload_assets.ledger.records import CheckResult, Opening, Reload
from reload_assets.local.postgres import PostgresServer
from reload_assets.postgres.connection import TargetDatabase
from reload_assets.reload.parts import group_tables
from reload_assets.resolved import definition
from reload_assets.tables import ReloadTable, resolve_group
from reload_assets.windows import Window

GROUP, TABLE = "sales", "orders"
_CONFIG: Mapping[str, Any] = {
    "source": {"schema": "SALES"},
    "target": {
        "connection": {"host": "h", "port": 1, "database": "d", "user": "u", "password": {"env": "UNUSED"}},
    },
    "dms": {"replication_instance_arn": "a", "source_endpoint_arn": "b", "target_endpoint_arn": "c"},
    "windows": {"first": "2024-01-01"},
    "groups": {GROUP: {"tables": {TABLE: {"window_column": "updated_at"}}}},
}
CONFIG: ReloadConfig = parse_config(yaml.safe_dump(dict(_CONFIG)))
_END = datetime(2100, 1, 1)
_CUSTOMERS = 50_000


@dataclass(frozen=True)
class Mix:
    """What is wrong with the staged rows' counterparts in production, in percent; the rest is identical."""

    name: str
    newer: int
    older: int
    missing: int


MIXES = {
    mix.name: mix for mix in (Mix("80/10/5/5", 10, 5, 5), Mix("99% identical", 1, 0, 0), Mix("all missing", 0, 0, 100))
}


@dataclass(frozen=True)
class Case:
    """Rows in production (before the damage), rows in the window, and the mix."""

    production: int
    window: int
    mix: str

    def __str__(self) -> str:
        return f"{_short(self.production)} / {_short(self.window)}, {self.mix}"


@dataclass(frozen=True)
class Copy:
    """A database of a case: fresh, analysed, with a verified reload that waits for its merge."""

    server: PostgresServer
    database: str
    reload_id: int

    @property
    def target(self) -> TargetDatabase:
        """The superuser's login."""
        server = self.server
        return TargetDatabase("127.0.0.1", server.port, self.database, server.superuser, server.password)

    def connect(self) -> Connection[Any]:
        """Return a connection in autocommit mode."""
        return psycopg.connect(self.server.url(self.database), autocommit=True)

    def reload(self) -> Reload:
        """Return the reload to merge."""
        return Ledger(self.target).get(self.reload_id)

    def tables(self) -> list[ReloadTable]:
        """Its tables."""
        with self.connect() as connection:
            return resolve_group(group_tables(CONFIG, GROUP), connection, None)

    @property
    def staging(self) -> str:
        """The name of its staging table."""
        return f"{TABLE}_r{self.reload_id}"


class Cases:
    """Makes the databases of one server. Not for several threads."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self._admin: Connection[Any] = psycopg.connect(server.url(), autocommit=True)
        self._number = 0

    def close(self) -> None:
        """End the session that makes databases; the databases go with the server."""
        self._admin.close()

    def prepare(self, case: Case) -> Copy:
        """Return the template of a case; ``copy`` makes the databases that are measured on."""
        base = f"base_{case.production}"
        if not self._exists(base):
            self._make_base(base, case.production)
        name = f"case_{self._next()}"
        self._clone(base, name)
        with psycopg.connect(self._server.url(name), autocommit=True) as connection:
            reload = self._make_case(
                connection,
                TargetDatabase("127.0.0.1", self._server.port, name, "postgres", self._server.password),
                case,
            )
        return Copy(self._server, name, reload.reload_id)

    def copy(self, template: Copy) -> Copy:
        """Return a database of its own for one run."""
        name = f"run_{self._next()}"
        self._clone(template.database, name)
        self._admin.execute("CHECKPOINT")
        return Copy(self._server, name, template.reload_id)

    def drop(self, copy: Copy) -> None:
        """Remove a database."""
        self._admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(copy.database)))

    def forget(self, production: int) -> None:
        """Remove what all cases of one size were made from."""
        base = sql.Identifier(f"base_{production}")
        self._admin.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(base))

    def _next(self) -> int:
        self._number += 1
        return self._number

    def _exists(self, database: str) -> bool:
        found = self._admin.execute("SELECT 1 FROM pg_database WHERE datname = %s", (database,)).fetchone()
        return found is not None

    def _clone(self, template: str, name: str) -> None:
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy")
        self._admin.execute(statement.format(sql.Identifier(name), sql.Identifier(template)))

    def _make_base(self, name: str, rows: int) -> None:
        self._admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        with psycopg.connect(self._server.url(name), autocommit=True) as connection:
            run(connection, "create_production")
            run(connection, "fill_production", rows=rows, customers=min(_CUSTOMERS, rows))
            run(connection, "finish_production")
            connection.execute("VACUUM (FREEZE, ANALYZE)")

    def _make_case(self, connection: Connection[Any], target: TargetDatabase, case: Case) -> Reload:
        mix = MIXES[case.mix]
        found = run(connection, "find_window", rows=case.window).fetchone()
        assert found is not None
        start: datetime = found[0]
        run(connection, "create_classes", start=start, end=_END, newer=mix.newer, older=mix.older, missing=mix.missing)
        install(connection, CONFIG.target)
        reload = open_reload(target, Window(_utc(start), _utc(_END)))
        run(connection, "fill_staging", {"staging_table": f"{TABLE}_r{reload.reload_id}"})
        finish_reload(target, reload)
        run(connection, "damage_production")
        run(connection, "create_rivals")
        connection.execute("VACUUM (FREEZE, ANALYZE)")
        return reload


def open_reload(target: TargetDatabase, window: Window) -> Reload:
    """Open a reload of the orders as the step of the load does."""
    ledger = Ledger(target)
    with target.connect() as connection:
        tables = resolve_group(group_tables(CONFIG, GROUP), connection, None)
        reload = ledger.open(connection, Opening(GROUP, window, window, "bench", "bench", "", "run", None), tables)
        for table in tables:
            create_staging(connection, "staging", reload, table, None)
            ledger.add_table(connection, reload.reload_id, table, "staging", definition(table))
            ledger.expect_checks(connection, reload.reload_id, table.name, ["row_count"])
    return reload


def finish_reload(target: TargetDatabase, reload: Reload) -> None:
    """Key and analyse staging, and let its check pass."""
    ledger = Ledger(target)
    bounds = reload.bounds(CONFIG.source.zone)
    assert bounds is not None
    second = timedelta(seconds=1)
    with target.connect() as connection:
        for table in resolve_group(group_tables(CONFIG, GROUP), connection, None):
            finish_staging(
                connection,
                ledger,
                "staging",
                reload,
                table,
                bounds=bounds,
                filter_bounds=(bounds[0] - second, bounds[1] + second),
                load_role=None,
            )
    ledger.set_task(reload.reload_id, "task", "arn")
    ledger.set_loaded(reload.reload_id, "FULL_LOAD_ONLY_FINISHED", {})
    for name in reload.tables:
        ledger.record_checks(reload.reload_id, name, [CheckResult(name, "row_count", "passed", True, "")])


def count_wrong(connection: Connection[Any], touched: Sequence[int]) -> dict[str, int]:
    """Rows of the window that are not as they should be after a merge, by kind."""
    row = run(connection, "count_wrong", touched=list(touched)).fetchone()
    assert row is not None
    kinds = dict(zip(("missing", "older", "other"), row, strict=True))
    return {kind: count for kind, count in kinds.items() if count}


def _utc(instant: datetime) -> datetime:
    return instant.replace(tzinfo=timezone.utc)


def _short(rows: int) -> str:
    return f"{rows // 1_000_000} M" if rows >= 1_000_000 and rows % 1_000_000 == 0 else f"{rows // 1_000} k"
