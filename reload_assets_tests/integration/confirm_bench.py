"""A merged reload that awaits its confirm, and a CDC whose every step a test decides, for any interleaving.

The source and the target are real. The test itself replaces CDC: whenever confirm waits for CDC, the test writes to
production as CDC would, and says how far it is.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

import psycopg
from psycopg import Connection

from reload_assets.cdc.position import Cdc, Skipped
from reload_assets.config.model import MergeConfig
from reload_assets.confirm import Confirmed, Confirmer
from reload_assets.confirm.reread import ReaderRows, SourceRows
from reload_assets.dms.examination import TaskDescription
from reload_assets.ledger.records import Key, Reload
from reload_assets.local.account import AS_REPLICA
from reload_assets.local.oracle import OracleTable, create_schema, create_table
from reload_assets.reload.limited import limited_tables
from reload_assets.reload.parts import group_tables
from reload_assets.source.reader import SourceReader, source_url
from reload_assets.tables import resolve_group
from reload_assets_tests.integration.merge_bench import GROUP, MergeBench, Rows
from reload_assets_tests.integration.standin_bench import mapping, selection
from reload_assets_tests.integration.standin_cdc_bench import RULES

SCHEMA = "SALES"


@dataclass(frozen=True)
class CarryingTask:
    """Stands where ``CdcTask`` does, for a task that carries these tables of the source whole."""

    tables: Sequence[str]

    def describe(self, load_source_arn: str) -> TaskDescription:
        """What DMS would say of it."""
        oracle = {"EngineName": "oracle"}
        target = {"EngineName": "postgres", "PostgreSQLSettings": {"AfterConnectScript": AS_REPLICA}}
        return TaskDescription(
            {
                "ReplicationTaskIdentifier": "cdc",
                "TableMappings": mapping(selection(1, "%"), *RULES),
                "ReplicationTaskSettings": json.dumps({"TargetMetadata": {"LobMaxSize": 1024}}),
            },
            oracle,
            target,
            oracle,
            [{"SchemaName": SCHEMA, "TableName": name, "TableState": "Table completed"} for name in self.tables],
        )


@dataclass
class ScriptedCdc:
    """Stands where ``Cdc`` does. Each wait runs the next of ``steps``, as CDC would while confirm waits for it."""

    steps: list[Callable[[], None]] = field(default_factory=list)
    passed_over: list[Skipped] = field(default_factory=list)
    waits: int = 0
    task: CarryingTask = CarryingTask(())

    @contextmanager
    def by_source_clock(self, now: Callable[[], datetime] | None) -> Iterator[None]:
        """The script needs no clock."""
        yield

    def wait_passed(self, instant: datetime) -> float:
        """Let the next step of the script happen."""
        self.waits += 1
        if self.steps:
            self.steps.pop(0)()
        return 0.0

    def skipped(self, connection: Connection[Any], tables: Sequence[str], since: datetime) -> list[Skipped]:
        """What the script says that CDC has skipped."""
        return [one for one in self.passed_over if one.skipped_at >= since]


class ConfirmBench:
    """Production made by ``ddl`` beside an Oracle-like source; rows go into staging by hand."""

    def __init__(
        self,
        target_url: str,
        source_url_: str,
        ddl: str,
        source_tables: Sequence[OracleTable],
        tables: Mapping[str, Mapping[str, Any]],
    ) -> None:
        self.made = MergeBench(target_url, ddl, tables)
        self.source: Connection[Any] = psycopg.connect(source_url_, autocommit=True)
        self.source.execute(f'DROP SCHEMA IF EXISTS "{SCHEMA}" CASCADE'.encode())
        create_schema(self.source, SCHEMA)
        for table in source_tables:
            create_table(self.source, SCHEMA, table)
        info = self.source.info
        url = source_url(
            "postgresql",
            host=info.host,
            port=info.port,
            database=info.dbname,
            user=info.user,
            password=info.password,
        )
        self.reader = SourceReader(url, SCHEMA)
        self.cdc = ScriptedCdc()

    def on_source(self, statement: str) -> None:
        """Change the source and commit."""
        self.source.execute(statement.encode())

    def on_production(self, statement: str) -> None:
        """Change production as CDC, or damage it."""
        self.made.execute(statement)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Rows of the target."""
        return self.made.rows(query)

    def merge(
        self,
        rows: Mapping[str, Rows],
        keys: Mapping[str, Sequence[Key]] | None = None,
        columns: Mapping[str, Sequence[str]] | None = None,
    ) -> Reload:
        """Stage, verify and merge a window, or some keys; the reload then awaits its confirm."""
        reload = self.made.stage(rows, keys=keys, columns=columns)
        self.made.merge(reload, awaits_confirm=True)
        return self.made.ledger.get(reload.reload_id)

    def confirm(
        self,
        reload: Reload,
        *,
        cdc: ScriptedCdc | None = None,
        without_position: bool = False,
        fence: Callable[[], Any] | None = None,
        rows: SourceRows | None = None,
        arbiter: SourceRows | None = None,
        **settings: Any,
    ) -> Confirmed:
        """Confirm with the scripted CDC, or with a CDC whose position is unknown."""
        with self.made.target.connect() as connection:
            tables = resolve_group(group_tables(self.made.config, GROUP), connection, self.reader, reload.tables)
        if reload.columns:
            tables = limited_tables(tables, reload.columns)
        chosen = None if without_position else cast(Cdc, cdc or self.cdc)
        confirmed = Confirmer(
            target=self.made.target,
            ledger=self.made.ledger,
            reload=reload,
            tables=tables,
            zone=self.made.config.source.zone,
            settings=MergeConfig(**{"stall_limit_ms": 999, "attempts": 3, **settings}),
            source=rows or ReaderRows(self.reader),
            cdc=chosen,
            fence=fence,
            say=lambda text: None,
            arbiter=arbiter,
        ).run()
        self.made.ledger.set_confirm_ended(reload.reload_id, "confirmed", confirmed.passes, 0.0, confirmed.detail)
        return confirmed

    def audit(self) -> list[tuple[Any, ...]]:
        """What the audit says that confirm did: operation, key, before."""
        return self.rows(
            "SELECT operation, key, before FROM admin.reload_changes WHERE step = 'confirm' ORDER BY change_id"
        )

    def close(self) -> None:
        """End all sessions."""
        self.reader.close()
        self.source.close()
        self.made.close()


@contextmanager
def confirm_bench(
    target_url: str,
    source_url_: str,
    ddl: str,
    source_tables: Sequence[OracleTable],
    tables: Mapping[str, Mapping[str, Any]],
) -> Iterator[ConfirmBench]:
    """A bench that is closed at the end."""
    bench = ConfirmBench(target_url, source_url_, ddl, source_tables, tables)
    try:
        yield bench
    finally:
        bench.close()
