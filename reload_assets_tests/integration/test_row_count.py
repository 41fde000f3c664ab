"""``row_count`` beside a source that is being written: no good load is rejected, none that lacks a row passes."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone

import psycopg
import pytest
import sqlalchemy as sa
from psycopg.errors import DeadlockDetected, UniqueViolation

from reload_assets.config.model import ReloadConfig, parse_config
from reload_assets.dms.client import dms_client
from reload_assets.dms.tasks import LoadTasks, PollLimits
from reload_assets.engines.staging_tables import drop_expired_staging
from reload_assets.ledger.install import install
from reload_assets.ledger.ledger import Ledger
from reload_assets.ledger.records import Opening, Reload
from reload_assets.local.dms.faults import EmptyTable, SlowLoad
from reload_assets.local.oracle import OracleColumn, OracleTable, create_schema, create_table
from reload_assets.postgres.connection import TargetDatabase
from reload_assets.reload.load import Load
from reload_assets.reload.parts import group_tables
from reload_assets.source.reader import SourceReader
from reload_assets.tables import resolve_group
from reload_assets.verify.outcome import CheckOutcome
from reload_assets.verify.source_keys import source_keys_name
from reload_assets.verify.staging import verify_staging
from reload_assets.windows import Window
from reload_assets_tests.integration.standin_bench import Bench

FAST = PollLimits(interval=0.02, max_interval=0.05, ready_timeout=5, load_timeout=20, remove_timeout=5, call_attempts=3)
DAY = Window(datetime(2025, 1, 2, tzinfo=timezone.utc), datetime(2025, 1, 3, tzinfo=timezone.utc))
VISITS = OracleTable(
    "VISITS",
    [
        OracleColumn("VISIT_ID", "NUMBER(9,0)"),
        OracleColumn("PLACE", "CHAR(4)"),
        OracleColumn("SEEN_AT", "TIMESTAMP(6)"),
        OracleColumn("NOTE", "VARCHAR2(40 CHAR)"),
        OracleColumn("UPDATED_AT", "TIMESTAMP(6)"),
    ],
    ["VISIT_ID", "PLACE"],
)
PRODUCTION = """
DROP SCHEMA IF EXISTS production, staging, admin CASCADE;
CREATE SCHEMA production;
CREATE TABLE production.visits (
    visit_id integer, place character(4), seen_at timestamp, note varchar(40), updated_at timestamp,
    PRIMARY KEY (visit_id, place)
);
CREATE INDEX ON production.visits (seen_at);
"""
CONFIG = """
source: {{schema: SALES}}
target: {{connection: {{host: h, port: 1, database: d, user: u, password: {{env: P}}}}}}
dms: {{replication_instance_arn: "{instance}", source_endpoint_arn: "{source}", target_endpoint_arn: "{target}"}}
windows: {{first: 2025-01-01}}
groups: {{sales: {{tables: {{visits: {{window_column: seen_at, version_column: updated_at}}}}}}}}
"""
# Half of the rows are never written by the writers.
ROWS, STABLE = 600, 300
WRITES = [
    """INSERT INTO "SALES"."VISITS"
    VALUES (%(new)s, 'b', timestamp '2025-01-02' + %(time)s, 'new', clock_timestamp())""",
    """DELETE FROM "SALES"."VISITS" WHERE "VISIT_ID" = %(key)s""",
    """UPDATE "SALES"."VISITS" SET "NOTE" = 'changed', "UPDATED_AT" = clock_timestamp() WHERE "VISIT_ID" = %(key)s""",
    """UPDATE "SALES"."VISITS" SET "SEEN_AT" = "SEEN_AT" + interval '10 days', "UPDATED_AT" = clock_timestamp()
    WHERE "VISIT_ID" = %(key)s""",
    """UPDATE "SALES"."VISITS" SET "SEEN_AT" = timestamp '2025-01-02' + %(time)s, "UPDATED_AT" = clock_timestamp()
    WHERE "VISIT_ID" = %(key)s""",
    # Away under another key, and back under the one it had.
    """UPDATE "SALES"."VISITS" SET "PLACE" = CASE WHEN "PLACE" = 'a' THEN 'c' ELSE 'a' END,
    "UPDATED_AT" = clock_timestamp() WHERE "VISIT_ID" = %(key)s AND "PLACE" <> 'b'""",
    """WITH gone AS (DELETE FROM "SALES"."VISITS" WHERE "VISIT_ID" = %(key)s RETURNING *)
    INSERT INTO "SALES"."VISITS_AWAY" SELECT * FROM gone ON CONFLICT DO NOTHING""",
    """WITH back AS (DELETE FROM "SALES"."VISITS_AWAY" RETURNING *) INSERT INTO "SALES"."VISITS"
    SELECT "VISIT_ID", "PLACE", "SEEN_AT", "NOTE", clock_timestamp() FROM back ON CONFLICT DO NOTHING""",
]


@dataclass
class Visits:
    """One table that is loaded by the stand-in for DMS, by the steps of a reload."""

    bench: Bench
    config: ReloadConfig
    target: TargetDatabase
    ledger: Ledger

    def reader(self) -> SourceReader:
        return SourceReader(sa.make_url(self.bench.source_url), "SALES")

    def load(self, before_start: Callable[[Reload], None] = lambda _: None) -> Reload:
        """A whole load, up to staging that can be verified; the reload before it is over."""
        client = dms_client(region="us-east-1", endpoint_url=self.bench.url, access_key_id="x", secret_access_key="x")
        steps = Load(
            self.config, self.target, self.ledger, LoadTasks(client, FAST), None, self.reader, lambda text: None
        )
        opening = Opening("sales", DAY, DAY, DAY.key, "me", "", "run", None)
        reload = steps.open(opening, ["visits"], run_is_live=lambda run_id: False)
        steps.create_task(reload)
        reload = self.ledger.get(reload.reload_id)
        before_start(reload)
        steps.start_task(reload)
        steps.wait(reload, lambda progress: None)
        steps.drop_task(reload)
        steps.finish(reload)
        return self.ledger.get(reload.reload_id)

    def row_count(self, reload: Reload) -> CheckOutcome:
        """What the check says."""
        with self.reader() as reader, self.target.connect() as connection:
            (table,) = resolve_group(group_tables(self.config, "sales"), connection, reader)
            (outcome,) = verify_staging(
                self.target,
                self.config.source.zone,
                reload,
                table,
                self.ledger.tables(reload.reload_id)["visits"],
                lob_limit_kb=self.config.dms.task.lob_limit_kb,
                source_configured=True,
                checks=["row_count"],
                reader=reader,
            )
        return outcome

    def withhold(self, key: int) -> Callable[[Reload], None]:
        """Let a row never arrive in staging."""

        def withhold(reload: Reload) -> None:
            self.execute(
                f"""
                CREATE FUNCTION staging.withhold_{reload.reload_id}() RETURNS trigger LANGUAGE plpgsql AS
                'BEGIN RETURN CASE WHEN NEW.visit_id <> {key} THEN NEW END; END';
                CREATE TRIGGER withhold BEFORE INSERT ON staging.visits_r{reload.reload_id}
                FOR EACH ROW EXECUTE FUNCTION staging.withhold_{reload.reload_id}();
                ALTER TABLE staging.visits_r{reload.reload_id} ENABLE ALWAYS TRIGGER withhold
                """
            )

        return withhold

    def execute(self, statement: str) -> None:
        """Change the target."""
        with self.target.connect(autocommit=True) as connection:
            connection.execute(statement.encode())

    def on_source(self, statement: str) -> None:
        """Change the source."""
        self.bench.rows(statement, on_source=True)


@pytest.fixture
def visits(bench: Bench) -> Visits:
    with psycopg.connect(bench.source_url, autocommit=True) as source:
        source.execute('DROP SCHEMA "SALES" CASCADE')
        create_schema(source, "SALES")
        for table in (VISITS, replace(VISITS, name="VISITS_AWAY")):
            create_table(source, "SALES", table)
        source.execute(
            """INSERT INTO "SALES"."VISITS" SELECT n, 'a', timestamp '2025-01-02' + n * interval '2 minutes', 'note',
            timestamp '2025-01-02' FROM generate_series(1, %s) AS n""",
            (ROWS,),
        )
    config = parse_config(CONFIG.format(instance=bench.instance, source=bench.source, target=bench.target))
    with psycopg.connect(bench.target_url, autocommit=True) as connection:
        connection.execute(PRODUCTION)
        install(connection, config.target)
        info = connection.info
        target = TargetDatabase(info.host, info.port, info.dbname, info.user, info.password)
    return Visits(bench, config, target, Ledger(target))


@contextmanager
def writers(visits: Visits) -> Iterator[None]:
    """Two sessions that write the source all the time, but never its first rows."""
    stop = threading.Event()
    failed: list[BaseException] = []

    def write(seed: int) -> None:
        draw = random.Random(seed)
        new = seed * 1_000_000
        try:
            with psycopg.connect(visits.bench.source_url, autocommit=True) as connection:
                while not stop.wait(0.003):
                    new += 1
                    values = {
                        "new": new,
                        "key": draw.choice([draw.randint(STABLE + 1, ROWS), draw.randint(seed * 1_000_000, new)]),
                        "time": timedelta(seconds=draw.randrange(86_400)),
                    }
                    # The two may want one row's locks in different orders, or write one key.
                    with suppress(DeadlockDetected, UniqueViolation):
                        connection.execute(draw.choice(WRITES).encode(), values)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=write, args=(seed,)) for seed in (1, 2)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not failed, failed


def test_no_good_load_beside_a_busy_source_is_rejected(visits: Visits) -> None:
    """Rows come and go during each load; what the source had before it, or has after it, is not what is staged."""
    visits.bench.faults.set(SlowLoad(seconds=0.01, rows=100))
    changed = arrived = 0
    with writers(visits):
        for _ in range(4):
            outcome = visits.row_count(visits.load())
            assert (outcome.status, outcome.facts["lacking"]) == ("passed", 0), outcome
            changed += int(outcome.facts["changed_meanwhile"])
            arrived += int(outcome.facts["arrived"])
    assert min(changed, arrived) > 0, "the writers wrote beside the loads"


def test_a_load_that_lacks_a_row_is_always_rejected_by_its_key(visits: Visits) -> None:
    visits.bench.faults.set(SlowLoad(seconds=0.01, rows=100))
    with writers(visits):
        for key in (1, STABLE):
            outcome = visits.row_count(visits.load(visits.withhold(key)))
            assert (outcome.status, outcome.blocking, outcome.facts["lacking"]) == ("failed", True, 1), outcome
            assert f"unchanged ((visit_id, place) ({key}, a)); reload the window again." in outcome.detail
        reload = visits.load()
        visits.execute(f"DELETE FROM staging.visits_r{reload.reload_id} WHERE visit_id = 7")
        outcome = visits.row_count(reload)
        assert (outcome.status, outcome.facts["lacking"]) == ("failed", 1)
        assert "((visit_id, place) (7, a))" in outcome.detail


def test_a_load_between_the_two_counts_may_lack_rows_all_the_same(visits: Visits) -> None:
    """The source has 600 rows before and 300 after the load, and 400 are staged: one of the 300 is not among them."""
    visits.bench.faults.set(SlowLoad(seconds=0.01, rows=100))
    reload = visits.load(visits.withhold(20))
    visits.on_source('DELETE FROM "SALES"."VISITS" WHERE "VISIT_ID" > 300')
    visits.execute(f"DELETE FROM staging.visits_r{reload.reload_id} WHERE visit_id > 400")
    visits.execute("UPDATE admin.reload_tables SET source_rows_after = 300, staged_rows = 399")
    outcome = visits.row_count(reload)
    assert (outcome.status, outcome.facts["lacking"], outcome.facts["changed_meanwhile"]) == ("failed", 1, 200)
    assert "((visit_id, place) (20, a))" in outcome.detail


def test_a_whole_table_that_is_lacking_is_named_by_some_keys(visits: Visits) -> None:
    visits.bench.faults.set(EmptyTable(table="VISITS", times=1))
    outcome = visits.row_count(visits.load())
    assert (outcome.status, outcome.facts["lacking"]) == ("failed", ROWS)
    assert "has 0 rows and lacks 600 rows that the source had in the window before the load" in outcome.detail


def test_rows_that_are_staged_twice_are_too_many(visits: Visits) -> None:
    reload = visits.load()
    table = f"staging.visits_r{reload.reload_id}"
    visits.execute(f"ALTER TABLE {table} DROP CONSTRAINT {table.split('.')[1]}_pkey")
    visits.execute(f"INSERT INTO {table} SELECT * FROM {table} WHERE visit_id = 3")
    visits.execute(f"UPDATE admin.reload_tables SET staged_rows = {ROWS + 1}")
    outcome = visits.row_count(reload)
    assert outcome.status == "failed"
    assert "has 601 rows of 600 keys: rows are staged more than once" in outcome.detail


def test_what_was_noted_before_the_load_can_be_lost_and_goes_with_staging(visits: Visits) -> None:
    """A server that crashed brings unlogged tables back empty: then nothing is known, and the merge waits."""
    reload = visits.load()
    staged = visits.ledger.tables(reload.reload_id)["visits"]
    noted = source_keys_name(staged.staging_oid)
    assert visits.row_count(reload).detail.endswith("has 600 rows, as the source has in the window.")
    visits.execute(f"TRUNCATE staging.{noted}")
    emptied = visits.row_count(reload)
    assert (emptied.status, emptied.blocking) == ("could not verify", True)
    assert "before the load are not noted any more; reload the window again." in emptied.detail
    visits.execute(f"DROP TABLE staging.{noted}")
    assert visits.row_count(reload).detail == emptied.detail
    visits.execute(f"CREATE TABLE staging.{noted} (k1 text)")
    visits.ledger.close(reload.reload_id, "cancelled", "end of the test")
    assert drop_expired_staging(visits.target, visits.ledger, 0) == [f"staging.visits_r{reload.reload_id}"]
    with visits.target.connect(autocommit=True) as connection:
        left = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'staging'").fetchall()
    assert left == []
