"""Copies one table: prepares the target, then streams a positional COPY that commits every CommitRate rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import psycopg
from psycopg import sql

from reload_assets.local.dms.catalog import SourceColumn, rule_type
from reload_assets.local.dms.flow import CopiedRows, Outflow
from reload_assets.local.dms.mapping import MappedColumn, Selection, TableMapping
from reload_assets.local.dms.records import TableRun

# Large enough to make the cost per chunk negligible, small enough for libpq to send at once.
_CHUNK_BYTES = 64 * 1024


class TableFailed(Exception):
    """One table cannot be loaded, for a reason that is not a database error."""


class MaskingFailed(TableFailed):
    """A column that a rule masks is of a type that cannot be masked; DataMaskingErrorPolicy says what that means."""


@dataclass(frozen=True)
class TableLoad:
    """What is read from one source table and where it goes; ``lob_limit`` is in bytes, None for whole LOBs."""

    selection: Selection
    source_columns: Mapping[str, SourceColumn]
    columns: Sequence[MappedColumn]
    target_schema: str
    target_table: str
    lob_limit: int | None

    @classmethod
    def plan(
        cls,
        selection: Selection,
        columns: Sequence[SourceColumn],
        mapping: TableMapping,
        metadata: Mapping[str, Any],
    ) -> TableLoad:
        """Combine the mapping with TargetMetadata.

        Raises TableFailed for a filter on a LOB column or when no column is left, MaskingFailed for a masked column
        of a wrong type.
        """
        lob_columns = {column.name for column in columns if column.is_lob}
        if on_lobs := sorted(lob_columns & {one.column for one in selection.filters}):
            raise TableFailed(f"LOB column {', '.join(on_lobs)} cannot be filtered")
        limit: int | None = metadata["LobMaxSize"] * 1024
        limited = metadata["LimitedSizeLobMode"] and not metadata["FullLobMode"]
        keep_lobs = bool(metadata["SupportLobs"])
        if own := mapping.lob_settings(selection.table):
            keep_lobs, limited, limit = True, own.lob_mode == "limited", own.lob_size * 1024
        mapped = [
            one
            for one in mapping.columns(selection.table, {column.name: column.dms_type for column in columns})
            if keep_lobs or one.source not in lob_columns
        ]
        if not mapped:
            raise TableFailed("no column is left to load")
        by_name = {column.name: column for column in columns}
        for one in mapped:
            if one.source and one.mask:
                wanted = one.data_type.get("type") or by_name[one.source].dms_type
                if not one.mask.fits(wanted):
                    raise MaskingFailed(f"{one.mask.action} does not support the data type of the column {one.source}")
        # Of LOB columns DMS changes no type.
        mapped = [replace(one, data_type={}) if one.source in lob_columns else one for one in mapped]
        schema, table = mapping.target_name(selection.table, metadata["TargetSchema"])
        return cls(
            selection=selection,
            source_columns=by_name,
            columns=mapped,
            target_schema=schema,
            target_table=table,
            lob_limit=limit if limited else None,
        )

    @property
    def target(self) -> sql.Identifier:
        return sql.Identifier(self.target_schema, self.target_table)

    @property
    def title(self) -> str:
        return f"{self.selection.table.schema}.{self.selection.table.name}"

    def query(self) -> sql.Composed:
        """Return the rows as DMS delivers them."""
        values = [self.value(one) for one in self.columns]
        return sql.SQL("SELECT {} {}").format(sql.SQL(", ").join(values), self._from())

    def value(self, column: MappedColumn) -> sql.Composable:
        """Return the SQL expression of what DMS delivers of a column."""
        if not column.source:
            return sql.Literal(constant(column.expression))
        value = self.source_columns[column.source].value(self.lob_limit)
        return column.mask.expression(value) if column.mask else value

    def delivered(self, column: MappedColumn, text: str | None) -> str | None:
        """Return the same for one value of the log."""
        if not column.source:
            return constant(column.expression)
        value = self.source_columns[column.source].delivered(text, self.lob_limit)
        return column.mask.masked(value) if column.mask and value is not None else value

    def expected_rows(self, source: psycopg.Connection[Any]) -> int:
        """Return the planner's guess, which costs nothing."""
        row = source.execute(sql.SQL("EXPLAIN (FORMAT JSON) {}").format(self.query())).fetchone()
        assert row is not None
        return int(row[0][0]["Plan"]["Plan Rows"])

    def cut_lobs(self, source: psycopg.Connection[Any]) -> dict[str, int]:
        """Return how many values of each LOB column exceed the limit; only columns that have some."""
        names = [one.source for one in self.columns if one.source and self.source_columns[one.source].is_lob]
        if self.lob_limit is None or not names:
            return {}
        counts = [
            sql.SQL("count(*) FILTER (WHERE octet_length({}) > {})").format(sql.Identifier(name), self.lob_limit)
            for name in names
        ]
        row = source.execute(sql.SQL("SELECT {} {}").format(sql.SQL(", ").join(counts), self._from())).fetchone()
        assert row is not None
        return {name: count for name, count in zip(names, row, strict=True) if count}

    def _from(self) -> sql.Composed:
        table = self.selection.table
        return sql.SQL("FROM {} WHERE {}").format(sql.Identifier(table.schema, table.name), self.selection.condition())


