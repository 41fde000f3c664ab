"""The embedded stack: PostgreSQL (source, target, Dagster's storage), the DMS stand-in with its CDC task, and the
reference group.

The rest of the project does not know that it exists: it is reached through the variables that ``reload.yaml`` and
``dagster.yaml`` name.
"""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from types import TracebackType
from typing import Any

import psycopg
from psycopg import Connection, sql

import reload_assets
from reload_assets.cdc.position import Cdc
from reload_assets.config.model import PATH_VARIABLE, CdcConfig, load_config
from reload_assets.errors import CdcNotReady
from reload_assets.ledger.install import install
from reload_assets.local import sales
from reload_assets.local.account import CONTROL_SCHEMA, REGION, Account, Login
from reload_assets.local.damage import damage
from reload_assets.local.dms.server import DmsStandIn
from reload_assets.local.postgres import PostgresServer
from reload_assets.local.sales_rows import seed
from reload_assets.postgres.connection import TargetDatabase
from reload_assets.postgres.statements import run

FIRST_DAY = date(2025, 1, 1)

# DMS uses the same two logins for loads and for CDC. These are the additional rights that CDC needs.
_LET_CDC_READ = """
ALTER ROLE {role} REPLICATION;
ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT SELECT ON TABLES TO {role};
"""
_LET_CDC_WRITE = """
GRANT USAGE ON SCHEMA production TO {role};
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA production TO {role};
GRANT SET ON PARAMETER session_replication_role TO {role};
CREATE SCHEMA {schema} AUTHORIZATION {role};
"""
# With these rights ``reload-assets doctor`` sees more; no reload needs them.
_LET_DOCTOR_READ = 'GRANT SELECT ON "V$DATABASE" TO {}'
_LET_DOCTOR_SEE = "GRANT pg_read_all_stats TO {}"
_FIRST_STATUS_SECONDS = 30


@dataclass(frozen=True)
class Rows:
    """How much the reference group holds: days from ``first_day`` on, and new rows a day."""

    days: int = 5
    first_day: date = FIRST_DAY
    customers_per_day: int = 200
    orders_per_day: int = 600
    seed: int = 7


