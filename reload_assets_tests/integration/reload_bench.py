"""A whole reload over a schema of a test's own: source, DMS stand-in with a running CDC task, load, merge and confirm.

Between the steps the test decides what happens, on either side.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import Any

import psycopg
import yaml
from psycopg.conninfo import conninfo_to_dict

from reload_assets.canonical.oracle_types import Delivery
from reload_assets.cdc.position import Cdc
from reload_assets.config.model import parse_config
from reload_assets.confirm import Confirmed
from reload_assets.dms.cdc import CdcTask
from reload_assets.dms.endpoints import number_scale, trims_char
from reload_assets.dms.polling import PollLimits
from reload_assets.dms.tasks import LoadTasks
from reload_assets.ledger.install import install
from reload_assets.ledger.ledger import Ledger
from reload_assets.ledger.records import CheckResult, Opening, Reload
from reload_assets.local.dms import DmsStandIn
from reload_assets.local.oracle import OracleTable, create_schema, create_table
from reload_assets.postgres.connection import TargetDatabase
from reload_assets.reload.load import Load
from reload_assets.reload.parts import group_tables
from reload_assets.reload.publish import Publication
from reload_assets.resolved import unchanged_tables
from reload_assets.source.reader import SourceReader, source_url
from reload_assets.tables import ReloadTable, resolve_group
from reload_assets.verify.outcome import CheckOutcome
from reload_assets.verify.staging import STAGING_CHECKS, verify_staging
from reload_assets.windows import Window
from reload_assets_tests.integration.kept_sessions import keep_sessions
from reload_assets_tests.integration.standin_bench import Bench, mapping, selection
from reload_assets_tests.integration.standin_cdc_bench import RULES, quick

SCHEMA = "SALES"
GROUP = "sales"
CONTROL = "dmslogs"
WINDOW = Window(datetime(2025, 1, 3, tzinfo=timezone.utc), datetime(2025, 1, 4, tzinfo=timezone.utc))
LIMITS = PollLimits(
    interval=0.05, max_interval=0.1, ready_timeout=30, load_timeout=60, remove_timeout=30, call_attempts=6
)


class ReloadBench:
    """One group over ``tables`` of the source and ``ddl`` in production; ``said`` is what the steps reported.

    ``reader`` opens a new source connection for each step; a test may replace it.
    """

    def __init__(
        self,
        dms: DmsStandIn,
        databases: tuple[str, str],
        source_tables: Sequence[OracleTable],
        ddl: str,
        tables: Mapping[str, Mapping[str, Any]],
        *,
        settings: Mapping[str, Mapping[str, Any]] | None = None,
        replicated: Sequence[str] | None = None,
        other_schemas: Mapping[str, Sequence[OracleTable]] | None = None,
        rules: Sequence[dict[str, Any]] = RULES,
        endpoints: Mapping[str, Mapping[str, Any]] | None = None,
        against_cdc: str = "confirm",
        wait_seconds: float = 20,
        time_zone: str = "UTC",
    ) -> None:
        self.dms, self._source_url, self.target_url = dms, *databases
        self.source = psycopg.connect(databases[0], autocommit=True)
        self.target = psycopg.connect(databases[1], autocommit=True)
        for schema, own in {SCHEMA: source_tables, **(other_schemas or {})}.items():
            create_schema(self.source, schema)
            for table in own:
                create_table(self.source, schema, table)
        self.target.execute("CREATE SCHEMA production")
        self.target.execute(ddl.encode())
        self.said: list[str] = []
        self.account = Bench(dms.url, *databases, faults=dms.faults, endpoints=endpoints or {})
        self.account.test_connections()
        names = replicated or [table.name for table in source_tables]
        chosen = [selection(number, name) for number, name in enumerate(names, start=1)]
        control = {"ControlTablesSettings": {"ControlSchema": CONTROL, "StatusTableEnabled": True}}
        self.arn = self.account.create(mapping(*chosen, *rules), {**control, **(settings or {})}, MigrationType="cdc")
        self.account.start(self.arn)
        self.account.wait(self.arn, "running")
        self.config = parse_config(
            yaml.safe_dump(
                {
                    "source": {"schema": SCHEMA, "time_zone": time_zone},
                    "target": {
                        "connection": {"host": "h", "port": 1, "database": "d", "user": "u", "password": {"env": "P"}}
                    },
                    "dms": {
                        "replication_instance_arn": self.account.instance,
                        "source_endpoint_arn": self.account.source,
                        "target_endpoint_arn": self.account.target,
                    },
                    "cdc": {
                        "task_arn": self.arn,
                        "control_schema": CONTROL,
                        "margin_seconds": 0,
                        "wait_seconds": wait_seconds,
                    },
                    "windows": {"first": "2025-01-01"},
                    "groups": {GROUP: {"against_cdc": against_cdc, "tables": dict(tables)}},
                }
            )
        )
        info = self.target.info
        server = TargetDatabase(info.host, info.port, info.dbname, info.user, info.password)
        install(self.target, self.config.target)
        self.server = server
        self._ledger_sessions = keep_sessions(server)
        self.ledger = Ledger(self._ledger_sessions)
        self.task = CdcTask(self.account.client, LIMITS, self.arn)
        assert self.config.cdc is not None
        self.cdc = Cdc(
            self.config.cdc, self.task, server, lambda: bool(self.ledger.find_fenced(self.arn)), self.said.append
        )
        parts: dict[str, Any] = {
            "config": self.config,
            "target": server,
            "ledger": self.ledger,
            "tasks": LoadTasks(self.account.client, LIMITS),
            "cdc": self.cdc,
            "open_source": lambda: self.reader(),
            "say": self.said.append,
        }
        self.load, self.production = Load(**parts), Publication(**parts)
        self.reader: Callable[[], SourceReader] = lambda: open_reader(self._source_url, self._delivery)
        self.drain()

    def _delivery(self) -> Delivery:
        endpoint = self.production.tasks.source_endpoint(str(self.config.dms.source_endpoint_arn))
        return Delivery(number_scale(endpoint), trims_char(endpoint))

    def on_source(self, statement: str) -> list[tuple[Any, ...]]:
        """Execute on the source and commit."""
        return _rows(self.source.execute(statement.encode()))

    def on_production(self, statement: str) -> list[tuple[Any, ...]]:
        """Execute on the target and commit."""
        return _rows(self.target.execute(statement.encode()))

    def drain(self, seconds: float = 15) -> None:
        """Wait until CDC has processed what is committed on the source."""
        ((instant,),) = self.on_source("SELECT clock_timestamp()")
        status = f"SELECT pending_changes, source_current_timestamp AT TIME ZONE 'UTC' FROM {CONTROL}.awsdms_status"
        deadline = time.monotonic() + seconds
        while True:
            found = self.on_production(status)
            if found and not found[0][0] and found[0][1] > instant:
                return
            assert time.monotonic() < deadline, f"CDC does not get there: {found}"
            time.sleep(0.01)

    def tables(self) -> list[ReloadTable]:
        """The group's tables, parents first."""
        with self.reader() as reader:
            return resolve_group(group_tables(self.config, GROUP), self.target, reader)

    def stage(self) -> Reload:
        """Open a reload and load its rows; its staging checks count as passed."""
        opening = Opening(GROUP, WINDOW, WINDOW, WINDOW.key, "me", "", str(uuid.uuid4()), None)
        number = self.load.open(opening, list(self.config.groups[GROUP].tables), run_is_live=lambda _: False).reload_id
        self.load.create_task(self.ledger.get(number))
        self.load.start_task(self.ledger.get(number))
        self.load.wait(self.ledger.get(number), lambda _: None)
        self.load.drop_task(self.ledger.get(number))
        for name in self.load.finish(self.ledger.get(number)):
            passed = [CheckResult(name, check, "passed", True, "") for check in STAGING_CHECKS]
            self.ledger.record_checks(number, name, passed)
        return self.ledger.get(number)

    def check_types(self, reload: Reload) -> CheckOutcome:
        """Carry out the check ``types`` of the only staged table."""
        (table,) = self.resolved(reload)
        with self.reader() as reader:
            (outcome,) = verify_staging(
                self.server,
                self.config.source.zone,
                reload,
                table,
                self.ledger.tables(reload.reload_id)[table.name],
                lob_limit_kb=self.config.dms.task.lob_limit_kb,
                source_configured=True,
                checks=["types"],
                reader=reader,
            )
        return outcome

    def merge(self, reload: Reload) -> None:
        """Merge a staged reload."""
        self.production.merge(self.ledger.get(reload.reload_id), self.resolved(reload))

    def confirm(self, reload: Reload) -> Confirmed:
        """Confirm a merged reload."""
        return self.production.confirm(self.ledger.get(reload.reload_id), self.resolved(reload))

    def resolved(self, reload: Reload) -> list[ReloadTable]:
        """The tables of a reload as its later steps have them."""
        return unchanged_tables(self.target, group_tables(self.config, GROUP).place, reload)

    def close(self) -> None:
        """Stop and delete the CDC task, which drops its slot, and end all sessions."""
        if self.task.state().running:
            self.task.stop()
        self.account.client.delete_replication_task(ReplicationTaskArn=self.arn)
        self._ledger_sessions.close()
        self.source.close()
        self.target.close()


def open_reader(url: str, delivery: Callable[[], Delivery] = Delivery) -> SourceReader:
    """A reader of the database at a libpq URL."""
    parts = conninfo_to_dict(url)
    return SourceReader(
        source_url(
            "postgresql",
            host=str(parts["host"]),
            port=int(str(parts["port"])),
            database=str(parts["dbname"]),
            user=str(parts["user"]),
            password=str(parts["password"]),
        ),
        SCHEMA,
        delivery,
    )


@contextmanager
def reload_bench(
    new_database: Callable[[str], str],
    source_tables: Sequence[OracleTable],
    ddl: str,
    tables: Mapping[str, Mapping[str, Any]],
    **options: Any,
) -> Iterator[ReloadBench]:
    """A bench over fresh databases, closed at the end."""
    with quick() as dms:
        databases = new_database("source"), new_database("target")
        bench = ReloadBench(dms, databases, source_tables, ddl, tables, **options)
        try:
            yield bench
        finally:
            bench.close()


def _rows(cursor: psycopg.Cursor[Any]) -> list[tuple[Any, ...]]:
    return cursor.fetchall() if cursor.description else []
