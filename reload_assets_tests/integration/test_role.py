"""The job's role can do the whole job, and nothing to production but read and write its rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, TimeoutError
from contextlib import contextmanager, suppress
from dataclasses import replace

import psycopg
import pytest
from psycopg import errors, sql

from reload_assets.engines.staging_tables import create_staging, make_table
from reload_assets.ledger.install import install
from reload_assets.ledger.records import CheckResult
from reload_assets.local.postgres import PostgresServer
from reload_assets.merge import Patience, merge_reload
from reload_assets.postgres.catalog import read_table
from reload_assets.postgres.connection import TargetDatabase
from reload_assets.preflight.rights import require_rights
from reload_assets.verify.production import verify_merged
from reload_assets_tests.integration.staged import NOON, StagedReload, config
from reload_assets_tests.integration.throwaway import throwaway_database
from reload_assets_tests.roles import drop_job_role, job_target, load_role

DDL = """
CREATE SCHEMA production;
CREATE TABLE production.customers (customer_id integer PRIMARY KEY, name text, updated_at timestamp);
CREATE TABLE production.orders (
    order_id serial PRIMARY KEY, customer_id integer NOT NULL REFERENCES production.customers, updated_at timestamp
);
CREATE TABLE production.visits (customer_id integer REFERENCES production.customers ON DELETE CASCADE, note text);
CREATE FUNCTION production.touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
CREATE TRIGGER touch BEFORE UPDATE ON production.orders FOR EACH ROW EXECUTE FUNCTION production.touch();
CREATE SCHEMA elsewhere;
CREATE TABLE elsewhere.secrets (secret text);
"""
# The least that suffices, given by column.
BY_COLUMN = """
REVOKE ALL ON production.customers, production.orders, production.visits FROM {role};
GRANT DELETE, SELECT (customer_id, name, updated_at, ctid, tableoid, xmin), INSERT (customer_id, name, updated_at),
    UPDATE (name, updated_at) ON production.customers TO {role};
GRANT DELETE, SELECT (order_id, customer_id, updated_at, ctid, tableoid, xmin),
    INSERT (order_id, customer_id, updated_at), UPDATE (customer_id, updated_at) ON production.orders TO {role};
