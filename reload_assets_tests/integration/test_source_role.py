"""The source reader reads only the primary: a standby is late, and would revert rows of production."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import psycopg
import pytest

from reload_assets.errors.source import SourceNotPrimary
from reload_assets.local.postgres import PostgresServer
from reload_assets_tests.integration.reload_bench import open_reader, reload_bench
from reload_assets_tests.integration.standby import standby_of, stop_replay
from reload_assets_tests.integration.test_cdc_task import CUSTOMERS, DDL, INSERT, OTHER, TABLES

REFUSED = (
    r"^The source .*127\.0\.0\.1.* is not a primary database but a standby, which shows older rows than CDC has "
    r"carried; name the primary in source\.connection\. \[source-not-primary\]$"
)


def test_a_standby_is_not_read_until_it_is_the_primary(
    postgres: PostgresServer, new_database: Callable[[str], str]
) -> None:
    tables = [CUSTOMERS, OTHER]
    with reload_bench(new_database, tables, DDL, TABLES) as bench:
        bench.on_source(INSERT.format(1, "first", 12))
        bench.drain()
        with standby_of(postgres) as standby:
            late = standby.url(bench.source.info.dbname)
            with open_reader(late) as reader:
                for read in (
                    reader.check,
                    reader.now,
                    lambda: reader.columns("CUSTOMERS"),
                    lambda: reader.count("CUSTOMERS", "UPDATED_AT", datetime(2025, 1, 1), datetime(2025, 2, 1)),
                    lambda: list(reader.rows_as_text("CUSTOMERS", ["ID"], ["ID"], [(1,)])),
                ):
                    with pytest.raises(SourceNotPrimary, match=REFUSED):
                        read()

            on_primary = bench.reader
            bench.reader = lambda: open_reader(late)
            with pytest.raises(SourceNotPrimary, match=REFUSED):
                bench.stage()
            assert bench.on_production("SELECT count(*) FROM admin.reloads") == [(0,)]

            # The connection leads to the standby only when the rows are read again.
            bench.reader = on_primary
            reload = bench.stage()
            bench.merge(reload)
            tables_then = bench.tables()
            stop_replay(standby)
            bench.on_source("""UPDATE "SALES"."CUSTOMERS" SET "NAME" = 'new', "UPDATED_AT" = '2025-01-03 13:00'""")
            bench.on_source(INSERT.format(2, "second", 13))
            bench.drain()
            bench.reader = lambda: open_reader(late)
            confirmed = bench.production.confirm(bench.ledger.get(reload.reload_id), tables_then)
            assert not confirmed.settled
            assert "is not a primary database but a standby" in confirmed.detail
            assert bench.on_production("SELECT id, name FROM production.customers ORDER BY id") == [
                (1, "new"),
                (2, "second"),
            ]
            bench.reader = on_primary
            assert bench.confirm(reload).settled

            with psycopg.connect(standby.url(), autocommit=True) as connection:
                connection.execute("SELECT pg_promote()")
            with open_reader(late) as reader:
                reader.check()
                assert reader.count("CUSTOMERS", "UPDATED_AT", datetime(2025, 1, 1), datetime(2025, 2, 1)) == 2


def test_a_reader_notices_that_its_server_was_replaced(new_database: Callable[[str], str]) -> None:
    """A session outlives no failover, so each new one asks."""
    url = new_database("source")
    with psycopg.connect(url, autocommit=True) as connection, open_reader(url) as reader:
        reader.now()
        # What the server says of itself from now on, in every database session of this test's own.
        connection.execute("CREATE SCHEMA overlay")
        connection.execute("CREATE FUNCTION overlay.pg_is_in_recovery() RETURNS boolean LANGUAGE sql AS 'SELECT true'")
        connection.execute(
            f"ALTER DATABASE {connection.info.dbname} SET search_path = overlay, pg_catalog, public".encode()
        )
        reader.now()
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        with pytest.raises(SourceNotPrimary, match=REFUSED):
            reader.now()
