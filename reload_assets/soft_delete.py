"""The mark of a row that production keeps although the source has deleted it: a flag that is true, or a time."""

from __future__ import annotations

from psycopg import sql

from reload_assets.tables import ReloadTable


def marked(table: ReloadTable, alias: str = "p") -> sql.Composable:
    """Return an SQL condition, never NULL, that holds if the production row ``alias`` is marked as deleted."""
    name = table.options.soft_delete_column
    if name is None:
        return sql.SQL("false")
    return sql.SQL("{} IS TRUE" if _is_flag(table, name) else "{} IS NOT NULL").format(sql.Identifier(alias, name))


def alive(table: ReloadTable, alias: str = "p") -> sql.Composable:
    """Return the opposite condition of ``marked``: the row counts as being in production."""
    if table.options.soft_delete_column is None:
        return sql.SQL("true")
    return sql.SQL("NOT ({})").format(marked(table, alias))


def unmarked(table: ReloadTable, held: sql.Composable) -> sql.Composable:
    """Return the value without a mark that replaces ``held``, the row's value in the column that marks rows as deleted.

    Only for tables that have such a column.
    """
    # A flag without a mark may be false or NULL; users have either, so a value without a mark is kept.
    is_flag = _is_flag(table, table.options.soft_delete_column or "")
    return sql.SQL("CASE WHEN {0} IS TRUE THEN false ELSE {0} END" if is_flag else "NULL").format(held)


def _is_flag(table: ReloadTable, name: str) -> bool:
    return table.production.column(name).type == "boolean"
