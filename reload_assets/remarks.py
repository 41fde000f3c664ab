"""What deserves a warning about a resolved table before it is loaded, as sentences."""

from __future__ import annotations

from reload_assets.merge.holders import kept_indexes
from reload_assets.tables import ReloadTable


def remarks_on(table: ReloadTable) -> list[str]:
    """Return the warnings about one table, from what both catalogs say."""
    return [*_unfed(table), *_nullable(table), *_kept_values(table)]


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


def _kept_values(table: ReloadTable) -> list[str]:
    return [
        f"{table.target}: a row that is marked as deleted keeps its values in {index.name}, so no other row can have "
        f"them; a unique index WHERE {_unmarked(table)} would free them"
        for index in kept_indexes(table)
    ]


def _unmarked(table: ReloadTable) -> str:
    name = table.options.soft_delete_column or ""
    return f"{name} IS {'NOT TRUE' if table.production.column(name).type == 'boolean' else 'NULL'}"
