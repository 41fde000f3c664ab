"""What the tests of the stand-in's CDC task share: a replicated table, its task, writers, and what must come out."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import psycopg

from reload_assets.local.dms import DmsStandIn
from reload_assets.local.oracle import SUPPLEMENTAL_LOG
from reload_assets_tests.integration.standin_bench import Bench, mapping, selection, transformation

# Both sides count what is done to their rows: a change that is applied twice, or not at all, shows there even where the
# rows end up equal. On the target the trigger fires in spite of session_replication_role.
SOURCE = f"""
DROP PUBLICATION IF EXISTS {SUPPLEMENTAL_LOG};
DROP SCHEMA IF EXISTS "SALES" CASCADE;
CREATE PUBLICATION {SUPPLEMENTAL_LOG} FOR ALL TABLES;
CREATE SCHEMA "SALES";
CREATE TABLE "SALES"."ITEMS" (
    "ITEM_ID" integer PRIMARY KEY, "AMOUNT" numeric(12, 2), "NOTE" varchar(50), "CODE" varchar(10)
);
CREATE TABLE "SALES"."LOG" ("OP" text, "ID" integer, "AMOUNT" numeric(12, 2));
CREATE FUNCTION "SALES".log() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
    INSERT INTO "SALES"."LOG" VALUES (TG_OP, coalesce(NEW."ITEM_ID", OLD."ITEM_ID"), NEW."AMOUNT");
    RETURN NULL;
END$$;
CREATE TRIGGER log AFTER INSERT OR UPDATE OR DELETE ON "SALES"."ITEMS" FOR EACH ROW EXECUTE FUNCTION "SALES".log();
"""
TARGET = """
DROP SCHEMA IF EXISTS production, dmslogs CASCADE;
CREATE SCHEMA production;
CREATE TABLE production.items (
    item_id integer PRIMARY KEY, amount numeric(12, 2), note varchar(50), code varchar(10)
);
CREATE TABLE production.log (n serial, xid xid8 DEFAULT pg_current_xact_id(), op text, id integer, amount numeric);
CREATE FUNCTION production.log() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
    INSERT INTO production.log (op, id, amount) VALUES (TG_OP, coalesce(NEW.item_id, OLD.item_id), NEW.amount);
    RETURN NULL;
