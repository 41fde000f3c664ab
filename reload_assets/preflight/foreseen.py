"""What a reload of a table, or of one of its windows, will refuse, leave or not fill, as sentences."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from psycopg import Connection

from reload_assets.errors.windows import WindowWithoutPartition
from reload_assets.merge.holders import kept_indexes
from reload_assets.postgres.catalog import uncovered
from reload_assets.tables import ReloadTable


def foreseen(table: ReloadTable) -> list[str]:
    """Return the warnings about one table, from what both catalogs say."""
    return [*_unfed(table), *_nullable(table), *_kept_values(table), *_moving(table)]


def require_partitions(connection: Connection[Any], table: ReloadTable, bounds: tuple[datetime, datetime]) -> list[str]:
    """Return warnings about parts of a window for which a table has no partition. Raises WindowError if it has none.

    ``bounds`` are wall-clock values of the source's zone. Only a table that is partitioned by ranges of the window
    column alone is examined; for others, only the rows tell.
    """
    if table.production.partition_columns != [table.window.name]:
        return []
    found = uncovered(connection, table.production.schema, table.production.name, table.window.name, bounds)
    if found is None:
        return []
    missing, is_everything = found
    if is_everything:
        raise WindowWithoutPartition(table.target, table.window.name, missing)
    return [
        f"{table.target} has no partition for rows whose {table.window.name} is in {missing}; such rows are refused"
    ]


def _unfed(table: ReloadTable) -> list[str]:
    if not table.unfed:
        return []
    nulls = [column.name for column in table.unfed if not column.fills_itself]
    names = ", ".join(column.name for column in table.unfed)
    new = f", where new rows get NULL in {', '.join(nulls)}" if nulls else ", where new rows get their defaults"
    return [
        f"{table.target}: no column of {table.source} feeds {names}{new}; if the source has one under another name, "
        "write both names in columns"
    ]


def _nullable(table: ReloadTable) -> list[str]:
    found = [pair.source.name for column, pair in table.pairs if pair.source.nullable and column.target.not_null]
    if not found:
        return []
    return [
        f"{table.target}: {', '.join(found)} of {table.source} may be NULL, but production declares "
        f"{'these columns' if len(found) > 1 else 'this column'} NOT NULL: a window that holds such a row is not merged"
    ]


def _moving(table: ReloadTable) -> list[str]:
    if table.window not in table.key:
        return []
    return [
        f"{table.target}: the key holds {table.window.name}, so a row that moves to another window in the source has a "
        "new key there, and its old row stays in production until its old window is reloaded as well"
    ]


def _kept_values(table: ReloadTable) -> list[str]:
    return [
        f"{table.target}: a row that is marked as deleted keeps its values in {index.name}, so no other row can have "
        f"them; a unique index WHERE {_unmarked(table)} would free them"
        for index in kept_indexes(table)
    ]


def _unmarked(table: ReloadTable) -> str:
    name = table.options.soft_delete_column or ""
    return f"{name} IS {'NOT TRUE' if table.production.column(name).type == 'boolean' else 'NULL'}"