GRANT SELECT (customer_id) ON production.visits TO {role};
"""
TABLES = "customers: {window_column: updated_at}\norders: {window_column: updated_at}"


@contextmanager
def made_job(postgres: PostgresServer, url: str) -> Iterator[TargetDatabase]:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(DDL)
    made = job_target(postgres, url)
    try:
        yield made
    finally:
        drop_job_role(url, made)


@pytest.fixture
def job(postgres: PostgresServer, new_database: Callable[[str], str]) -> Iterator[TargetDatabase]:
    with made_job(postgres, new_database("role")) as made:
        yield made


@pytest.fixture(scope="module")
def idle_job(postgres: PostgresServer) -> Iterator[TargetDatabase]:
    """A job whose attempts leave nothing behind."""
    with throwaway_database(postgres, "role") as url, made_job(postgres, url) as made:
        yield made


def test_the_role_installs_loads_verifies_and_merges(postgres: PostgresServer, job: TargetDatabase) -> None:
    reload = StagedReload(job, TABLES)
    with job.connect(autocommit=True) as connection:
        assert install(connection, reload.config.target) == []
    reload.stage("customers", [(1, "one", NOON)])
    reload.stage("orders", [(7, 1, NOON)])
    reload.finish(source=1)
    with psycopg.connect(postgres.url(job.database), autocommit=True) as connection:
        connection.execute("INSERT INTO production.customers VALUES (1, 'old', '2025-01-01')")
        connection.execute(sql.SQL(BY_COLUMN).format(role=sql.Identifier(job.user)))
    with job.connect(autocommit=True) as connection:
        require_rights(connection, str(job), "staging", list(reload.tables.values()))
        references = read_table(connection, "production", "customers").referenced_by
        assert [(one.child_table, one.child_readable) for one in references] == [("orders", True), ("visits", True)]
    for name in reload.tables:
        outcomes = reload.verify(name).values()
        assert {outcome.status for outcome in outcomes} == {"passed"}, outcomes
        results = [CheckResult(name, one.check_name, one.status, one.blocking, one.detail) for one in outcomes]
        reload.ledger.record_checks(reload.reload.reload_id, name, results)
    verified = reload.ledger.get(reload.reload.reload_id)
    assert verified.status == "verified"
    result = merge_reload(
        job,
        reload.ledger,
        verified,
        list(reload.tables.values()),
        reload.config.source.zone,
        Patience(lock_timeout_ms=400, stall_limit_ms=400, attempts=3),
    )
    assert (result.outcomes["customers"].updated, result.outcomes["orders"].inserted) == (1, 1)
    for table in reload.tables.values():
        staged = reload.staged(table.name)
        merged = verify_merged(job, reload.config.source.zone, reload.reload, table, staged, None)
        assert [one.status for one in merged] == ["passed", "passed", "could not verify", "could not verify"], merged
    # The sequence was advanced past the loaded key, and rows can be taken back.
    reload.execute("INSERT INTO production.orders (customer_id) VALUES (1)")
    assert reload.execute("DELETE FROM production.orders RETURNING order_id") == [(7,), (8,)]
    assert reload.execute("SELECT status FROM admin.merge_summary") == [("SUCCESS",)]


def test_the_load_role_fills_a_staging_table_and_nothing_else(job: TargetDatabase) -> None:
    reload = StagedReload(job, TABLES)
    loader = replace(job, user=load_role(job))
    with job.connect() as connection:
        connection.execute("DROP TABLE staging.orders_r1")
        create_staging(connection, "staging", reload.reload, reload.table("orders"), load_role(job))
    with loader.connect(autocommit=True) as connection:
        connection.execute("INSERT INTO staging.orders_r1 VALUES (1, 1, now())")
        assert connection.execute("SELECT count(*) FROM staging.orders_r1").fetchone() == (1,)
        for statement in (
            "SELECT * FROM staging.customers_r1",
            "SELECT * FROM production.orders",
            "SELECT * FROM admin.reloads",
            "DELETE FROM staging.orders_r1",
            "CREATE TABLE staging.mine (x integer)",
        ):
            with pytest.raises(errors.InsufficientPrivilege):
                connection.execute(statement.encode())


def test_a_table_for_a_load_is_made_while_another_one_is(job: TargetDatabase) -> None:
    """A confirm makes one to read rows again, and a reload that opens meanwhile has not committed its own."""
    reload = StagedReload(job, TABLES)
    table = reload.table("orders")
    with job.connect(autocommit=True) as connection:
        make_table(connection, "staging", "first", table, load_role(job))
    with job.connect() as opening, job.connect(autocommit=True) as confirming, ThreadPoolExecutor(1) as pool:
        make_table(opening, "staging", "second", table, load_role(job))
        third = pool.submit(make_table, confirming, "staging", "third", table, load_role(job))
        with suppress(TimeoutError):
            third.result(0.5)
        opening.commit()
        third.result(10)


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE production.orders",
        "TRUNCATE production.orders",
        "ALTER TABLE production.orders ADD COLUMN more integer",
        "ALTER TABLE production.orders DISABLE TRIGGER ALL",
        "ALTER TABLE production.orders DROP CONSTRAINT orders_customer_id_fkey",
        "CREATE TABLE production.more (x integer)",
        "CREATE INDEX ON production.orders (customer_id)",
        "CREATE TRIGGER more BEFORE UPDATE ON production.orders FOR EACH ROW EXECUTE FUNCTION production.touch()",
        "DROP SEQUENCE production.orders_order_id_seq",
        "DROP SCHEMA production CASCADE",
        "CREATE SCHEMA more",
        "SELECT * FROM elsewhere.secrets",
        "SELECT * FROM pg_authid",
        "CREATE ROLE more",
        "CREATE DATABASE more",
        "SET session_replication_role = replica",
        "GRANT SELECT ON production.orders TO PUBLIC",
        "COPY production.orders TO '/tmp/stolen'",
    ],
)
def test_the_role_cannot(idle_job: TargetDatabase, statement: str) -> None:
    with idle_job.connect(autocommit=True) as connection:
        if statement.startswith("GRANT"):
            # Without the grant option PostgreSQL only warns: nothing is granted.
            connection.execute(statement)
            granted = connection.execute(
                "SELECT has_table_privilege('pg_monitor', 'production.orders', 'SELECT')"
            ).fetchone()
            assert granted == (False,)
            return
        with pytest.raises(errors.InsufficientPrivilege):
            connection.execute(statement.encode())


def test_the_role_writes_rows_of_production(job: TargetDatabase) -> None:
    with job.connect(autocommit=True) as connection:
        connection.execute("INSERT INTO production.customers VALUES (1, 'one')")
        connection.execute("UPDATE production.customers SET name = 'two'")
        connection.execute("SELECT setval('production.orders_order_id_seq', 5)")
        assert connection.execute("DELETE FROM production.customers RETURNING name").fetchone() == ("two",)


def test_the_schemas_belong_to_the_role_and_their_installation_is_repeatable(job: TargetDatabase) -> None:
    chosen = config(TABLES)
    with job.connect(autocommit=True) as connection:
        first, second = install(connection, chosen.target), install(connection, chosen.target)
        owners = connection.execute(
            "SELECT DISTINCT nspowner::regrole::text FROM pg_namespace WHERE nspname IN ('admin', 'staging')"
        ).fetchall()
    assert len(first) >= 4
    assert second == []
    assert owners == [(job.user,)]
