"""What is worth a warning of a table before it is reloaded: what costs time, or what a reload will leave or refuse."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from psycopg import Connection, sql

from reload_assets.merge.side_effects import action
from reload_assets.postgres.catalog import leading_columns
from reload_assets.preflight.foreseen import foreseen
from reload_assets.tables import ReloadTable
from reload_assets.verify.windowless import remarks_on_windowless

if TYPE_CHECKING:
    from reload_assets.source.reader import SourceReader


def remarks(
    connection: Connection[Any], reader: SourceReader | None, table: ReloadTable, groups: Mapping[str, str]
) -> Iterator[str]:
    """Return a sentence for each remark. ``groups`` says in which table group each production table is.

    Raises SourceUnavailable and psycopg's errors.
    """
    yield from _refused(table)
    yield from foreseen(table)
    yield from _scans(connection, reader, table)
    yield from remarks_on_windowless(connection, table, reader)
    yield from _followers(table)
    yield from _parents_elsewhere(table, groups)
    if names := ", ".join(trigger.name for trigger in table.production.triggers):
        yield f"{table.target} has triggers that fire when a reload writes ({names}); rows that they change are named"
    if reader is None:
        yield (
            f"nobody can tell whether the key is one of {table.source}, and whether {table.window.source} is a time "
            "there: there is no source connection"
        )


def _refused(table: ReloadTable) -> Iterator[str]:
    for column, pair in table.pairs:
        if pair.conversion.refused is not None:
            yield (
                f"{table.target}.{column.name} is {column.target.type} and refuses {pair.conversion.refused}, while "
                f"{pair.source.name} is {pair.source.declared}; a load names such rows, and nothing is merged"
            )


def _scans(connection: Connection[Any], reader: SourceReader | None, table: ReloadTable) -> Iterator[str]:
    """Every reload searches for the rows of its window, several times in production."""
    schema, name, column = table.production.schema, table.production.name, table.window.name
    if column not in leading_columns(connection, schema, name):
        create = sql.SQL("CREATE INDEX CONCURRENTLY ON {} ({})").format(
            sql.Identifier(schema, name), sql.Identifier(column)
        )
        yield (
            f"{table.target} has no index that begins with {column}: every reload scans the whole table for its "
            f"window; create one: {create.as_string()}"
        )
    if reader is None:
        return
    if table.window.source not in reader.of(table.source_schema).leading_columns(table.source_table):
        yield (
            f"{table.source} has no index that begins with {table.window.source}: DMS and every "
            "comparison scan the whole table for a window; create one in the source"
        )


def _followers(table: ReloadTable) -> Iterator[str]:
    """Rows of other tables that would follow a delete are in no audit, so a reload leaves their parents."""
    if table.options.orphans != "delete":
        return
    for reference in table.production.referenced_by:
        if acts := action(reference, "DELETE"):
            yield (
                f"{reference.child} refers to {table.target} ON DELETE {acts} ({reference.name}): an orphan with such "
                "rows is not deleted, and the reload stays unconfirmed until they are gone"
            )


def _parents_elsewhere(table: ReloadTable, groups: Mapping[str, str]) -> Iterator[str]:
    own = groups.get(table.target)
    for key in table.production.foreign_keys:
        group = groups.get(key.parent)
        if group is not None and group != own:
            yield (
                f"{table.target} refers to {key.parent} of the group {group} ({key.name}): reload that group's window "
                "first"
            )
