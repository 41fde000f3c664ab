"""Logins with the least rights, made as a database administrator makes them: by ``sql/roles`` in psql."""

from __future__ import annotations

import itertools
import os
import secrets
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import psycopg
from psycopg import sql

from reload_assets.local.postgres import PostgresServer
from reload_assets.postgres.connection import TargetDatabase

SQL = Path(__file__).parents[1] / "sql"
_numbers = itertools.count(1)


def find_psql(server: PostgresServer) -> str:
    """psql beside the server's binaries, or the one on PATH. Raises RuntimeError where there is none."""
    beside = server.binaries / "psql"
    found = str(beside) if beside.exists() else shutil.which("psql")
    if found is None:
        raise RuntimeError(f"There is no psql, neither in {server.binaries} nor on PATH; install one.")
    return found


def psql(server: PostgresServer, database_url: str, script: str, variables: Mapping[str, str] | None = None) -> str:
    """What psql prints for a script; it stops at the first error. Raises AssertionError with psql's words."""
    command = [find_psql(server), "--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--set=ON_ERROR_STOP=1"]
    for name, value in (variables or {}).items():
        command += ["-v", f"{name}={value}"]
    # The password by the environment: a command line is for all to see.
    conninfo = psycopg.conninfo.conninfo_to_dict(database_url)
    environment = {**os.environ, "PGPASSWORD": str(conninfo.pop("password")), "PGCLIENTENCODING": "UTF8"}
    command.append("--dbname=" + psycopg.conninfo.make_conninfo("", **conninfo))
    done = subprocess.run(
        command, input=script, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def job_target(
    server: PostgresServer, database_url: str, *, production_schema: str = "production", staging_schema: str = "staging"
) -> TargetDatabase:
    """The login of a job role made for this database, in which production exists already and nothing is installed.

    ``drop_job_role`` takes it away again.
    """
    number = next(_numbers)
    role, password = f"reload_job_{number}", secrets.token_urlsafe(12)
    variables = {
        "job_role": role,
        "load_role": f"reload_load_{number}",
        "production_schema": production_schema,
        "staging_schema": staging_schema,
    }
    for name in ("create_job_role", "grant_production_schema"):
        script = (SQL / "roles" / f"{name}.sql").read_text(encoding="utf-8")
        psql(server, database_url, script, variables)
    with psycopg.connect(database_url, autocommit=True) as connection:
        for name in (role, variables["load_role"]):
            connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(name), sql.Literal(password)))
        database = connection.info.dbname
    return TargetDatabase("127.0.0.1", server.port, database, role, password)


def load_role(job: TargetDatabase) -> str:
    """The name of the load role that was made with a job's role; it has the same password."""
    return job.user.replace("reload_job", "reload_load")


def make_logins_cheap(server: PostgresServer, logins: Mapping[str, str] | None = None) -> None:
    """Hash the superuser's password once for a login, and those of ``logins`` (role: password), of later ones too.

    PostgreSQL hashes a password 4,096 times by default, which is most of what a connection costs. Before PostgreSQL 16
    there is no choice.
    """
    with psycopg.connect(server.url(), autocommit=True) as connection:
        if connection.info.server_version < 160000:
            return
        connection.execute("ALTER SYSTEM SET scram_iterations = 1")
        connection.execute("SELECT pg_reload_conf()")
        connection.execute("SET scram_iterations = 1")
        for role, password in {server.superuser: server.password, **(logins or {})}.items():
            connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role), sql.Literal(password)))


def drop_job_role(database_url: str, job: TargetDatabase) -> None:
    """Drop both roles and all that they own in the database."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        for name in (job.user, load_role(job)):
            connection.execute(sql.SQL("DROP OWNED BY {} CASCADE").format(sql.Identifier(name)))
            connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))
