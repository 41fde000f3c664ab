"""The check-up before a first load: what ``reload-assets doctor`` looks at in the databases and DMS, in which order.

How each thing is looked at is in ``reload_assets/preflight``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from psycopg import Connection

from reload_assets.errors import DmsUnreachable
from reload_assets.postgres.session import limit_statements
from reload_assets.preflight import cdc, dms, load, source, target
from reload_assets.preflight.drift import look_at_columns
from reload_assets.preflight.finding import Finding, Findings, found
from reload_assets.preflight.foreseen import require_partitions, require_text, uncut
from reload_assets.preflight.new_rows import require_insertable
from reload_assets.preflight.rehearsal import rehearse
from reload_assets.preflight.remarks import ready, remarks
from reload_assets.preflight.rights import require_ledger, require_load_role, require_rights
from reload_assets.reload.parts import beside_cdc, dms_engine, group_tables
from reload_assets.reload.services import Services
from reload_assets.tables import ReloadTable, parents_first, resolve_group
from reload_assets.verify.outcome import counted
from reload_assets.windows import wall_clock_bound

if TYPE_CHECKING:
    from reload_assets.source.reader import SourceReader

Groups = Mapping[str, Sequence[ReloadTable]]

_ANY_DAY = datetime(2000, 1, 1)
# Somebody waits: no statement on either side may take longer.
_PATIENCE_SECONDS = 30


class CheckUp:
    """Looks at both databases, at DMS and at the CDC task. A problem does not end it."""

    def __init__(self, services: Services, findings: Findings) -> None:
        self._services, self._config, self._findings = services, services.config, findings
        # The wait for a connection test. Calls to DMS are tried only a few times.
        self._patience = self._config.dms.polling.ready_timeout_seconds
        self._engine = dms_engine(self._config)
        self._connection: Connection[Any] | None = None
        self._reader: SourceReader | None = None
        self._dms_answers = True

    def run(self) -> None:
        """Look at everything."""
        with ExitStack() as opened:
            self._look_at_server(opened)
            # Without a source, or its endpoint, every table would have a problem that is not its own.
            is_read = self._look_at_source(opened)
            endpoints = self._look_at_dms()
            is_described = is_read and (self._reader is None or "source" in endpoints)
            if self._connection is None or not is_described:
                what = "could not look at the tables, at rights on them and at what CDC carries: see the problems above"
                self._findings.add(found("tables-unseen", "configuration", what, "fix those and run doctor again"))
            groups = {group: self._resolved(group) if is_described else [] for group in self._config.groups}
            self._look_at_tables(groups)
            self._look_at_target(groups, endpoints.get("target"))
            self._look_at_cdc(groups)

    def _look_at_server(self, opened: ExitStack) -> None:
        with self._findings.looking("target"):
            self._connection = opened.enter_context(self._services.target.connect(autocommit=True))
            limit_statements(self._connection, _PATIENCE_SECONDS)
            waits = max(self._config.merge.lock_timeout_ms, self._config.merge.stall_limit_ms)
            self._findings.take("target", target.look_at_server(self._connection, str(self._services.target), waits))

    def _look_at_source(self, opened: ExitStack) -> bool:
        """Return whether the tables of the source can be described, or need not be."""
        before = self._findings.problems
        with self._findings.looking("source"):
            self._reader = opened.enter_context(self._services.source(_PATIENCE_SECONDS))
            if self._reader is None:
                what = "source: no connection is configured; checks that need it will say 'could not verify'"
                self._findings.add(found("source-unconfigured", "source", what))
            else:
                self._findings.take("source", source.look_at_source(self._reader, self._config.source.time_zone))
        return self._findings.problems == before

    def _look_at_dms(self) -> Mapping[str, Mapping[str, Any]]:
        """Return the endpoints without a problem as DMS describes them. Has connections tested that are not."""
        endpoints = {}
        with self._findings.looking("dms"):
            finder = self._services.load_tasks(self._patience).endpoints
            source_arn, target_arn, instance_arn = self._engine.arns()
            pairs = (("source", finder.source, source_arn), ("target", finder.target, target_arn))
            endpoints = {kind: one for kind, find, arn in pairs if (one := self._described(find, arn)) is not None}
            instance = self._described(finder.instance, instance_arn)
            if instance is None:
                return endpoints
            version = None if self._connection is None else self._connection.info.server_version // 10_000
            self._findings.take("dms", dms.look_at_instance(instance, version))
            for kind, endpoint in endpoints.items():
                with self._findings.looking("dms"):
                    finder.connection(endpoint, instance)
                    self._findings.add(dms.endpoint_ready(kind, endpoint))
        return endpoints

    def _described(self, find: Callable[[str], Mapping[str, Any]], arn: str) -> Mapping[str, Any] | None:
        """Return what DMS describes; None for a problem. If DMS does not answer at all, it is not asked again."""
        if self._dms_answers:
            with self._findings.looking("dms"):
                try:
                    return find(arn)
                except DmsUnreachable:
                    self._dms_answers = False
                    raise
        return None

    def _resolved(self, group: str) -> list[ReloadTable]:
        """Return the tables of a group that can be resolved, parents first."""
        if self._connection is None:
            return []
        written = group_tables(self._config, group)
        tables: list[ReloadTable] = []
        for name in written.tables:
            with self._findings.looking(str(written.targets[name])):
                (table,) = resolve_group(written, self._connection, self._reader, [name])
                if self._reader is not None:
                    self._reader.of(table.source_schema).require_select(table.source_table)
                self._engine.load_mappings([table], 0, (_ANY_DAY, _ANY_DAY))
                tables.append(table)
        with self._findings.looking(group):
            tables = parents_first(written.place, tables)
        return tables

    def _look_at_tables(self, groups: Groups) -> None:
        if (connection := self._connection) is None:
            return
        owners = {table.target: group for group, tables in groups.items() for table in tables}
        for group, tables in groups.items():
            for table in tables:
                self._findings.add(ready(group, table))
                for findings in self._of_table(connection, table, owners):
                    self._findings.take(table.target, findings)
            if tables:
                mapping = self._engine.load_mappings(tables, 0, (_ANY_DAY, _ANY_DAY))
                settings = self._engine.task_settings()
                self._findings.take(group, load.look_at_mapping(group, tables, mapping, settings))
                self._findings.take(group, target.look_at_locks(connection, group, tables))
                if self._config.merge.mode == "chunked":
                    self._findings.take(group, uncut(group, tables))

    def _of_table(
        self, connection: Connection[Any], table: ReloadTable, owners: Mapping[str, str]
    ) -> Iterator[Iterator[Finding]]:
        if self._reader is not None:
            yield load.look_at_lobs(self._reader, table, self._config.dms.task.lob_limit_kb)
            if (settings := self._config.finders.drift) is not None:
                yield look_at_columns(table, settings)
        yield self._windows(connection, table)
        yield self._new_rows(connection, table)
        yield remarks(connection, self._reader, table, owners)

    def _windows(self, connection: Connection[Any], table: ReloadTable) -> Iterator[Finding]:
        zone, instants = self._config.source.zone, (self._config.windows.first, datetime.now(timezone.utc))
        start, end = (wall_clock_bound(instant, zone) for instant in instants)
        if start < end:
            yield from require_partitions(connection, table, (start, end))
            require_text(connection, table, str(self._services.target), (start, end))

    def _new_rows(self, connection: Connection[Any], table: ReloadTable) -> Iterator[Finding]:
        yield from require_insertable(connection, table)

    def _look_at_target(self, groups: Groups, endpoint: Mapping[str, Any] | None) -> None:
        """Look at what reloads of all tables need of the target."""
        if (connection := self._connection) is None:
            return
        database, settings = self._services.target, self._config.target
        tables = [table for group in groups.values() for table in group]
        before = self._findings.problems
        with self._findings.looking("target"):
            require_ledger(connection, str(database))
        with self._findings.looking("target"):
            require_rights(connection, str(database), settings.staging_schema, tables)
        with self._findings.looking("target"):
            dms_login = endpoint.get("Username") if endpoint else None
            require_load_role(connection, f"{self._config.file}: target", database, settings.load_role, dms_login)
        if self._findings.problems == before:
            with self._findings.looking("target"):
                rehearse(connection, str(database), settings.staging_schema, tables, settings.load_role)
        self._findings.take("target", target.look_at_limits(connection, str(database)))
        if tables and self._findings.problems == before:
            which = counted(len(tables), "table")
            what = f"target: {database} has the rights that reloads of {which} need, and the ledger is up to date"
            self._findings.add(found("target-ready", "target", what))
        if endpoint is not None:
            self._findings.take("dms", dms.look_at_database(endpoint, database.database, "dms"))
        self._findings.take("target", target.look_at_sizes(connection, tables))
        self._findings.take("target", target.look_at_sessions(connection, database.user, tables))

    def _look_at_cdc(self, groups: Groups) -> None:
        settings = self._config.cdc
        if settings is None:
            what = "cdc: no CDC task is configured; whether production is being written meanwhile is unknown"
            self._findings.add(found("cdc-unconfigured", "cdc", what))
            return
        if self._reader is not None:
            every_table = [table for tables in groups.values() for table in tables]
            self._findings.take("source", source.look_at_logging(self._reader, every_table))
        if not self._dms_answers:
            return
        looked_at: set[str] = set()
        for group, tables in groups.items():
            with self._findings.looking("cdc"):
                task = self._services.cdc(group, lambda text: None, self._patience)
                assert task is not None
                if task.task.arn not in looked_at:
                    looked_at.add(task.task.arn)
                    self._findings.take("cdc", cdc.look_at_task(task, self._reader, settings.margin_seconds))
                    if self._connection is not None:
                        with self._findings.looking("cdc"):
                            task.skipped(self._connection, [], datetime.now(timezone.utc))
                beside = beside_cdc(self._config, group)
                described = task.task.describe(beside.source_endpoint_arn)
                self._findings.take("cdc", cdc.look_at_documents(described, self._services.target.database))
                self._findings.take("cdc", cdc.look_at_tables(described, beside, group, tables))
                if self._connection is not None and (login := described.target.get("Username")):
                    zone = self._config.source.time_zone
                    self._findings.take("cdc", cdc.look_at_login(self._connection, login, zone, tables))