END$$;
CREATE TRIGGER log AFTER INSERT OR UPDATE OR DELETE ON production.items FOR EACH ROW EXECUTE FUNCTION production.log();
ALTER TABLE production.items ENABLE ALWAYS TRIGGER log;
"""
RULES = (
    transformation(90, "schema", "rename", value="production"),
    transformation(91, "table", "convert-lowercase"),
    transformation(92, "column", "convert-lowercase"),
)
IDEMPOTENT = {"ApplyErrorInsertPolicy": "INSERT_RECORD", "ApplyErrorUpdatePolicy": "UPDATE_RECORD"}


def prepare(databases: tuple[str, str]) -> None:
    """Make the table ITEMS of the source and its counterpart, both empty."""
    for url, script in zip(databases, (SOURCE, TARGET), strict=True):
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(script.encode())


class CdcBench:
    """A CDC task over ITEMS, and over ``tables``; its control tables are in the schema ``dmslogs``."""

    def __init__(
        self,
        bench: Bench,
        *tables: str,
        policies: Mapping[str, Any] | None = None,
        rules: tuple[dict[str, Any], ...] = RULES,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self.bench = bench
        selections = [selection(number, name) for number, name in enumerate(("ITEMS", *tables), start=1)]
        all_settings = {
            "ControlTablesSettings": {"ControlSchema": "dmslogs", "StatusTableEnabled": True},
            "ErrorBehavior": policies or {},
            **(settings or {}),
        }
        self.arn = bench.create(mapping(*selections, *rules), all_settings, MigrationType="cdc")
        self.source = psycopg.connect(bench.source_url, autocommit=True)
        self.target = psycopg.connect(bench.target_url, autocommit=True)

    def start(self, how: str = "start-replication") -> CdcBench:
        self.bench.start(self.arn, how)
        self.bench.wait(self.arn, "running")
        return self

    def stop(self) -> dict[str, Any]:
        self.bench.client.stop_replication_task(ReplicationTaskArn=self.arn)
        return self.bench.wait(self.arn, "stopped", "failed")

    def write(self, *statements: str) -> None:
        """One transaction of the source."""
        with self.source.transaction():
            for statement in statements:
                self.source.execute(statement.encode())

    def settle(self) -> None:
        """Wait until everything that is visible on the source now is applied."""
        [(instant,)] = self.ask_source("SELECT clock_timestamp() AT TIME ZONE 'UTC'")
        deadline = time.monotonic() + 15
        while not self.passed(instant):
            assert time.monotonic() < deadline, f"not passed: {self.status()}"
            time.sleep(0.005)

    def apply(self, *statements: str) -> None:
        """One transaction of the source, applied."""
        self.write(*statements)
        self.settle()

    def passed(self, instant: datetime) -> bool:
        """What a reader of the status may conclude."""
        status = self.status()
        if not status:
            return False
        applied = status["source_timestamp_applied"]
        return (applied is not None and applied >= instant) or (
            status["pending_changes"] == 0 and status["source_current_timestamp"] >= instant
        )

    def status(self) -> dict[str, Any]:
        """The row of awsdms_status; empty where there is none yet."""
        with self.target.cursor(row_factory=psycopg.rows.dict_row) as cursor:
            return cursor.execute("SELECT * FROM dmslogs.awsdms_status").fetchone() or {}

    def ask_source(self, query: str) -> list[tuple[Any, ...]]:
        return self.source.execute(query.encode()).fetchall()

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """What a query answers on the target; a statement without rows gives []."""
        cursor = self.target.execute(query.encode())
        return cursor.fetchall() if cursor.description else []

    def items(self) -> list[tuple[Any, ...]]:
        return self.ask("SELECT item_id, amount::float, note, code FROM production.items ORDER BY item_id")

    def exceptions(self) -> list[tuple[str, str]]:
        """The logged statements with their errors, oldest first."""
        return self.ask('SELECT "STATEMENT", "ERROR" FROM dmslogs.awsdms_apply_exceptions ORDER BY "ERROR_TIME"')

    def assert_equal(self) -> None:
        """Rows are equal, and each change of the source was applied exactly once."""
        assert self.exceptions() == []
        rows = self.ask_source('SELECT "ITEM_ID", "AMOUNT"::float, "NOTE", "CODE" FROM "SALES"."ITEMS" ORDER BY 1')
        assert self.items() == rows
        done = Counter(self.ask("SELECT op, id, amount FROM production.log"))
        wanted = Counter(self.ask_source('SELECT "OP", "ID", "AMOUNT" FROM "SALES"."LOG"'))
        assert (done - wanted, wanted - done) == (Counter(), Counter()), "(applied too often, not applied)"

    def close(self) -> None:
        self.source.close()
        self.target.close()


def quick(**options: Any) -> DmsStandIn:
    """A stand-in whose tasks pass their states at once."""
    return DmsStandIn(create_delay=0.02, start_delay=0.02, stop_delay=0.02, delete_delay=0.05, **options)


@contextmanager
def opened(dms: DmsStandIn, databases: tuple[str, str]) -> Iterator[Bench]:
    """A bench over two databases that ``prepare`` made."""
    bench = Bench(dms.url, *databases, faults=dms.faults)
    bench.test_connections()
    yield bench


class Load:
    """Writers on the source, from ``with`` to its end: inserts, updates, deletes and key changes, a few a transaction,
    some rolled back. They connect again when the server was killed.
    """

    def __init__(self, url: str, *, writers: int = 2, pause: float = 0.004) -> None:
        self._url, self._pause = url, pause
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._write, args=(number,)) for number in range(writers)]
        self.commits = 0

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _write(self, number: int) -> None:
        dice = random.Random(number)
        while not self._ended.is_set():
            try:
                with psycopg.connect(self._url, connect_timeout=5) as connection:
                    while not self._ended.wait(self._pause):
                        for _ in range(dice.randint(1, 4)):
                            connection.execute(self._statement(dice, number).encode())
                        if dice.random() < 0.1:
                            connection.rollback()
                        else:
                            connection.commit()
                            self.commits += 1
            except psycopg.OperationalError:
                time.sleep(0.02)

    @staticmethod
    def _statement(dice: random.Random, writer: int) -> str:
        """On keys of the writer's own, so that writers never deadlock, and on few, so that rows change often."""
        low = writer * 1000
        key, other, amount = low + dice.randrange(40), low + dice.randrange(40), dice.randrange(10**6)
        return dice.choice(
            (
                f"""INSERT INTO "SALES"."ITEMS" VALUES ({key}, {amount}, 'new') ON CONFLICT DO NOTHING""",
                f"""UPDATE "SALES"."ITEMS" SET "AMOUNT" = {amount} WHERE "ITEM_ID" = {key}""",
                f"""DELETE FROM "SALES"."ITEMS" WHERE "ITEM_ID" = {key}""",
                f"""UPDATE "SALES"."ITEMS" SET "ITEM_ID" = {key}, "AMOUNT" = {amount} WHERE "ITEM_ID" = {other}
                AND NOT EXISTS (SELECT FROM "SALES"."ITEMS" WHERE "ITEM_ID" = {key})""",
            )
        )
