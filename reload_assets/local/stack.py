"""The embedded stack: PostgreSQL (source, target, Dagster's storage), the DMS stand-in, and the reference group.

Nothing of the project knows that it is there: it is reached through the variables that ``reload.yaml`` and
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
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import Any

import boto3
import psycopg
from psycopg import Connection, sql

import reload_assets
from reload_assets.config import PATH_VARIABLE, load_config
from reload_assets.database import Target
from reload_assets.install import install
from reload_assets.local import sales
from reload_assets.local.dms.server import DmsStandIn
from reload_assets.local.postgres import PostgresServer
from reload_assets.local.sales_rows import seed
from reload_assets.statements import run

REGION = "us-east-1"
FIRST_DAY = date(2025, 1, 1)


@dataclass(frozen=True)
class Rows:
    """How much the reference group holds: days from FIRST_DAY on, and new rows a day."""

    days: int = 5
    customers_per_day: int = 200
    orders_per_day: int = 600
    seed: int = 7


@dataclass(frozen=True)
class _Login:
    user: str
    password: str


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
        self._before: dict[str, str | None] = {}

    def __enter__(self) -> Stack:
        self._cleanup.callback(shutil.rmtree, self.root, ignore_errors=True)
        try:
            # PostgreSQL may run as another user, who must be able to reach its folder below this one.
            self.root.chmod(0o755)
            self.postgres = self._cleanup.enter_context(PostgresServer(self.root / "postgres"))
            self.dms = self._cleanup.enter_context(DmsStandIn())
            self._create_databases()
            self._create_roles()
            self._set_environment()
            with self.connect_target() as connection:
                install_as_job_role(connection, self._job)
            self._fill()
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
        """A superuser's connection to the source, in autocommit."""
        return psycopg.connect(self.postgres.url("source"), autocommit=True)

    def connect_target(self) -> Connection[Any]:
        """A superuser's connection to the target, in autocommit."""
        return psycopg.connect(self.postgres.url("target"), autocommit=True)

    def _create_databases(self) -> None:
        with psycopg.connect(self.postgres.url(), autocommit=True) as connection:
            for name in ("source", "target", "dagster"):
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))

    def _create_roles(self) -> None:
        self._job = _Login("reload_job", secrets.token_urlsafe(18))
        self._load = _Login("dms", secrets.token_urlsafe(18))
        self._reader = _Login("reload_reader", secrets.token_urlsafe(18))
        with self.connect_target() as target, self.connect_source() as source:
            sales.create_source(source)
            sales.create_production(target)
            run(
                target,
                "roles/create_job_role",
                {
                    "job_role": self._job.user,
                    "load_role": self._load.user,
                    "production_schema": "production",
                    "staging_schema": "staging",
                },
            )
            reader = sql.Identifier(self._reader.user)
            source.execute(sql.SQL("CREATE ROLE {}").format(reader))
            source.execute(sql.SQL('GRANT USAGE ON SCHEMA "SALES" TO {}').format(reader))
            source.execute(sql.SQL('GRANT SELECT ON ALL TABLES IN SCHEMA "SALES" TO {}').format(reader))
            for login in (self._job, self._load, self._reader):
                target.execute(
                    sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(
                        sql.Identifier(login.user), sql.Literal(login.password)
                    )
                )

    def _set_environment(self) -> None:
        instance, source, target = self._create_dms_endpoints()
        port = str(self.postgres.port)
        self.environment = {
            PATH_VARIABLE: str(checkout_file("reload.yaml")),
            **_login("SOURCE", port, "source", self._reader),
            **_login("TARGET", port, "target", self._job),
            **_login("DAGSTER", port, "dagster", _Login(self.postgres.superuser, self.postgres.password)),
            "RELOAD_DMS_URL": self.dms.url,
            "RELOAD_DMS_INSTANCE_ARN": instance,
            "RELOAD_DMS_SOURCE_ARN": source,
            "RELOAD_DMS_TARGET_ARN": target,
            # The stand-in takes any key; boto3 will not call without one.
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_DEFAULT_REGION": REGION,
            "DAGSTER_HOME": str(self.home),
        }
        before = {name: os.environ.get(name) for name in self.environment}
        os.environ.update(self.environment)
        self._cleanup.callback(_restore, before)

    def _create_dms_endpoints(self) -> tuple[str, str, str]:
        """A replication instance and two tested endpoints, as an AWS account would have them; their ARNs."""
        client = boto3.client(
            "dms",
            endpoint_url=self.dms.url,
            region_name=REGION,
            aws_access_key_id="local",
            aws_secret_access_key="local",
        )
        instance = client.create_replication_instance(
            ReplicationInstanceIdentifier="local", ReplicationInstanceClass="dms.t3.medium"
        )["ReplicationInstance"]["ReplicationInstanceArn"]
        place = {"ServerName": "127.0.0.1", "Port": self.postgres.port}
        source = client.create_endpoint(
            EndpointIdentifier="oracle-source",
            EndpointType="source",
            EngineName="oracle",
            DatabaseName="source",
            Username=self._reader.user,
            Password=self._reader.password,
            **place,
        )["Endpoint"]["EndpointArn"]
        target = client.create_endpoint(
            EndpointIdentifier="postgres-target",
            EndpointType="target",
            EngineName="postgres",
            DatabaseName="target",
            Username=self._load.user,
            Password=self._load.password,
            **place,
        )["Endpoint"]["EndpointArn"]
        return instance, source, target

    def _fill(self) -> None:
        rows = self.rows
        with self.connect_source() as source, self.connect_target() as target:
            seed(
                source,
                first=FIRST_DAY,
                days=rows.days,
                customers_per_day=rows.customers_per_day,
                orders_per_day=rows.orders_per_day,
                seed=rows.seed,
            )
            sales.copy_to_production(source, target)

    def _copy_dagster_yaml(self) -> None:
        self.home.mkdir()
        shutil.copy(checkout_file("dagster.yaml"), self.home / "dagster.yaml")


def install_as_job_role(connection: Connection[Any], job: _Login) -> None:
    """Install the schemas as the role that owns them, with no more rights than it has in production."""
    config = load_config()
    target = Target("127.0.0.1", connection.info.port, connection.info.dbname, job.user, job.password)
    with target.connect(autocommit=True) as own:
        install(own, config)


def checkout_file(name: str) -> Path:
    """A file of the checkout's top folder. Raises FileNotFoundError where the package was installed without it."""
    path = Path(reload_assets.__file__).resolve().parents[1] / name
    if not path.exists():
        raise FileNotFoundError(f"{path}: the embedded stack runs from a checkout of the repository; clone it.")
    return path


def _login(name: str, port: str, database: str, login: _Login) -> dict[str, str]:
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
