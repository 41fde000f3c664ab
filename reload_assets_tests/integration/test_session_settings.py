"""Whatever a role, a database or a variable of libpq has set: a reload resolves, merges and audits alike."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import psycopg
import pytest
from psycopg import Connection, sql

from reload_assets.errors.target import TargetReadOnly, TargetWithoutTriggers, TextNotUtf8
from reload_assets.local.postgres import PostgresServer
from reload_assets.postgres.connection import TargetDatabase
from reload_assets.preflight.foreseen import require_text
from reload_assets.verify.expectations import Expectation, TypesOf, validate
from reload_assets_tests.integration.merge_bench import LATER, NOON, MergeBench
from reload_assets_tests.integration.throwaway import throwaway_database

DDL = """
CREATE SCHEMA helpers;
CREATE FUNCTION helpers.lowered(value text) RETURNS text LANGUAGE sql AS 'SELECT lower(value)';
CREATE TYPE production.mood AS ENUM ('calm', 'loud');
CREATE TABLE production.events (
    id integer PRIMARY KEY, "Name" text, amount double precision, price money, raw bytea, span interval, tags text[],
    mood production.mood, at timestamptz, updated_at timestamp
);
CREATE FUNCTION production.lower_name() RETURNS trigger LANGUAGE plpgsql
AS 'BEGIN new."Name" := helpers.lowered(new."Name"); RETURN new; END';
CREATE TRIGGER lower_name BEFORE INSERT ON production.events FOR EACH ROW EXECUTE FUNCTION production.lower_name();
"""
TABLES = {"events": {"window_column": "updated_at"}}
OLD = (
    1,
    "old",
    1 / 3,
    "$1,234.50",
    b"\x00\xff\\",
    "1 day 02:03:04",
    ["a", None, "NULL"],
    "calm",
    NOON,
    NOON,
)
STAGED = [(1, "ünew\\", 2 / 3, *OLD[3:9], LATER), (2, "INSERTED", *OLD[2:])]

# What a database administrator may have set for the role, for reasons of his own.
OF_THE_ROLE: Mapping[str, str] = {
    "DateStyle": "German, DMY",
    "IntervalStyle": "sql_standard",
    "TimeZone": "Asia/Kathmandu",
    "array_nulls": "off",
    "backslash_quote": "on",
    "bytea_output": "escape",
    "client_encoding": "LATIN1",
    "client_min_messages": "debug1",
    "constraint_exclusion": "on",
    "cpu_tuple_cost": "1000",
    "default_statistics_target": "1",
    "default_transaction_deferrable": "on",
    "default_transaction_isolation": "serializable",
    "default_transaction_read_only": "on",
    "enable_indexscan": "off",
    "enable_seqscan": "off",
    "enable_sort": "off",
    "escape_string_warning": "off",
    "exit_on_error": "on",
    "extra_float_digits": "-15",
    "idle_in_transaction_session_timeout": "1ms",
    "idle_session_timeout": "1ms",
    "jit": "on",
    "jit_above_cost": "0",
    "join_collapse_limit": "1",
    "lc_messages": "C",
    "lc_monetary": "POSIX",
    "lock_timeout": "1ms",
    "parallel_setup_cost": "0",
    "plan_cache_mode": "force_generic_plan",
    "quote_all_identifiers": "on",
    "row_security": "off",
    "search_path": "helpers, pg_catalog",
    "standard_conforming_strings": "off",
    "statement_timeout": "1ms",
    "synchronous_commit": "off",
    "temp_buffers": "800kB",
    "timezone_abbreviations": "Australia",
    "track_activities": "off",
    "transform_null_equals": "on",
    "work_mem": "64kB",
    "xmlbinary": "hex",
    "xmloption": "document",
}
# Of libpq, which sends them itself.
VARIABLES = {
    "PGCLIENTENCODING": "LATIN1",
    "PGDATESTYLE": "German",
    "PGOPTIONS": "-c statement_timeout=1ms -c quote_all_identifiers=on",
    "PGTZ": "Asia/Kathmandu",
}


class Rig:
    """A target whose login is an ordinary role, which owns its database; ``admin`` may set what it may not."""

    def __init__(self, admin: Connection[Any], url: str) -> None:
        self.admin, self.url = admin, url
        self.bench = MergeBench(url, DDL, TABLES)
        self.target = self.bench.target
        self.role, self.database = self.target.user, self.target.database

    @contextmanager
    def with_settings(self, settings: Mapping[str, str], *, of: str = "ROLE") -> Iterator[None]:
        """While this is open, sessions of the role, or of the DATABASE, begin with these settings."""
        place = sql.SQL("ALTER {} {} ").format(
            sql.SQL(of), sql.Identifier(self.role if of == "ROLE" else self.database)
        )
        for name, value in settings.items():
            # A list is not to become one quoted word.
            values = sql.SQL(", ").join(sql.Literal(part.strip()) for part in value.split(","))
            self.admin.execute(place + sql.SQL("SET {} = {}").format(sql.Identifier(name), values))
        try:
            yield
        finally:
            self.admin.execute(place + sql.SQL("RESET ALL"))

    def reload(self) -> list[Any]:
        """Merge both rows over the old one; production and the audit then, as a session of the admin shows them."""
        self.bench.execute("TRUNCATE production.events; TRUNCATE admin.reloads, admin.reload_changes CASCADE")
        self.bench.connection.execute(f"INSERT INTO production.events VALUES ({', '.join(['%s'] * 10)})", OLD)
        with self.target.connect() as connection:
            self.bench.connection, own = connection, self.bench.connection
            try:
                self.bench.resolve()
            finally:
                self.bench.connection = own
        outcomes = self.bench.reload(STAGED)
        assert (outcomes.inserted, outcomes.updated) == (1, 1)
        return [
            *self.bench.rows("SELECT e.*::text FROM production.events AS e ORDER BY id"),
            *self.bench.audit(),
        ]


@contextmanager
def made_rig(postgres: PostgresServer, url: str) -> Iterator[Rig]:
    role, password = f"set_{secrets.token_hex(4)}", secrets.token_urlsafe(12)
    database = psycopg.conninfo.conninfo_to_dict(url)["dbname"]
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(role), sql.Literal(password)))
        admin.execute(
            sql.SQL("ALTER DATABASE {} OWNER TO {}").format(sql.Identifier(str(database)), sql.Identifier(role))
        )
        rig = Rig(admin, postgres.url(str(database), user=role, password=password) + "?client_encoding=utf8")
        try:
            yield rig
        finally:
            rig.bench.close()
            admin.execute(sql.SQL("DROP OWNED BY {} CASCADE").format(sql.Identifier(role)))
            admin.execute(sql.SQL("ALTER DATABASE {} OWNER TO CURRENT_USER").format(sql.Identifier(str(database))))
            admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


@pytest.fixture(scope="module")
def rig(postgres: PostgresServer) -> Iterator[Rig]:
    with throwaway_database(postgres, "settings") as url, made_rig(postgres, url) as made:
        yield made


@pytest.fixture(scope="module")
def expected(rig: Rig) -> list[Any]:
    """What a reload leaves where nobody has set anything."""
    found = rig.reload()
    assert len(found) == 4
    return found


def test_there_are_enough_settings() -> None:
    assert len(OF_THE_ROLE) >= 31


# Alone: one may hide what another does.
@pytest.mark.thorough
@pytest.mark.parametrize("name", OF_THE_ROLE)
def test_a_setting_of_the_role_changes_nothing(rig: Rig, expected: list[Any], name: str) -> None:
    with rig.with_settings({name: OF_THE_ROLE[name]}):
        assert rig.reload() == expected


def test_all_of_them_together_change_nothing(rig: Rig, expected: list[Any]) -> None:
    with rig.with_settings(OF_THE_ROLE):
        assert rig.reload() == expected


def test_great_expectations_is_not_disturbed_by_any(rig: Rig, expected: list[Any]) -> None:
    with rig.with_settings(OF_THE_ROLE):
        rig.reload()
        counted = Expectation("rows", "ExpectTableRowCountToEqual", {"value": 2})
        types = TypesOf("types", "production", "events", [("amount", "amount"), ("Name", "Name")])
        verdicts = [
            one for found in validate(rig.target, "production", "events", [counted, types]).values() for one in found
        ]
    assert [(one.success, one.problem) for one in verdicts] == [(True, None)] * 3


def test_a_limit_on_transactions_does_not_hold(rig: Rig) -> None:
    if rig.admin.info.server_version < 170000:
        pytest.skip("PostgreSQL 17 is the first that has transaction_timeout")
    with rig.with_settings({"transaction_timeout": "100ms"}), rig.target.connect() as connection:
        connection.execute("SELECT pg_sleep(0.2)")


def test_libpqs_variables_change_nothing(rig: Rig, expected: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    assert rig.reload() == expected


def test_the_logins_own_search_path_is_there_for_triggers(rig: Rig) -> None:
    with rig.with_settings({"search_path": "helpers, pg_catalog, pg_temp"}), rig.target.connect() as connection:
        assert connection.execute("SHOW search_path").fetchone() == ("helpers",)
        assert connection.execute("SELECT lowered('A')").fetchone() == ("a",)


def test_sessions_of_a_replica_are_refused_where_they_cannot_be_changed(rig: Rig) -> None:
    with (
        rig.with_settings({"session_replication_role": "replica"}),
        pytest.raises(TargetWithoutTriggers, match="no trigger would fire"),
    ):
        rig.target.connect()


def test_sessions_of_a_replica_are_made_ordinary_ones_where_that_is_allowed(rig: Rig, postgres: PostgresServer) -> None:
    admin = TargetDatabase("127.0.0.1", postgres.port, rig.database, postgres.superuser, postgres.password)
    with rig.with_settings({"session_replication_role": "replica"}, of="DATABASE"), admin.connect() as connection:
        assert connection.execute("SHOW session_replication_role").fetchone() == ("origin",)
        connection.rollback()
        assert connection.execute("SHOW session_replication_role").fetchone() == ("origin",)


def test_a_database_that_is_read_only_is_refused(rig: Rig) -> None:
    with (
        rig.with_settings({"default_transaction_read_only": "on"}, of="DATABASE"),
        pytest.raises(
            TargetReadOnly, match="is read-only: default_transaction_read_only is on there, set by: database"
        ),
    ):
        rig.target.connect()


def refusal(target: TargetDatabase) -> str:
    """What is said when the target is refused, which may take a moment."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            target.connect().close()
        except TargetReadOnly as error:
            return str(error)
    raise AssertionError("nothing is refused")


