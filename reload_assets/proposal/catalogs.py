"""Reads both catalogs, and pairs their tables: by the mapping of the CDC task, or else by name. Reads no row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psycopg import Connection

from reload_assets.config.table_names import TableName
from reload_assets.dms.replicated import Replicated, replicated
from reload_assets.errors.source import SourceNameUnknown
from reload_assets.postgres.catalog import leading_columns, list_tables, read_table
from reload_assets.proposal.paired import Described
from reload_assets.proposal.tables import LeftOut

if TYPE_CHECKING:
    from reload_assets.source.reader import SourceReader

# DMS's own tables, which it also writes into the schema of the data.
_OF_DMS = "awsdms_"


@dataclass(frozen=True)
class Carrier:
    """The table mapping of the CDC task that feeds production. ``target_schema`` applies where no rule names one."""

    mapping: str
    target_schema: str

    def of(self, table: TableName, columns: Sequence[str] = ()) -> Replicated:
        """Return what the task does with a table of the source. Raises MappingError."""
        return replicated(self.mapping, self.target_schema, table.schema, table.name, columns)


@dataclass(frozen=True)
class Catalogs:
    """What both catalogs have. ``unfed``: tables of the production schema that no table of the source feeds."""

    described: Sequence[Described]
    left_out: Sequence[LeftOut]
    unfed: Sequence[TableName]


def read_catalogs(
    connection: Connection[Any], reader: SourceReader, target_schema: str, carrier: Carrier | None
) -> Catalogs:
    """Describe each table of the reader's schema with its counterpart. Raises SourceUnavailable, MappingError."""
    known = [name for name in list_tables(connection, target_schema) if not name.startswith(_OF_DMS)]
    described: list[Described] = []
    left_out: list[LeftOut] = []
    for name in reader.tables():
        source = TableName(reader.schema, name)
        target = _by_name(source, target_schema, known) if carrier is None else _carried(carrier, source)
        if isinstance(target, LeftOut):
            left_out.append(target)
            continue
        found = _describe(connection, reader, source, target, carrier)
        taken = next((one for one in described if one.target == target), None)
        if isinstance(found, Described) and taken is not None:
            found = LeftOut(source, f"{target} is that of {taken.source} already")
        if isinstance(found, Described):
            described.append(found)
        else:
            left_out.append(found)
    fed = {one.target for one in described}
    unfed = [place for name in known if (place := TableName(target_schema, name)) not in fed]
    return Catalogs(described, left_out, unfed)


def _by_name(source: TableName, schema: str, known: Sequence[str]) -> TableName | LeftOut:
    alike = [name for name in known if name.lower() == source.name.lower()]
    if not alike:
        return LeftOut(source, f"{schema} has no table of this name")
    # As DMS's usual rule writes it.
    return TableName(schema, source.name.lower() if source.name.lower() in alike else alike[0])


def _carried(carrier: Carrier, source: TableName) -> TableName | LeftOut:
    found = carrier.of(source)
    if not found.selected:
        return LeftOut(source, "the CDC task does not carry it")
    return TableName(found.schema, found.table)


def _describe(
    connection: Connection[Any], reader: SourceReader, source: TableName, target: TableName, carrier: Carrier | None
) -> Described | LeftOut:
    production = read_table(connection, *target)
    if not production.columns:
        return LeftOut(source, f"the CDC task writes it into {target}, and there is no such table")
    try:
        columns = reader.columns(source.name)
    except SourceNameUnknown:
        return LeftOut(source, "it has no column that this login may read")
    return Described(
        source=source,
        columns=columns,
        source_keys=reader.unique_keys(source.name),
        source_indexed=frozenset(reader.leading_columns(source.name)),
        production=production,
        indexed=frozenset(leading_columns(connection, *target)),
        names=None if carrier is None else carrier.of(source, [column.name for column in columns]).columns,
    )
