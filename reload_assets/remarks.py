"""What deserves a warning about a resolved table before it is loaded, as sentences."""

from __future__ import annotations

from reload_assets.merge.holders import kept_indexes
from reload_assets.tables import ReloadTable


def remarks(table: ReloadTable) -> list[str]:
    """Return the warnings about one table, from what both catalogs say."""
    return [*_kept_values(table)]


def _kept_values(table: ReloadTable) -> list[str]:
    return [
        f"{table.target}: a row that is marked as deleted keeps its values in {index.name}, so no other row can have "
        f"them; a unique index WHERE {_unmarked(table)} would free them"
        for index in kept_indexes(table)
    ]


def _unmarked(table: ReloadTable) -> str:
    name = table.options.soft_delete_column or ""
    return f"{name} IS {'NOT TRUE' if table.production.column(name).type == 'boolean' else 'NULL'}"
