"""Reads rows of the source again by a separate, filtered DMS task, for use without a source connection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from psycopg import Connection

from reload_assets.confirm.reread import Key, Wanted
from reload_assets.dms.mappings import TableLoad, key_mappings, table_mappings
from reload_assets.dms.tasks import LoadTasks
from reload_assets.engines.converting import convert_columns
from reload_assets.engines.dms_task import DmsEngine
from reload_assets.engines.staging_tables import again_name, make_table
from reload_assets.errors.dms import LoadUnfit
from reload_assets.keys import filter_condition
from reload_assets.ledger.records import Bounds, Reload, staging_name
from reload_assets.postgres.connection import TargetDatabase
from reload_assets.postgres.session import copy_in, copy_out, drop_table
from reload_assets.postgres.statements import Part, run
from reload_assets.tables import ReloadTable

if TYPE_CHECKING:
    from reload_assets.source.reader import SourceReader


@dataclass(frozen=True)
class _Batch:
    table: ReloadTable
    rows: str
    keys: Sequence[Key]


class LoadedRows:
    """Reads rows by having DMS load them into a separate staging table, which is then dropped."""

    # A table mapping with this many conditions stays well below DMS's limit for its size.
    batch = 1_000

    def __init__(
        self,
        engine: DmsEngine,
        target: TargetDatabase,
        tasks: LoadTasks,
        reload: Reload,
        reader: SourceReader | None,
    ) -> None:
        self.reader = reader
        self._engine, self._target, self._tasks, self._reload = engine, target, tasks, reload
        self._schema = engine.staging_schema

    def fill(self, connection: Connection[Any], wanted: Sequence[Wanted]) -> None:
        """See SourceRows. One task loads a batch of each table. Raises DmsError, LoadFailed, MappingError.

        The filter is on one column of the key, so it may load rows of other keys too. These match no key that we judge.
        """
        for batches in zip_longest(*(one.batches for one in wanted)):
            loads = [_Batch(one.table, one.rows, keys) for one, keys in zip(wanted, batches, strict=True) if keys]
            self._fill(connection, loads, key_mappings([self._filtered(load) for load in loads]))

    def fill_window(self, connection: Connection[Any], table: ReloadTable, rows: str, bounds: Bounds) -> None:
        """See SourceRows; raises what ``fill`` does."""
        load = _Batch(table, rows, ())
        self._fill(connection, [load], table_mappings([self._table_load(load)], *bounds))

    def _fill(self, connection: Connection[Any], loads: Sequence[_Batch], mappings: dict[str, Any]) -> None:
        try:
            for load in loads:
                self._make(load)
            self._load(loads, mappings)
            for load in loads:
                self._take(connection, load)
        finally:
            with self._target.connect(autocommit=True) as other:
                for load in loads:
                    drop_table(other, self._schema, self._name(load))

    def now(self) -> datetime:
        """Return the source's clock, or the target's if there is no source connection.

        cdc.margin_seconds allows for the difference between the clocks.
        """
        if self.reader is not None:
            return self.reader.now()
        with self._target.connect(autocommit=True) as connection:
            row = run(connection, "cdc:get_clock").fetchone()
            assert row is not None
            found: datetime = row[0]
            return found

    def _name(self, batch: _Batch) -> str:
        return again_name(staging_name(batch.table, self._reload.reload_id))

    def _place(self, batch: _Batch) -> dict[str, Part]:
        return {"schema": self._schema, "table": self._name(batch)}

    def _make(self, batch: _Batch) -> None:
        # The table must be committed, or DMS does not see it.
        with self._target.connect(autocommit=True) as other:
            drop_table(other, self._schema, self._name(batch))
            make_table(other, self._schema, self._name(batch), batch.table, self._engine.load_role)

    def _take(self, connection: Connection[Any], batch: _Batch) -> None:
        # Over another connection: the caller's transaction would keep a lock on the table, in the way of its drop.
        with self._target.connect() as other:
            converted = convert_columns(other, self._schema, self._name(batch), batch.table)
        if unfit := [one.column for one in converted if one.misfits or one.refusal]:
            raise LoadUnfit(batch.table.target, unfit)
        numbers = range(1, len(batch.table.columns) + 1)
        with (
            self._target.connect() as other,
            copy_out(other.cursor(), self._schema, self._name(batch)) as loaded,
            copy_in(connection.cursor(), batch.rows, [f"c{number}" for number in numbers]) as taken,
        ):
            for block in loaded:
                taken.write(block)

    def _table_load(self, batch: _Batch) -> TableLoad:
        return self._engine.table_load(batch.table, self._name(batch))

    def _filtered(self, batch: _Batch) -> tuple[TableLoad, str, Sequence[dict[str, str]]]:
        """Return the load, the column of its one filter, and the conditions on that column."""
        position = batch.table.filter_column
        assert position is not None, "the caller asks for such a table by window"
        column = batch.table.key[position]
        values = sorted({str(key[position]) for key in batch.keys})
        conditions = [filter_condition(column.target, value) for value in values]
        return self._table_load(batch), column.source, conditions

    def _load(self, batches: Sequence[_Batch], mappings: dict[str, Any]) -> None:
        arn = self._tasks.create(self._engine.request(self._reload, mappings))
        try:
            self._tasks.wait_ready(arn)
            self._tasks.start(arn)
            self._tasks.wait_loaded(arn, [(one.table.source_schema, one.table.source_table) for one in batches])
        finally:
            self._tasks.remove(arn)
