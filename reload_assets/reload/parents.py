"""Completes a list of keys: rows whose parents production lacks can only be written together with these."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from psycopg import Connection

from reload_assets.config.model import ReloadConfig
from reload_assets.errors import ConfigError
from reload_assets.ledger.records import Key
from reload_assets.ledger.selected import canonical_keys, keys_in_production
from reload_assets.postgres.catalog import ForeignKey
from reload_assets.postgres.connection import TargetDatabase
from reload_assets.reload.parts import group_tables
from reload_assets.tables import GroupTables, ReloadColumn, ReloadTable, resolve_group

if TYPE_CHECKING:
    from reload_assets.source.reader import SourceReader


def with_missing_parents(
    config: ReloadConfig,
    target: TargetDatabase,
    reader: SourceReader,
    group: str,
    keys: Mapping[str, Sequence[Key]],
) -> dict[str, list[Key]]:
    """Return the keys by table, with those of parents that the source's rows refer to and production lacks.

    Only parents of the group that can be reloaded are found. Raises ConfigError, KeysUnreadable and SourceUnavailable.
    """
    with target.connect(autocommit=True) as connection:
        search = _Search(connection, reader, group_tables(config, group), keys)
        missing = search.run()
    completed = {name: list(some) for name, some in keys.items()}
    for name, some in missing.items():
        if added := [key for key in some if key not in search.given.get(name, ())]:
            completed.setdefault(name, []).extend(added)
    return completed


def missing_parents(
    config: ReloadConfig,
    target: TargetDatabase,
    reader: SourceReader,
    group: str,
    keys: Mapping[str, Sequence[Key]],
) -> dict[str, list[Key]]:
    """Return only the keys of these parents, by table; also of those that are among ``keys``. Raises the same."""
    with target.connect(autocommit=True) as connection:
        return _Search(connection, reader, group_tables(config, group), keys).run()


class _Search:
    """Follows foreign keys from the given rows to the parents that production lacks, and from these to theirs."""

    def __init__(
        self,
        connection: Connection[Any],
        reader: SourceReader,
        group: GroupTables,
        keys: Mapping[str, Sequence[Key]],
    ) -> None:
        self._connection, self._reader, self._group = connection, reader, group
        self._names = {str(target): name for name, target in group.targets.items()}
        self._tables: dict[str, ReloadTable] = {}
        self.given = {name: {*canonical_keys(connection, self._table(name), some)} for name, some in keys.items()}

    def run(self) -> dict[str, list[Key]]:
        """Return the keys of the parents that production lacks, by table."""
        missing: dict[str, dict[Key, None]] = {}
        unseen = {name: list(some) for name, some in self.given.items()}
        # A row may refer to its own table, and tables to each other in a circle. Each key is followed once.
        while unseen:
            name, some = unseen.popitem()
            for parent, found in self._missing_parents(self._table(name), some):
                known = missing.setdefault(parent, {})
                added = [key for key in found if key not in known]
                known.update(dict.fromkeys(added))
                if new := [key for key in added if key not in self.given.get(parent, ())]:
                    unseen.setdefault(parent, []).extend(new)
        return {name: list(some) for name, some in missing.items() if some}

    def _missing_parents(self, table: ReloadTable, keys: Sequence[Key]) -> Iterator[tuple[str, list[Key]]]:
        """Yield the keys of parents that production lacks, to which rows with these keys refer, by table."""
        for reference in table.production.every_foreign_key:
            name = self._names.get(reference.parent_in(self._names) or "")
            if name is not None and (values := self._references(table, keys, reference)):
                yield name, self._missing(name, reference, values)

    def _references(self, table: ReloadTable, keys: Sequence[Key], reference: ForeignKey) -> list[Key]:
        """Return what rows of the source have in the columns of a foreign key, as text, each once."""
        columns = _named(table, reference.columns)
        if columns is None:
            return []
        rows = self._reader.of(table.source_schema).rows_as_text(
            table.source_table, _sources(columns), _sources(table.key), keys
        )
        # One with a NULL refers to nothing.
        return list(dict.fromkeys(tuple(map(str, row)) for row in rows if None not in row))

    def _missing(self, name: str, reference: ForeignKey, values: Sequence[Key]) -> list[Key]:
        """Return the keys of the source's rows of a table that have these values, and that production lacks."""
        try:
            parent = self._table(name)
        except ConfigError:
            # Such a table cannot be reloaded. Its rows are there already, or the merge names what is missing.
            return []
        columns = _named(parent, reference.parent_columns)
        if columns is None:
            return []
        # A foreign key may refer to another unique key than the one by which the table is reloaded.
        referred = replace(parent, key=columns)
        wanted = canonical_keys(self._connection, referred, values)
        there = {*keys_in_production(self._connection, referred, wanted)}
        missing = [key for key in wanted if key not in there]
        rows = self._reader.of(parent.source_schema).rows_as_text(
            parent.source_table, _sources(parent.key), _sources(columns), missing
        )
        return canonical_keys(self._connection, parent, [tuple(map(str, row)) for row in rows])

    def _table(self, name: str) -> ReloadTable:
        """Return a table of the group, which is looked up when it is first needed. Raises ConfigError."""
        if name not in self._tables:
            (self._tables[name],) = resolve_group(self._group, self._connection, self._reader, [name])
        return self._tables[name]


def _named(table: ReloadTable, names: Iterable[str]) -> tuple[ReloadColumn, ...] | None:
    """Return columns of production by their names; None if the source does not feed one of them."""
    columns = {column.name: column for column in table.columns}
    found = [columns.get(name) for name in names]
    return tuple(column for column in found if column is not None) if None not in found else None


def _sources(columns: Iterable[ReloadColumn]) -> list[str]:
    return [column.source for column in columns]
