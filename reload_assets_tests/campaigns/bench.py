"""The servers that all runs of a worker process share, and the databases that each run has to itself."""

from __future__ import annotations

import itertools
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import psycopg
from psycopg import Connection, sql

from reload_assets.dms.client import dms_client
from reload_assets.ledger.install import install
from reload_assets.local.dms import DmsStandIn
from reload_assets.local.postgres import PostgresServer
from reload_assets.local.stack import REGION
from reload_assets.postgres.connection import TargetDatabase
from reload_assets.postgres.statements import run
from reload_assets_tests.campaigns.schema import SOURCE_SCHEMA, Tables, World
from reload_assets_tests.campaigns.settings import CDC_ROLE, JOB_ROLE, LOAD_ROLE, READER_ROLE, configuration
from reload_assets_tests.campaigns.tables import Specs, create_production, create_source, fill

# DMS's changes are left out. No ordinary trigger fires for CDC as a replica; for CDC with foreign keys it fires.
_WATCH = """
CREATE SCHEMA campaign;
CREATE TABLE campaign.made (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    transaction bigint NOT NULL,
    session text NOT NULL,
    table_name text NOT NULL,
    before jsonb,
    after jsonb
);
CREATE FUNCTION campaign.watch() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF current_setting('application_name') LIKE 'dms-%' THEN
        RETURN NULL;
    END IF;
    INSERT INTO campaign.made (transaction, session, table_name, before, after)
    VALUES (
        pg_current_xact_id()::text::bigint, current_setting('application_name'), TG_ARGV[0],
        CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END, CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END
    );
    RETURN NULL;
END
$$;
"""
_FOR_CDC = """
CREATE SCHEMA production;
GRANT USAGE ON SCHEMA production TO {role};
GRANT CREATE ON SCHEMA public TO {role};
ALTER DEFAULT PRIVILEGES IN SCHEMA production GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {role};
"""
# Production's tables, and DMS's control tables: each run recreates them.
_FOR_JOB = """
ALTER DEFAULT PRIVILEGES IN SCHEMA production GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {job};
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO {job};
ALTER DEFAULT PRIVILEGES FOR ROLE {cdc} IN SCHEMA public GRANT SELECT ON TABLES TO {job};
"""
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Databases:
    """The names of the databases of one run. The shadow is damaged as the target is, and gets CDC but no reload."""

    source: str
    target: str
    shadow: str


class Bench:
    """Two PostgreSQL servers (source; target and shadow) and the DMS stand-in; a context manager."""

    def __init__(self) -> None:
        self._cleanup = ExitStack()
        self.password = secrets.token_urlsafe(12)

    def __enter__(self) -> Bench:
        root = Path(tempfile.mkdtemp(prefix="reload-campaign-"))
        self._cleanup.callback(shutil.rmtree, root, ignore_errors=True)
        try:
            # The servers may run as another user, who must be able to reach their folders below this one.
            root.chmod(0o755)
            self.source = self._cleanup.enter_context(PostgresServer(root / "source"))
            self.target = self._cleanup.enter_context(PostgresServer(root / "target"))
            self.dms = self._cleanup.enter_context(
                DmsStandIn(create_delay=0.02, start_delay=0.02, stop_delay=0.02, delete_delay=0.02)
            )
            # The stand-in takes any key.
            self.client: Any = dms_client(
                region=REGION, endpoint_url=self.dms.url, access_key_id="local", secret_access_key="local"
            )
            instance = self.client.create_replication_instance(
                ReplicationInstanceIdentifier="campaign", ReplicationInstanceClass="dms.t3.medium"
            )
            self.instance = str(instance["ReplicationInstance"]["ReplicationInstanceArn"])
            self._create_databases()
        except BaseException:
            self._cleanup.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._cleanup.close()

    @contextmanager
    def databases(self, specs: Specs, source: Tables, production: Tables) -> Iterator[Databases]:
        """Databases with these tables and rows. Target and shadow are fresh and dropped at the end."""
        number = next(_numbers)
        made = Databases("source", f"target_{number}", f"shadow_{number}")
        try:
            with psycopg.connect(self.source.url(made.source)) as connection:
                # Nobody else should be connected any more; the timeout makes it fail if somebody is.
                connection.execute("SET lock_timeout = '10s'")
                create_source(connection, specs)
                reader, schema = sql.Identifier(READER_ROLE), sql.Identifier(SOURCE_SCHEMA)
                connection.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(schema, reader))
                connection.execute(sql.SQL("GRANT SELECT ON ALL TABLES IN SCHEMA {} TO {}").format(schema, reader))
                fill(connection, specs, source, on_source=True)
            for name, template in ((made.target, "template_target"), (made.shadow, "template_shadow")):
                # This strategy takes half the time of the other one.
                place = sql.Identifier(name), sql.Identifier(template)
                self._administer(sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY").format(*place))
                with psycopg.connect(self.target.url(name)) as connection:
                    create_production(connection, specs, watched=name == made.target)
                    fill(connection, specs, production, on_source=False)
            yield made
        finally:
            for name in (made.target, made.shadow):
                self._administer(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def login(self, database: str) -> TargetDatabase:
        """The reload's own login to a target database."""
        return TargetDatabase("127.0.0.1", self.target.port, database, JOB_ROLE, self.password)

    def _create_databases(self) -> None:
        for server in (self.source, self.target):
            with psycopg.connect(server.url(), autocommit=True) as connection:
                _set_password(connection, server.superuser, server.password)
        with psycopg.connect(self.source.url(), autocommit=True) as connection:
            connection.execute("CREATE DATABASE source")
        with psycopg.connect(self.source.url("source"), autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(READER_ROLE)))
            _set_password(connection, READER_ROLE, self.password)
        self._administer(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(CDC_ROLE)))
        for name in ("template_target", "template_shadow"):
            self._administer(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
            with psycopg.connect(self.target.url(name), autocommit=True) as connection:
                connection.execute(_FOR_CDC.format(role=CDC_ROLE).encode())
        with psycopg.connect(self.target.url("template_target"), autocommit=True) as connection:
            connection.execute(_WATCH)
            roles = {"job_role": JOB_ROLE, "load_role": LOAD_ROLE}
            schemas = {"production_schema": "production", "staging_schema": "staging"}
            run(connection, "roles/create_job_role", {**roles, **schemas})
            for role in (*roles.values(), CDC_ROLE):
                _set_password(connection, role, self.password)
            with self.login("template_target").connect(autocommit=True) as job:
                install(job, configuration(World(), "confirm").target)
            connection.execute(_FOR_JOB.format(job=JOB_ROLE, cdc=CDC_ROLE).encode())

    def _administer(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.target.url(), autocommit=True) as connection:
            connection.execute(statement)


def _set_password(connection: Connection[Any], role: str, password: str) -> None:
    if connection.info.server_version >= 160000:
        # A run logs in hundreds of times, and most of a login is hashing the password.
        connection.execute("SET scram_iterations = 1")
    connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role), sql.Literal(password)))