def test_a_server_that_is_read_only_is_refused(rig: Rig, postgres: PostgresServer) -> None:
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        connection.execute("SELECT pg_reload_conf()")
        try:
            assert "set by: configuration file; switch it off" in refusal(rig.target)
        finally:
            connection.execute("SET default_transaction_read_only = off")
            connection.execute("ALTER SYSTEM RESET default_transaction_read_only")
            connection.execute("SELECT pg_reload_conf()")


def test_a_database_of_no_encoding_serves(postgres: PostgresServer, expected: list[Any]) -> None:
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute("CREATE DATABASE no_encoding TEMPLATE template0 ENCODING 'SQL_ASCII'")
        try:
            with made_rig(postgres, postgres.url("no_encoding")) as made:
                assert made.reload() == expected
                (table,) = made.bench.resolve()
                first, second, end = (datetime(2025, 1, 3, hour) for hour in (12, 13, 14))
                with made.target.connect(autocommit=True) as own:
                    require_text(own, table, "here", (first, end))
                    # What a client of another encoding has written.
                    made.bench.execute('UPDATE production.events SET "Name" = chr(233) WHERE id = 1')
                    with pytest.raises(
                        TextNotUtf8, match=r'events\.Name has text .*\(invalid byte .*"UTF8": 0xe9\), and'
                    ):
                        require_text(own, table, "here", (first, end))
                    # Only rows of the window count.
                    require_text(own, table, "here", (first, second))
        finally:
            connection.execute("DROP DATABASE no_encoding WITH (FORCE)")
