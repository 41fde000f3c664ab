"""Completes a list of keys: rows whose parents production lacks can only be written together with these."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from psycopg import Connection

from reload_assets.config.model import ReloadConfig
from reload_assets.ledger.records import Key
from reload_assets.ledger.selected import canonical_keys, keys_in_production
from reload_assets.postgres.catalog import ForeignKey
from reload_assets.postgres.connection import TargetDatabase
from reload_assets.reload.parts import group_tables
from reload_assets.tables import ReloadTable, resolve_group

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

    Only parents of the group are found, and only by foreign keys that refer to the key by which the group reloads the
    parent. Raises ConfigError, KeysUnreadable and SourceUnavailable.
    """
    wanted = {name: list(some) for name, some in keys.items()}
    with target.connect(autocommit=True) as connection:
        tables = resolve_group(group_tables(config, group), connection, reader)
        # Children first: what is added to a parent's keys has parents of its own.
        for table in reversed(tables):
            if table.name not in wanted:
                continue
            for key, parent in table.parents(tables):
                found = wanted.get(parent.name, [])
                added = _missing(connection, reader, table, wanted[table.name], key, parent, found)
                if added:
                    wanted[parent.name] = [*found, *added]
    return wanted


def _missing(
    connection: Connection[Any],
    reader: SourceReader,
    table: ReloadTable,
    keys: Sequence[Key],
    reference: ForeignKey,
    parent: ReloadTable,
    known: Sequence[Key],
) -> list[Key]:
    """Return the keys of a parent that rows with some keys refer to, and that are neither known nor in production."""
    named = {there: here for here, there in zip(reference.columns, reference.parent_columns, strict=True)}
    columns = {column.name: column.source for column in table.columns}
    wanted = [named.get(column.name) for column in parent.key]
    if len(named) != len(wanted) or not all(name in columns for name in wanted):
        return []
    rows = reader.of(table.source_schema).rows_as_text(
        table.source_table,
        [columns[str(name)] for name in wanted],
        [column.source for column in table.key],
        canonical_keys(connection, table, keys),
    )
    references = canonical_keys(connection, parent, list(_whole(rows)))
    there = {*canonical_keys(connection, parent, known), *keys_in_production(connection, parent, references)}
    return [one for one in references if one not in there]


def _whole(rows: Iterator[tuple[Any, ...]]) -> Iterator[Key]:
    """Yield each reference once. One with a NULL refers to nothing."""
    seen: set[Key] = set()
    for row in rows:
        if None not in row and (key := tuple(map(str, row))) not in seen:
            seen.add(key)
            yield key
