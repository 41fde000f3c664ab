"""A group's tables as a reload sees them: what the user wrote, completed and checked against both catalogs."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any

from psycopg import Connection

from reload_assets.catalog import CatalogTable, Column, ForeignKey, read_table
from reload_assets.config import ReloadConfig, Table
from reload_assets.config_errors import did_you_mean
from reload_assets.errors import ConfigError

if TYPE_CHECKING:
    from reload_assets.source.reader import SourceColumn, SourceReader


@dataclass(frozen=True)
class ReloadColumn:
    """One column on its way: its name in the source, in staging (lower case), and in production."""

    source: str
    staged: str
    target: Column

    @property
    def name(self) -> str:
        """The name in production."""
        return self.target.name


@dataclass(frozen=True)
class ReloadTable:
    """One table of a group. ``columns`` are those of the source, in the source's order, which is staging's too."""

    name: str
    source_table: str
    production: CatalogTable
    columns: tuple[ReloadColumn, ...]
    key: tuple[ReloadColumn, ...]
    window: ReloadColumn
    version: ReloadColumn
    options: Table
    source_columns: tuple[SourceColumn, ...] | None
    """The source's own description of ``columns``; None without a source connection."""

    @property
    def target(self) -> str:
        """The production table's name with its schema, for messages."""
        return f"{self.production.schema}.{self.production.name}"

    def parents(self, tables: Iterable[ReloadTable]) -> list[tuple[ForeignKey, ReloadTable]]:
        """This table's foreign keys into the given tables, without those into itself."""
        by_target = {table.target: table for table in tables if table.target != self.target}
        return [
            (key, by_target[f"{key.parent_schema}.{key.parent_table}"])
            for key in self.production.foreign_keys
            if f"{key.parent_schema}.{key.parent_table}" in by_target
        ]


def resolve_group(
    config: ReloadConfig,
    group: str,
    connection: Connection[Any],
    reader: SourceReader | None,
    only: Collection[str] | None = None,
) -> list[ReloadTable]:
    """The tables of a group (or ``only`` some of them), parents before children.

    Raises ConfigError for everything that production's or the source's catalog does not bear out.
    """
    chosen = {name: table for name, table in config.groups[group].tables.items() if only is None or name in only}
    return _parents_first(
        f"{config.file}: groups.{group}.tables",
        [_Resolver(config, group, name, table).resolve(connection, reader) for name, table in chosen.items()],
    )


def _parents_first(place: str, tables: list[ReloadTable]) -> list[ReloadTable]:
    by_name = {table.name: table for table in tables}
    order = TopologicalSorter(
        {
            # A foreign key that can wait until the commit needs no order.
            table.name: [parent.name for key, parent in table.parents(tables) if not key.deferrable]
            for table in tables
        }
    )
    try:
        return [by_name[name] for name in order.static_order()]
    except CycleError as error:
        circle = " -> ".join(error.args[1])
        raise ConfigError(
            f"{place}: the foreign keys {circle} form a circle; make one of them DEFERRABLE in production."
        ) from None


class _Resolver:
    def __init__(self, config: ReloadConfig, group: str, name: str, table: Table) -> None:
        self.name, self.options = name, table
        self.place = f"{config.file}: groups.{group}.tables.{name}"
        self.schema = config.target.production_schema
        self.source_schema = config.source.schema_name

    def resolve(self, connection: Connection[Any], reader: SourceReader | None) -> ReloadTable:
        options = self.options
        self.production = read_table(connection, self.schema, options.target or self.name)
        if not self.production.columns:
            raise self._error(
                "target",
                f"there is no table {self._target}, or this login may not see it; create or grant it, or mend the name",
            )
        source_table = options.source or self.name.upper()
        described = reader.columns(source_table) if reader else None
        columns = self._from_source(source_table, described) if described else self._from_production()
        self.by_name = {column.name: column for column in columns}
        key = self._key()
        window = self._column("window_column", options.window_column)
        self._require_wall_clock(window)
        version = self._column("version_column" if options.version_column else "window_column", options.version)
        kept = {column.source for column in columns}
        return ReloadTable(
            name=self.name,
            source_table=source_table,
            production=self.production,
            columns=columns,
            key=tuple(key),
            window=window,
            version=version,
            options=options,
            source_columns=tuple(column for column in described if column.name in kept) if described else None,
        )

    @property
    def _target(self) -> str:
        return f"{self.production.schema}.{self.production.name}"

    def _error(self, field: str, sentence: str) -> ConfigError:
        return ConfigError(f"{self.place}.{field}: {sentence}{'' if sentence.endswith(('?', '.')) else '.'}")

    def _from_source(self, source_table: str, described: list[SourceColumn]) -> tuple[ReloadColumn, ...]:
        """The source's order is the one in which DMS writes, so it is staging's."""
        source_names = [column.name for column in described]
        ignored = self.options.ignored_source_columns
        for unknown in (name for name in ignored if name not in source_names):
            raise self._error(
                "ignored_source_columns",
                f"{unknown!r} is not a column of {self.source_schema}.{source_table}"
                + did_you_mean(unknown, source_names),
            )
        columns = []
        for name in (name for name in source_names if name not in ignored):
            target = self._production_column(name)
            if target is None:
                raise self._error(
                    "ignored_source_columns",
                    f"{self._target} has no column for {self.source_schema}.{source_table}.{name}; "
                    "add it to production, or list it here",
                )
            columns.append(ReloadColumn(name, name.lower(), target))
        return tuple(columns)

    def _from_production(self) -> tuple[ReloadColumn, ...]:
        known = [column.name for column in self.production.columns if not column.generated]
        for name in (name for name in self.options.columns or () if name not in known):
            raise self._error("columns", f"{name!r} is not a column of {self._target}" + did_you_mean(name, known))
        names = self.options.columns or known
        return tuple(ReloadColumn(name.upper(), name.lower(), self.production.column(name)) for name in names)

    def _production_column(self, source_name: str) -> Column | None:
        """The column of the same name but for its case; a generated one is never written."""
        found = [column for column in self.production.columns if column.name.lower() == source_name.lower()]
        exact = [column for column in found if column.name == source_name.lower()]
        return next((column for column in exact or found if not column.generated), None)

    def _column(self, field: str, name: str) -> ReloadColumn:
        if name not in self.production.column_names:
            raise self._error(
                field, f"{name!r} is not a column of {self._target}" + did_you_mean(name, self.production.column_names)
            )
        if name not in self.by_name:
            raise self._error(field, f"{name!r} is a column of {self._target} only, the source has none; name another")
        return self.by_name[name]

    def _key(self) -> list[ReloadColumn]:
        names = self.options.key or self.production.primary_key
        if not names:
            raise self._error("key", f"{self._target} has no primary key; name the columns of a unique index here")
        key = [self._column("key", name) for name in names]
        unique = [sorted(found.columns) for found in self.production.unique_keys if not found.deferrable]
        if sorted(names) not in unique:
            raise self._error(
                "key",
                f"{self._target} has no unique index on ({', '.join(names)}), which the merge needs; create it, or "
                "name the columns of one that is neither partial nor deferrable",
            )
        return key

    def _require_wall_clock(self, window: ReloadColumn) -> None:
        declared = window.target.type
        if not declared.startswith("timestamp") or declared.endswith("with time zone"):
            raise self._error(
                "window_column",
                f"{window.name!r} of {self._target} is {declared}; a window needs a column of type timestamp without "
                "time zone, as DMS writes Oracle's DATE and TIMESTAMP",
            )
