"""What a reload of a table, or of one of its windows, will refuse, leave or not fill."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.errors import CharacterNotInRepertoire

from reload_assets.errors.target import TextNotUtf8
from reload_assets.errors.windows import WindowWithoutPartition
from reload_assets.merge.chunks import inseparable, uncut_because
from reload_assets.merge.holders import kept_indexes
from reload_assets.postgres.catalog import uncovered
from reload_assets.postgres.statements import run
from reload_assets.preflight.finding import Finding, found
from reload_assets.tables import ReloadTable

# Types without a collation whose values are text of the database's encoding.
_OTHER_TEXT = {"json", "jsonb", "xml"}


def foreseen(table: ReloadTable) -> list[Finding]:
    """Return the warnings about one table, from what both catalogs say."""
    return [*_unfed(table), *_nullable(table), *_kept_values(table), *_moving(table)]


def uncut(group: str, tables: Sequence[ReloadTable]) -> Iterator[Finding]:
    """Yield a warning for what a merge in chunks does not cut. The tables are in the order of their merge."""
    fix = "if CDC must not wait for that long, set against_cdc: fence or reload shorter windows"
    if reason := inseparable(tables):
        what = f"{group} is merged in one transaction although merge.mode is chunked: {reason}"
        yield found("not-cut", group, what, fix)
        return
    for table in tables:
        if reason := uncut_because(table):
            what = f"{table.target} is merged in one transaction although merge.mode is chunked: {reason}"
            yield found("not-cut", table.target, what, fix)


def require_partitions(
    connection: Connection[Any], table: ReloadTable, bounds: tuple[datetime, datetime]
) -> list[Finding]:
    """Return warnings about parts of a window for which a table has no partition. Raises WindowError if it has none.

    ``bounds`` are wall-clock values of the source's zone. Only a table that is partitioned by ranges of the window
    column alone is examined; for others, only the rows tell.
    """
    if table.production.partition_columns != [table.window.name]:
        return []
    lacking = uncovered(connection, table.production.schema, table.production.name, table.window.name, bounds)
    if lacking is None:
        return []
    missing, is_everything = lacking
    if is_everything:
        raise WindowWithoutPartition(table.target, table.window.name, missing)
    return [
        found(
            "partition-gap",
            table.target,
            f"{table.target} has no partition for rows whose {table.window.name} is in {missing}; such rows are "
            "refused",
            "create the partition before such a window is reloaded",
        )
    ]


def require_text(
    connection: Connection[Any], table: ReloadTable, database: str, bounds: tuple[datetime, datetime]
) -> None:
    """Raise TextNotUtf8 if a row of production's window has text that cannot be read as UTF-8.

    Only a database of SQL_ASCII is examined: PostgreSQL converts from every other encoding. ``database`` names it.
    """
    if connection.info.parameter_status("server_encoding") != "SQL_ASCII":
        return
    place = {
        "schema": table.production.schema,
        "table": table.production.name,
        "window_column": table.window.name,
    }
    for column in table.production.columns:
        if not column.collatable and column.base_type not in _OTHER_TEXT:
            continue
        try:
            run(connection, "preflight:convert_texts", {**place, "column": column.name}, start=bounds[0], end=bounds[1])
        except CharacterNotInRepertoire as error:
            said = error.diag.message_primary or str(error)
            raise TextNotUtf8(f"{table.target}.{column.name}", database, said) from None


def _unfed(table: ReloadTable) -> Iterator[Finding]:
    if not table.unfed:
        return
    nulls = [column.name for column in table.unfed if not column.fills_itself]
    names = ", ".join(column.name for column in table.unfed)
    new = f", where new rows get NULL in {', '.join(nulls)}" if nulls else ", where new rows get their defaults"
    yield found(
        "column-unfed",
        table.target,
        f"{table.target}: no column of {table.source} feeds {names}{new}",
        "if the source has one under another name, write both names in columns",
    )


def _nullable(table: ReloadTable) -> Iterator[Finding]:
    names = [pair.source.name for column, pair in table.pairs if pair.source.nullable and column.target.not_null]
    if names:
        yield found(
            "nulls-refused",
            table.target,
            f"{table.target}: {', '.join(names)} of {table.source} may be NULL, but production declares "
            f"{'these columns' if len(names) > 1 else 'this column'} NOT NULL: a window that holds such a row is not "
            "merged",
            "declare it alike on both sides",
        )


def _moving(table: ReloadTable) -> Iterator[Finding]:
    if table.window in table.key:
        yield found(
            "key-moves",
            table.target,
            f"{table.target}: the key holds {table.window.name}, so a row that moves to another window in the source "
            "has a new key there, and its old row stays in production",
            "reload its old window as well",
        )


def _kept_values(table: ReloadTable) -> Iterator[Finding]:
    for index in kept_indexes(table):
        yield found(
            "values-kept",
            table.target,
            f"{table.target}: a row that is marked as deleted keeps its values in {index.name}, so no other row can "
            "have them",
            f"a unique index WHERE {_unmarked(table)} would free them",
        )


def _unmarked(table: ReloadTable) -> str:
    name = table.options.soft_delete_column or ""
    return f"{name} IS {'NOT TRUE' if table.production.column(name).type == 'boolean' else 'NULL'}"
