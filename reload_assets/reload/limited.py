"""Limits a table to some of its columns: only these are compared and written, and all else of a row stays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from reload_assets.errors import did_you_mean
from reload_assets.errors.windows import RequestInvalid
from reload_assets.merge.index_values import read_columns
from reload_assets.tables import ReloadTable


def limited_tables(tables: Sequence[ReloadTable], columns: Mapping[str, Sequence[str]]) -> list[ReloadTable]:
    """Return the tables, each with only its ``columns`` to repair. Raises RequestInvalid, also for one without any."""
    for table in tables:
        if table.name not in columns:
            raise RequestInvalid("columns", f"names no columns of {table.name}; name some, or leave that table out.")
    return [limited(table, columns[table.name]) for table in tables]


def limited(table: ReloadTable, columns: Sequence[str]) -> ReloadTable:
    """Return the table with only these of production's columns to repair.

    Raises RequestInvalid for a column that cannot be repaired, and for one that has to be repaired with others.
    """
    names = tuple(dict.fromkeys(columns))
    if why := next((why for name in names if (why := _why_not(table, name))), None):
        raise RequestInvalid("columns", why)
    for rule, together in _together(table):
        lacking = sorted(together - {*names})
        if lacking and together & {*names}:
            one = sorted(together & {*names})[0]
            raise RequestInvalid(
                "columns",
                f"{rule} of {table.target} has {one} and {', '.join(lacking)}, which only together have the source's "
                f"value; name {', '.join(lacking)} of {table.name} too, or leave {one} out.",
            )
    return replace(table, limited_to=names)


def _why_not(table: ReloadTable, name: str) -> str | None:
    """Return why a column cannot be repaired, and what to do, as a sentence; None if it can."""
    what, production = f"{name!r} of {table.name}", table.production
    if name not in production.column_names:
        return f"{name!r} is not a column of {table.target}{did_you_mean(name, production.column_names)}"
    if name in (column.name for column in table.key):
        return f"{what} is in the key, by which rows are found; leave it out."
    if name == table.options.soft_delete_column:
        return f"{what} marks rows as deleted, which only a reload of whole rows changes; leave it out."
    if production.column(name).generated:
        return f"{what} is generated in production from other columns; name these instead."
    if name not in (column.name for column in table.columns):
        return f"no column of {table.source} feeds {what}; leave it out."
    return None


def _together(table: ReloadTable) -> Iterator[tuple[str, set[str]]]:
    """Yield the columns that one constraint joins, with its name: part of them would make a value that no side has."""
    fed = {column.name for column in table.columns}
    beside = {table.options.soft_delete_column, *(column.name for column in table.key)}
    for index in table.production.unique_indexes:
        read = read_columns(table, index)
        if read <= fed | beside:
            yield f"the unique index {index.name}", read - beside
    for key in table.production.every_foreign_key:
        if {*key.columns} <= fed:
            yield f"the foreign key {key.name}", {*key.columns} - beside