class Stack:
    """Starts everything on free ports in a folder of its own; a context manager that leaves nothing behind.

    While it is open, ``environment`` holds the variables that ``reload.yaml`` and ``dagster.yaml`` name, and they are
    set in this process too.
    """

    def __init__(self, rows: Rows | None = None) -> None:
        self.rows = rows or Rows()
        self.root = Path(tempfile.mkdtemp(prefix="reload-assets-"))
        self.home = self.root / "dagster"
        self.environment: dict[str, str] = {}
        self._cleanup = ExitStack()

    def __enter__(self) -> Stack:
        self._cleanup.callback(shutil.rmtree, self.root, ignore_errors=True)
        try:
            # PostgreSQL may run as another user, who must be able to reach its folder below this one.
            self.root.chmod(0o755)
            self.postgres = self._cleanup.enter_context(PostgresServer(self.root / "postgres"))
            self.dms = self._cleanup.enter_context(DmsStandIn())
            self._create_databases()
            self._create_roles()
            self._account = Account(self.dms.url, self.postgres.port, source=self._dms_source, target=self._load)
            self._set_environment()
            with self.connect_target() as connection:
                install_as_job_role(connection, self._job)
            self._fill()
            self._start_cdc()
            self._copy_dagster_yaml()
        except BaseException:
            self._cleanup.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._cleanup.close()

    def connect_source(self) -> Connection[Any]:
        """Return a superuser's connection to the source, in autocommit."""
        return psycopg.connect(self.postgres.url("source"), autocommit=True)

    def connect_target(self) -> Connection[Any]:
        """Return a superuser's connection to the target, in autocommit."""
        return psycopg.connect(self.postgres.url("target"), autocommit=True)

    def damage(self, start: datetime, end: datetime, *, seed: int) -> dict[str, dict[str, int]]:
        """Damage production's rows in ``[start, end)``, see ``reload_assets.local.damage``, while CDC waits."""
        with self.connect_target() as target, target.transaction():
            # In a deadlock CDC should be the one to notice it, because it tries again.
            target.execute("SET LOCAL deadlock_timeout = '1min'")
            for table in sales.TABLES:
                name = sql.Identifier("production", table.name.lower())
                target.execute(sql.SQL("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE").format(name))
            return damage(target, start, end, seed=seed)

    def drain(self) -> float:
        """Wait until CDC has processed all that is committed on the source. Returns the seconds. Raises CdcNotReady."""
        with self.connect_source() as source:
            ((now,),) = source.execute("SELECT clock_timestamp()").fetchall()
        return self.cdc.wait_passed(now)

    def rows_applied(self) -> dict[str, int]:
        """Return the rows of production that CDC has inserted, updated and deleted since the stack is up."""
        return self._account.rows_applied(self.cdc.task)

    def _create_databases(self) -> None:
        with psycopg.connect(self.postgres.url(), autocommit=True) as connection:
            for name in ("source", "target", "dagster"):
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))

    def _create_roles(self) -> None:
        self._job = Login("reload_job", secrets.token_urlsafe(18))
        self._load = Login("dms", secrets.token_urlsafe(18))
        self._reader = Login("reload_reader", secrets.token_urlsafe(18))
        self._dms_source = Login("dms_source", secrets.token_urlsafe(18))
        with self.connect_target() as target, self.connect_source() as source:
            sales.create_source(source)
            sales.create_production(target)
            run(
                target,
                "roles/create_job_role",
                {"job_role": self._job.user, "load_role": self._load.user, "staging_schema": "staging"},
            )
            run(
                target,
                "roles/grant_production_schema",
                {"job_role": self._job.user, "production_schema": "production"},
            )
            for login in (self._reader, self._dms_source):
                run(source, "roles/create_reader_role", {"reader_role": login.user, "schema": sales.SCHEMA})
            source.execute(sql.SQL(_LET_DOCTOR_READ).format(sql.Identifier(self._reader.user)))
            target.execute(sql.SQL(_LET_DOCTOR_SEE).format(sql.Identifier(self._job.user)))
            _let_cdc(source, _LET_CDC_READ, self._dms_source, sales.SCHEMA)
            _let_cdc(target, _LET_CDC_WRITE, self._load, CONTROL_SCHEMA)
            run(
                target,
                "roles/grant_control_tables",
                {"job_role": self._job.user, "cdc_role": self._load.user, "control_schema": CONTROL_SCHEMA},
            )
            for login in (self._job, self._load, self._reader, self._dms_source):
                target.execute(
                    sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(
                        sql.Identifier(login.user), sql.Literal(login.password)
                    )
                )

    def _set_environment(self) -> None:
        port = str(self.postgres.port)
        self._set(
            {
                PATH_VARIABLE: str(checkout_file("reload.yaml")),
                **_variables("SOURCE", port, "source", self._reader),
                **_variables("TARGET", port, "target", self._job),
                **_variables("DAGSTER", port, "dagster", Login(self.postgres.superuser, self.postgres.password)),
                "RELOAD_DMS_URL": self.dms.url,
                "RELOAD_DMS_INSTANCE_ARN": self._account.instance,
                "RELOAD_DMS_SOURCE_ARN": self._account.source,
                "RELOAD_DMS_TARGET_ARN": self._account.target,
                # The stand-in accepts any key, but boto3 does not call without one.
                "AWS_ACCESS_KEY_ID": "local",
                "AWS_SECRET_ACCESS_KEY": "local",
                "AWS_DEFAULT_REGION": REGION,
                "DAGSTER_HOME": str(self.home),
            }
        )

    def _set(self, variables: Mapping[str, str]) -> None:
        before = {name: os.environ.get(name) for name in variables}
        self._cleanup.callback(_restore, before)
        self.environment |= variables
        os.environ.update(variables)

    def _fill(self) -> None:
        rows = self.rows
        with self.connect_source() as source, self.connect_target() as target:
            seed(
                source,
                first=rows.first_day,
                days=rows.days,
                customers_per_day=rows.customers_per_day,
                orders_per_day=rows.orders_per_day,
                seed=rows.seed,
            )
            sales.copy_to_production(source, target)

    def _start_cdc(self) -> None:
        """Start CDC. Production equals the source now, and CDC keeps it equal. It ends with the DMS stand-in."""
        task = self._account.start_cdc(sales.SCHEMA, [table.name for table in sales.TABLES], "production")
        self._set({"RELOAD_CDC_TASK_ARN": task.arn})
        settings = CdcConfig(task_arn=task.arn, control_schema=CONTROL_SCHEMA, margin_seconds=0)
        admin = (self.postgres.superuser, self.postgres.password)
        target = TargetDatabase("127.0.0.1", self.postgres.port, "target", *admin)
        self.cdc = Cdc(settings, task, target, lambda: False, lambda text: None)
        deadline = time.monotonic() + _FIRST_STATUS_SECONDS
        while True:
            try:
                self.drain()
            except CdcNotReady:
                # It has no status in its first moments.
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
            else:
                return

    def _copy_dagster_yaml(self) -> None:
        self.home.mkdir()
        shutil.copy(checkout_file("dagster.yaml"), self.home / "dagster.yaml")


def last_days(days: int) -> Rows:
    """Return sample data of the last days before today (UTC), which the UI's backfill dialog shows as it opens."""
    return Rows(days=days, first_day=datetime.now(timezone.utc).date() - timedelta(days=days))


def install_as_job_role(connection: Connection[Any], job: Login) -> None:
    """Install the schemas as the role that owns them, with only the rights that it has in a real deployment."""
    config = load_config()
    target = TargetDatabase("127.0.0.1", connection.info.port, connection.info.dbname, job.user, job.password)
    with target.connect(autocommit=True) as own:
        install(own, config.target)


def checkout_file(name: str) -> Path:
    """Return a file of the checkout's top folder.

    Raises FileNotFoundError where the package was installed without it.
    """
    path = Path(reload_assets.__file__).resolve().parents[1] / name
    if not path.exists():
        raise FileNotFoundError(f"{path}: the embedded stack runs from a checkout of the repository; clone it.")
    return path


def _let_cdc(connection: Connection[Any], statements: str, login: Login, schema: str) -> None:
    role, place = sql.Identifier(login.user), sql.Identifier(schema)
    connection.execute(sql.SQL(statements).format(role=role, schema=place))


def _variables(name: str, port: str, database: str, login: Login) -> dict[str, str]:
    values = {"HOST": "127.0.0.1", "PORT": port, "DATABASE": database, "USER": login.user, "PASSWORD": login.password}
    return {f"RELOAD_{name}_{field}": value for field, value in values.items()}


def _restore(before: Mapping[str, str | None]) -> None:
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def since(start: float) -> str:
    """Seconds since a ``time.monotonic()`` value, for progress lines."""
    return f"[{time.monotonic() - start:5.1f} s]"
