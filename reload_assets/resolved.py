"""The tables of a reload as it resolved them when it was opened. Its later steps read them from the ledger.

So these steps query neither the source's dictionary nor DMS again. A step that writes production first checks
production's catalog, because the staging tables have the columns that production had when the reload was opened.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from psycopg import Connection
from pydantic import TypeAdapter, ValidationError

from reload_assets.errors.reloads import DefinitionUnreadable, ProductionChanged, SourceChanged
from reload_assets.ledger.records import Reload
from reload_assets.postgres.catalog import CatalogTable, Column, read_table
from reload_assets.postgres.statements import run
from reload_assets.tables import ReloadTable, parents_first

if TYPE_CHECKING:
    from reload_assets.source.reader import SourceReader

_DEFINITION = TypeAdapter(ReloadTable)


def definition(table: ReloadTable) -> str:
    """Return a table as JSON, for the ledger."""
    return _DEFINITION.dump_json(table).decode()


def resolved_tables(
    connection: Connection[Any], reload: Reload, only: Collection[str] | None = None
) -> list[ReloadTable]:
    """Read the tables of a reload (or ``only`` some of them), parents first, as they were when it was opened.

    Raises ReloadRefused if another version of this package has opened it.
    """
    rows = run(connection, "ledger/read:list_definitions", reload_id=reload.reload_id)
    try:
        tables = [_DEFINITION.validate_python(document) for (document,) in rows]
    except ValidationError:
        raise DefinitionUnreadable(reload.title) from None
    return [table for table in tables if only is None or table.name in only]


def unchanged_tables(
    connection: Connection[Any], place: str, reload: Reload, only: Collection[str] | None = None
) -> list[ReloadTable]:
    """Read the tables of a reload, with the constraints and triggers that production has now.

    ``place`` is where the configuration names them. Raises TableChanged if production's columns or keys are not those
    for which the rows were staged.
    """
    tables = []
    for table in resolved_tables(connection, reload, only):
        production = read_table(connection, table.production.schema, table.production.name)
        if changes := list(_changes(table, production)):
            raise ProductionChanged(table.target, reload.title, "; ".join(changes))
        tables.append(replace(table, production=production))
    return parents_first(place, tables)


def require_unchanged_source(reader: SourceReader, reload: Reload, tables: Collection[ReloadTable]) -> None:
    """Compare the source's columns with those that were loaded. Raises TableChanged for others; SourceUnavailable."""
    for table in tables:
        now = {column.name: column for column in reader.of(table.source_schema).columns(table.source_table)}
        for column in table.source_columns or ():
            found = now.get(column.name)
            if found != column:
                change = "is gone" if found is None else f"was {column.declared} and is {found.declared}"
                raise SourceChanged(table.source, reload.title, f"{column.name} {change}")


def _changes(table: ReloadTable, production: CatalogTable) -> Iterator[str]:
    before = {column.name: column for column in table.production.columns}
    now = {column.name: column for column in production.columns}
    needed = {column.name for column in table.columns} | {table.options.soft_delete_column}
    for name, column in before.items():
        if name in needed and (name not in now or not _holds(now[name], column)):
            yield f"{name} is gone" if name not in now else f"{name} {_change(column, now[name])}"
    for name, column in now.items():
        if name not in before and column.not_null and not column.has_default and not column.generated:
            yield f"{name} is new, NOT NULL and without a default"
    if production.hides_rows and not table.production.hides_rows:
        yield "its row security applies to this login now"
    if new_rules := ", ".join(rule for rule in production.rules if rule not in table.production.rules):
        yield f"it has new rules ({new_rules})"
    key = sorted(column.name for column in table.key)
    if key not in [sorted(found.columns) for found in production.unique_keys if not found.deferrable]:
        yield f"it has no unique index on ({', '.join(key)}) any more"
    elif not production.has_arbiter(key):
        yield f"it has a deferrable unique constraint on ({', '.join(key)}) now"


def _holds(now: Column, before: Column) -> bool:
    """Return whether a column takes the values that were staged for it as it did: a default has no say in that."""
    freer = before.not_null and now.not_null
    return replace(now, has_default=before.has_default, sequence=before.sequence) == replace(before, not_null=freer)


def _change(before: Column, now: Column) -> str:
    if before.type != now.type:
        return f"was {before.type} and is {now.type}"
    if now.not_null and not before.not_null:
        return "is NOT NULL now"
    return "has another collation or identity"
