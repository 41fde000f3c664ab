"""The steps that load one selection of a group into staging, in their order. Each can be tried again on its own.

A window is loaded by a DMS task. Keys are read over the source connection, or by a DMS task where it does not give rows
as DMS would.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from psycopg import Connection

from reload_assets.cdc.obstacles import require_carried
from reload_assets.cdc.position import Readiness
from reload_assets.dms.mappings import literal_bounds
from reload_assets.dms.tasks import LoadResult, Progress
from reload_assets.engines.over_connection import load_by_key
from reload_assets.engines.staging_tables import create_staging, finish_staging
from reload_assets.errors import SourceUnavailable
from reload_assets.errors.reloads import KeysMissing, ReloadNotLoading
from reload_assets.ledger.records import Bounds, Opening, Reload
from reload_assets.ledger.selected import note_keys, read_keys
from reload_assets.preflight.cdc import clocks_apart
from reload_assets.preflight.finding import Finding
from reload_assets.preflight.foreseen import foreseen, require_partitions, require_text, uncut
from reload_assets.preflight.new_rows import require_insertable
from reload_assets.preflight.rehearsal import rehearse
from reload_assets.preflight.rights import require_ledger, require_load_role, require_rights
from reload_assets.preflight.target import look_at_limits
from reload_assets.reload.limited import limited_tables
from reload_assets.reload.parts import beside_cdc, group_tables
from reload_assets.reload.steps import Steps
from reload_assets.reload.sweep import RunIsLive, Sweeper
from reload_assets.resolved import definition, resolved_tables
from reload_assets.source_texts import readable
from reload_assets.tables import ReloadTable, resolve_group
from reload_assets.verify.source_keys import SourceKeys, unmatched
from reload_assets.verify.staging import staging_checks

if TYPE_CHECKING:
    from reload_assets.source.reader import SourceReader


@dataclass(frozen=True)
class Load(Steps):
    """The steps that bring a window of the source, or some keys of it, into staging."""

    def open(self, opening: Opening, only: Collection[str], *, run_is_live: RunIsLive) -> Reload:
        """Open the reload in the ledger and create its staging tables.

        First, earlier reloads of the selection whose run is over are closed and their DMS tasks removed, and a CDC task
        that a dead run left stopped is resumed. Raises ReloadRefused while a live run reloads an overlapping window,
        and for keys that production cannot have; CdcNotReady while the CDC task does not run or lags too much, and
        ReloadError for everything that is wrong with the configuration, the databases or the DMS endpoints. The new
        reload has changed nothing then.
        """
        bounds = self._require_selection(opening, only)
        self.tasks.check_endpoints(*self.engine.arns())
        with self.target.connect() as connection:
            require_ledger(connection, str(self.target))
            warnings = [*look_at_limits(connection, str(self.target))]
        self.sweeper.clear_selection(opening.group, opening.window, opening.partition_key, run_is_live)
        staging_schema = self.config.target.staging_schema
        with self.source() as reader:
            ready = self._gate(reader)
            with self.target.connect() as connection:
                tables = resolve_group(group_tables(self.config, opening.group), connection, reader, only)
                if opening.columns:
                    tables = limited_tables(tables, opening.columns)
                self._require_rights(connection, tables)
                load_role = self.config.target.load_role
                rehearse(connection, str(self.target), staging_schema, tables, load_role)
                remarks = self._remarks(opening.group, tables, ready)
                for table in tables:
                    warnings += foreseen(table)
                    if table.limited_to is None:
                        warnings += require_insertable(connection, table)
                if bounds is not None:
                    warnings += self._require_window(connection, tables, bounds)
                if self.config.merge.mode == "chunked":
                    warnings += uncut(opening.group, tables)
                reload = self.ledger.open(connection, opening, tables)
                for table in tables:
                    create_staging(connection, staging_schema, reload, table, load_role)
                    self.ledger.add_table(connection, reload.reload_id, table, staging_schema, definition(table))
                    self.ledger.expect_checks(connection, reload.reload_id, table.name, staging_checks(reload))
                    if bounds is None:
                        note_keys(connection, reload.reload_id, table, opening.keys[table.name])
        if ready is not None:
            self.ledger.set_cdc(reload.reload_id, ready, remarks)
            self.say(f"CDC task {ready.task_arn} is {ready.status} and lags {ready.lag_seconds:.1f} s")
        for warning in warnings:
            self.say(f"Warning: {warning}")
        self.say(f"{reload.title}: {opening.selected}, tables {', '.join(reload.tables)}")
        if reader is None:
            self.say("No source connection is configured: the checks that need it will say 'could not verify'.")
        return reload

    def create_task(self, reload: Reload) -> str | None:
        """Create the one-time DMS task and wait until it is ready. Returns its ARN. A retry uses the existing task.

        Returns None if the source connection gives all rows that are wanted.
        """
        if left_behind := self.sweeper.tasks_of(reload):
            self.tasks.wait_ready(left_behind[0])
            return left_behind[0]
        tables = self._by_dms(reload, self._tables(reload))
        if not tables:
            self.ledger.set_loading(reload.reload_id)
            self.say("The rows are read over the source connection; no DMS task is needed.")
            return None
        request = self.engine.request(reload, self._mappings(reload, tables))
        arn = self.tasks.create(request)
        self.ledger.set_task(reload.reload_id, request.identifier, arn)
        self.tasks.wait_ready(arn)
        self.say(f"DMS task {request.identifier} is ready ({arn})")
        return arn

    def start_task(self, reload: Reload) -> None:
        """Note which selected rows the source has, for the check ``row_count``, and start the load.

        A retry keeps what was noted before the load began. Raises SourceUnavailable.
        """
        arn = self._task_of(reload)
        self._note_source(reload)
        if arn is not None:
            self.tasks.start(arn)

    def wait(self, reload: Reload, on_progress: Callable[[Progress], None]) -> LoadResult:
        """Wait until the load has ended successfully. Can be called again, also by a later run, while the task exists.

        Raises LoadFailed if DMS did not load every table completely, DmsUnreachable if it did not answer, and
        SourceUnavailable.
        """
        arn = self._task_of(reload)
        tables = self._tables(reload)
        expected = {(table.source_schema, table.source_table): table for table in self._by_dms(reload, tables)}
        result = (
            self.tasks.wait_loaded(arn, list(expected), on_progress)
            if arn
            else LoadResult("", "no DMS task was needed", {}, 0.0)
        )
        read = [table for table in tables if table not in expected.values()]
        self._read(reload, read)
        read_until = None
        try:
            with self.source() as reader:
                counts = {table.name: self._count(reader, reload, table) for table in tables} if reader else {}
                read_until = reader.now() if reader else None
            self.ledger.set_source_rows(reload.reload_id, counts, when="after")
        except SourceUnavailable as error:
            # The load itself succeeded; the check that needs the count will report that it could not verify.
            self.say(str(error))
        rows = {expected[place].name: count for place, count in result.rows.items()}
        self.ledger.set_loaded(reload.reload_id, result.stop_reason, rows, read_until)
        return result

    def drop_task(self, reload: Reload) -> None:
        """Delete the DMS task. Does nothing if it no longer exists."""
        arn = self._task_of(reload)
        if arn is not None:
            self.tasks.remove(arn)
            self.ledger.set_task_removed(reload.reload_id)

    def finish(self, reload: Reload) -> dict[str, ReloadTable]:
        """Trim the staged rows to the selection; key and analyze the staging tables. Returns the tables by name."""
        bounds = reload.bounds(self.config.source.zone)
        with self.target.connect() as connection:
            tables = resolved_tables(connection, reload)
            for table in tables:
                staged, trimmed = finish_staging(
                    connection,
                    self.ledger,
                    self.config.target.staging_schema,
                    reload,
                    table,
                    bounds=bounds,
                    filter_bounds=literal_bounds(*bounds) if bounds else None,
                    load_role=self.config.target.load_role,
                )
                self.say(f"{table.name}: {staged} rows staged" + (f", {trimmed} trimmed" if trimmed else ""))
        return {table.name: table for table in tables}

    @property
    def sweeper(self) -> Sweeper:
        """Cleans up what this load, or an earlier load of its window, leaves behind."""
        cdc_tasks = [self.cdc.task] if self.cdc is not None else []
        return Sweeper(self.target, self.ledger, self.tasks, cdc_tasks, self.say)

    def _require_rights(self, connection: Connection[Any], tables: list[ReloadTable]) -> None:
        target, login = self.config.target, str(self.target)
        require_rights(connection, login, target.staging_schema, tables)
        _, target_arn, _ = self.engine.arns()
        dms_login = self.tasks.target_login(target_arn)
        require_load_role(connection, f"{self.config.file}: target", self.target, target.load_role, dms_login)

    def _gate(self, reader: SourceReader | None) -> Readiness | None:
        if self.cdc is None:
            self.say("No CDC task is configured: whether production is being written meanwhile is not known.")
            return None
        with self.cdc.by_source_clock(reader.now if reader else None):
            return self.cdc.require_ready()

    def _remarks(self, group: str, tables: list[ReloadTable], ready: Readiness | None) -> list[str]:
        """Return the warnings about how the CDC task carries the tables. Raises CdcNotReady if it does not."""
        if self.cdc is None or self.config.cdc is None or ready is None:
            return []
        remarks = require_carried(self.cdc, beside_cdc(self.config, group), tables)
        if said := clocks_apart(ready, self.config.cdc.margin_seconds):
            remarks.append(str(said))
        for remark in remarks:
            self.say(remark)
        return remarks

    def _require_selection(self, opening: Opening, only: Collection[str]) -> Bounds | None:
        """Return the bounds of the window; None for keys. Raises WindowError, and KeysMissing for a table without."""
        if opening.window is None or opening.loaded_window is None:
            if lacking := sorted(set(only) - opening.keys.keys()):
                raise KeysMissing(opening.partition_key, ", ".join(lacking))
            return None
        opening.window.require_past(datetime.now(timezone.utc))
        bounds = opening.loaded_window.in_zone(self.config.source.zone)
        # Bounds that DMS cannot be asked for are refused before anything is made.
        literal_bounds(*bounds)
        return bounds

    def _require_window(
        self, connection: Connection[Any], tables: Sequence[ReloadTable], bounds: Bounds
    ) -> list[Finding]:
        """Refuse what keeps the rows of this window from being loaded or merged. Returns warnings."""
        # The mapping is made again for the task; what it refuses is known now.
        self.engine.load_mappings(tables, 0, bounds)
        warnings = []
        for table in tables:
            require_text(connection, table, str(self.target), bounds)
            warnings += require_partitions(connection, table, bounds)
        return warnings

    @staticmethod
    def _by_dms(reload: Reload, tables: Sequence[ReloadTable]) -> list[ReloadTable]:
        """Return the tables whose rows a DMS task loads."""
        return [table for table in tables if reload.window is not None or readable(table)]

    def _mappings(self, reload: Reload, tables: Sequence[ReloadTable]) -> dict[str, Any]:
        bounds = reload.bounds(self.config.source.zone)
        if bounds is not None:
            return self.engine.load_mappings(tables, reload.reload_id, bounds)
        with self.target.connect(autocommit=True) as connection:
            keys = {table.name: read_keys(connection, reload.reload_id, table.name) for table in tables}
        return self.engine.key_mappings(tables, reload.reload_id, keys)

    def _read(self, reload: Reload, tables: Sequence[ReloadTable]) -> None:
        """Load the rows that are read over the source connection."""
        if not tables:
            return
        with self.source() as reader, self.target.connect() as connection:
            assert reader is not None, "without a source connection DMS loads every table"
            for table in tables:
                keys = read_keys(connection, reload.reload_id, table.name)
                schema = self.config.target.staging_schema
                rows = load_by_key(connection, reader, schema, reload, table, keys)
                self.say(f"{table.name}: {rows} rows of {len(keys)} keys read from {table.source}")

    def _tables(self, reload: Reload) -> list[ReloadTable]:
        with self.target.connect(autocommit=True) as connection:
            return resolved_tables(connection, reload)

    def _task_of(self, reload: Reload) -> str | None:
        """Return the ARN of the reload's task; None if keys are loaded without one."""
        needed = reload.window is not None and reload.task_arn is None
        if needed or reload.status not in ("loading", "loaded"):
            raise ReloadNotLoading(reload.title, reload.status, reload.error or "")
        return reload.task_arn

    def _note_source(self, reload: Reload) -> None:
        staged = self.ledger.tables(reload.reload_id)
        with self.source() as reader, self.target.connect(autocommit=True) as connection:
            if reader is None:
                return
            for table in resolved_tables(connection, reload):
                known = staged[table.name]
                if known.source_rows_before is not None:
                    continue
                if unmatched(table):
                    rows = self._count(reader, reload, table)
                else:
                    noted = SourceKeys(connection, reader, reload, table, known, self.config.source.zone)
                    with connection.transaction():
                        rows = noted.note()
                self.ledger.set_source_rows(reload.reload_id, {table.name: rows}, when="before")

    def _count(self, reader: SourceReader, reload: Reload, table: ReloadTable) -> int:
        """Return how many of the selected rows the source has."""
        bounds = reload.bounds(self.config.source.zone)
        of_schema = reader.of(table.source_schema)
        if bounds is not None:
            return of_schema.count(table.source_table, table.window.source, *bounds)
        with self.target.connect(autocommit=True) as connection:
            keys = read_keys(connection, reload.reload_id, table.name)
        names = [column.source for column in table.key]
        return sum(1 for _ in of_schema.rows_as_text(table.source_table, names, names, keys))
