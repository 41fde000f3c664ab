"""What is worth a warning of a table before it is reloaded: what costs time, or what a reload will leave or refuse."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from psycopg import Connection, sql

from reload_assets.merge.side_effects import action
from reload_assets.postgres.catalog import leading_columns
from reload_assets.preflight.finding import Finding, found
from reload_assets.preflight.foreseen import foreseen
from reload_assets.tables import ReloadTable
from reload_assets.verify.windowless import remarks_on_windowless

if TYPE_CHECKING:
    from reload_assets.source.reader import SourceReader

# A row may be written between two readings of a clock, and clocks of applications are not exact.
_AHEAD = timedelta(minutes=10)


def ready(group: str, table: ReloadTable) -> Finding:
    """Return what a reload knows of a table: its names, its key, and the types that do not keep every value."""
    refused = sum(pair.conversion.refused is not None for _, pair in table.pairs)
    accepted = len(table.options.accept)
    types = [
        f"{refused} refuse some values" if refused else "",
        f"{accepted} lose what is accepted" if accepted else "",
    ]
    columns = f"{len(table.columns)} columns" + "".join(f", of which {one}" for one in types if one)
    return found(
        "table-ready",
        table.target,
        f"{group}.{table.name}: {table.source} -> {table.target}, {columns}, key "
        f"({', '.join(column.name for column in table.key)}), {_role(table)}",
    )


def _role(table: ReloadTable) -> str:
    window, version = table.window.name, table.version.name
    return f"window and version {window}" if window == version else f"window {window}, version {version}"


def remarks(
    connection: Connection[Any], reader: SourceReader | None, table: ReloadTable, groups: Mapping[str, str]
) -> Iterator[Finding]:
    """Yield the warnings about a table. ``groups`` says in which table group each production table is.

    Raises SourceUnavailable and psycopg's errors.
    """
    yield from _refused(table)
    yield from foreseen(table)
    yield from _followers(table)
    yield from _parents_elsewhere(table, groups)
    if names := ", ".join(trigger.name for trigger in table.production.triggers):
        yield found(
            "triggers-fire",
            table.target,
            f"{table.target} has triggers that fire when a reload writes ({names}); rows that they change are named",
            "see that they suit rows that are days old",
        )
    yield from _scans(connection, reader, table)
    if reader is None:
        yield found(
            "source-undescribed",
            table.target,
            f"nobody can tell whether the key of {table.target} is one of {table.source}, and whether "
            f"{table.window.source} is a time there",
            "configure source.connection",
        )
    # Last, because it may have to read a whole table.
    for remark in remarks_on_windowless(connection, table, reader):
        what, _, fix = remark.partition("; ")
        yield found("rows-windowless", table.target, what, fix)


def _refused(table: ReloadTable) -> Iterator[Finding]:
    for column, pair in table.pairs:
        if pair.conversion.refused is not None:
            yield found(
                "values-refused",
                table.target,
                f"{table.target}.{column.name} is {column.target.type} and refuses {pair.conversion.refused}, while "
                f"{pair.source.name} is {pair.source.declared}",
                "a load names such rows, and nothing is merged until they are fixed or the type is wider",
            )


def _scans(connection: Connection[Any], reader: SourceReader | None, table: ReloadTable) -> Iterator[Finding]:
    """Every reload searches for the rows of its window, several times in production."""
    schema, name, column = table.production.schema, table.production.name, table.window.name
    if column not in leading_columns(connection, schema, name):
        create = sql.SQL("CREATE INDEX CONCURRENTLY ON {} ({})").format(
            sql.Identifier(schema, name), sql.Identifier(column)
        )
        yield found(
            "index-missing",
            table.target,
            f"{table.target} has no index that begins with {column}: every reload scans the whole table for its window",
            f"create one: {create.as_string()}",
        )
    if reader is None:
        return
    if table.window.source not in reader.of(table.source_schema).leading_columns(table.source_table):
        yield found(
            "source-index-missing",
            table.target,
            f"{table.source} has no index that begins with {table.window.source}: DMS and every comparison scan the "
            "whole table for a window",
            "create one in the source",
        )
    else:
        yield from _ahead(reader, table)


def _ahead(reader: SourceReader, table: ReloadTable) -> Iterator[Finding]:
    """Compare the newest row with the clock, where an index gives it at once."""
    newest: datetime | None = reader.of(table.source_schema).newest(table.source_table, table.window.source)
    now = reader.now().astimezone(ZoneInfo(table.zone)).replace(tzinfo=None)
    if newest is not None and newest > now + _AHEAD:
        yield found(
            "rows-ahead",
            table.target,
            f"the newest {table.window.source} of {table.source} is {newest:%F %T}, and it is {now:%F %T} in "
            f"{table.zone} now: such rows are in no window yet",
            "fix source.time_zone if the source writes the time of another zone, or else those rows",
        )


def _followers(table: ReloadTable) -> Iterator[Finding]:
    """Rows of other tables that would follow a delete are in no audit, so a reload leaves their parents."""
    if table.options.orphans != "delete":
        return
    for reference in table.production.referenced_by:
        if acts := action(reference, "DELETE"):
            yield found(
                "deletes-followed",
                table.target,
                f"{reference.child} refers to {table.target} ON DELETE {acts} ({reference.name}): an orphan with such "
                "rows is not deleted, and the reload stays unconfirmed until they are gone",
                "delete them first, or set orphans: report",
            )


def _parents_elsewhere(table: ReloadTable, groups: Mapping[str, str]) -> Iterator[Finding]:
    own = groups.get(table.target)
    for key in table.production.every_foreign_key:
        group = groups.get(key.parent_in(groups) or "")
        if group is not None and group != own:
            yield found(
                "parent-elsewhere",
                table.target,
                f"{table.target} refers to {key.parent} of the group {group} ({key.name})",
                "reload that group's window first",
            )