def prepare_target(target: psycopg.Connection[Any], load: TableLoad, mode: str, *, with_key: bool) -> bool:
    """Do what TargetTablePrepMode says. Returns True if the table was missing and was created, as in every mode."""
    if mode == "DROP_AND_CREATE":
        target.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(load.target))
    found = target.execute("SELECT to_regclass(%s)", (load.target.as_string(target),)).fetchone()
    assert found is not None
    if found[0] is not None:
        if mode == "TRUNCATE_BEFORE_LOAD":
            target.execute(sql.SQL("TRUNCATE {}").format(load.target))
        return False
    if target.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", (load.target_schema,)).fetchone() is None:
        target.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(load.target_schema)))
    columns = []
    for one in load.columns:
        type_name = rule_type(one.data_type) if one.data_type or not one.source else None
        if type_name is None and one.source:
            type_name = load.source_columns[one.source].target_type
        columns.append(sql.SQL("{} {}").format(sql.Identifier(one.target), sql.SQL(type_name or "text")))
    target.execute(sql.SQL("CREATE TABLE {} ({})").format(load.target, sql.SQL(", ").join(columns)))
    if with_key:
        add_key(target, load)
    return True


def add_key(target: psycopg.Connection[Any], load: TableLoad) -> None:
    """Give a created table the source's primary key, if all of its columns are loaded."""
    wanted = {name for name, column in load.source_columns.items() if column.in_primary_key}
    key = [one.target for one in load.columns if one.source in wanted]
    if key and len(key) == len(wanted):
        columns = sql.SQL(", ").join(map(sql.Identifier, key))
        target.execute(sql.SQL("ALTER TABLE {} ADD PRIMARY KEY ({})").format(load.target, columns))


def move_rows(
    source: psycopg.Connection[Any],
    target: psycopg.Connection[Any],
    load: TableLoad,
    *,
    commit_rate: int,
    run: TableRun,
    watch: Callable[[int], int],
    between: Callable[[], None],
) -> None:
    """Stream the rows. Each COPY of ``commit_rate`` rows is its own transaction, so a failure keeps the earlier ones.

    A COPY names no columns, so they are matched by position. ``watch`` is called with the number of rows read so far,
    and returns after how many more rows to call it again. ``between`` is called between chunks, and during waits for
    either side. Both may wait or raise. Raises what they raise, and psycopg.Error.
    """
    read = sql.SQL("COPY ({}) TO STDOUT").format(load.query())
    write = sql.SQL("COPY {} FROM STDIN").format(load.target)
    with (
        source.cursor() as reader,
        reader.copy(read),
        CopiedRows(source, between) as rows,
        Outflow(target, between) as outflow,
    ):
        earlier = 0
        while True:
            chunk, count = rows.take(min(commit_rate, watch(earlier)), _CHUNK_BYTES)
            if not count:
                return  # A COPY into the target begins only when there is a row for it.
            written = 0
            with target.cursor() as writer, writer.copy(write) as sink:
                while count:
                    between()
                    sink.write(chunk)
                    outflow.flush()
                    written += count
                    if written == commit_rate:
                        break
                    room = min(commit_rate - written, watch(earlier + written))
                    chunk, count = rows.take(room, _CHUNK_BYTES)
            earlier += written
            run.rows += written


def constant(expression: str) -> str | None:
    """Return the value of an added column: a quoted text or a number.

    Anything else (SQLite functions, variables) is NULL.
    """
    if len(expression) >= 2 and expression[0] == expression[-1] == "'":
        return expression[1:-1].replace("''", "'")
    return expression if expression.lstrip("-").replace(".", "", 1).isdigit() else None
