"""Finds the rows of production, the holders, that have a unique value which a row of the source needs.

If the source no longer has such a holder, it has to go before the row can be written, as the policy for orphans says.
Only a confirm can tell, because it reads the source again. So a merge withholds the row for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from psycopg import Connection, sql

from reload_assets.ledger.records import Reload
from reload_assets.merge.index_values import condition, holds_value, indexed, read_columns
from reload_assets.merge.pieces import HolderPieces, OwnParentPieces
from reload_assets.merge.statements import MergeStatements, both, comma, in_staging, texts
from reload_assets.postgres.catalog import UniqueIndex
from reload_assets.soft_delete import alive
from reload_assets.tables import ReloadTable


def unique_indexes(table: ReloadTable) -> list[UniqueIndex]:
    """Return the unique indexes whose values are known from the source's columns, except those that hold the key.

    Two rows never have the same values in an index that holds the key. If the reload is limited to
    columns, only the indexes over these count: the other values stay as they are.
    """
    known = {column.name for column in table.columns} | {table.options.soft_delete_column}
    key = {column.name for column in table.key}
    return [
        index
        for index in table.production.unique_indexes
        if known.issuperset(read := read_columns(table, index)) and not key.issubset(index.key_columns)
        if table.limited_to is None or read.intersection(table.limited_to)
    ]


def freed_indexes(table: ReloadTable) -> list[UniqueIndex]:
    """Return the unique indexes whose values become free when an orphan is removed as its policy says.

    A row that is marked as deleted keeps its values, except in an index whose condition leaves marked rows out. A
    reload that is limited to columns removes no row.
    """
    policy, mark = table.options.orphans, table.options.soft_delete_column
    if policy == "report" or table.limited_to is not None:
        return []
    return [
        index for index in unique_indexes(table) if policy == "delete" or (index.predicate and mark in index.columns)
    ]


def kept_indexes(table: ReloadTable) -> list[UniqueIndex]:
    """Return the unique indexes in which a row that is marked as deleted keeps its values."""
    if table.options.orphans != "soft_delete" or table.limited_to is not None:
        return []
    freed = freed_indexes(table)
    return [index for index in unique_indexes(table) if index not in freed]


def holder_pieces(statements: MergeStatements, index: UniqueIndex) -> HolderPieces:
    """Return the pieces by which the merge finds the holders of an index's values."""
    in_holder = statements.numbered("h")
    return HolderPieces(
        d_indexed=indexed(statements.table, index, statements.in_delta),
        p_holds_value_of_w=holds_value(index),
        p_can_let_go=can_let_go(statements.table, index),
        p_is_unmarked=alive(statements.table),
        holder_window_column=statements.table.window.name,
        h_is_d=statements.same_key(in_holder, statements.in_delta),
        h_is_t=statements.same_key(in_holder, statements.numbered("t")),
        h_is_s=statements.same_key(in_holder, in_staging),
        h_key_texts=texts(in_holder(column) for column in statements.table.key),
    )


def can_let_go(table: ReloadTable, index: UniqueIndex) -> sql.Composable:
    """Return the SQL condition that removing the production row ``p``, as the policy says, frees its values."""
    mark = table.options.soft_delete_column
    if table.options.orphans != "soft_delete" or mark is None:
        return sql.SQL("true")
    set_mark = sql.SQL("true" if table.production.column(mark).type == "boolean" else "localtimestamp")
    values = [
        sql.SQL("{} AS {}").format(set_mark if name == mark else sql.Identifier("p", name), sql.Identifier(name))
        for name in index.columns
    ]
    return sql.SQL("({} AND (SELECT {} FROM (SELECT {}) AS m) IS NOT TRUE)").format(
        alive(table), condition(index), comma(values)
    )


def withhold_takers(connection: Connection[Any], statements: MergeStatements) -> bool:
    """Withhold the rows of the delta that wait for a holder, and those that wait for such a row in turn.

    Returns whether there are any.
    """
    indexes = [holder_pieces(statements, index) for index in freed_indexes(statements.table)]
    own = own_parent_pieces(statements)
    while any(statements.run(connection, "2_judge:withhold_takers", pieces).rowcount for pieces in indexes):
        for parents in own:
            while statements.run(connection, "2_judge:withhold_own_children", parents).rowcount:
                pass
    return bool(indexes and statements.run(connection, "2_judge:refuse_withheld").rowcount)


def own_parent_pieces(statements: MergeStatements) -> Sequence[OwnParentPieces]:
    """Return the pieces about each foreign key that refers to its own table."""
    in_parent, found = statements.numbered("t"), []
    for key in statements.table.production.foreign_keys:
        columns = statements.staged_columns(key.columns)
        parents = statements.staged_columns(key.parent_columns) if key.parent == statements.table.target else None
        if columns and parents:
            pairs = zip(parents, columns, strict=True)
            equal = (sql.SQL("{} = {}").format(in_parent(one), statements.in_delta(other)) for one, other in pairs)
            found.append(OwnParentPieces(both(equal)))
    return found


def shown(table: ReloadTable, key: str, window: str | None) -> str:
    """Return a holder as messages name it: its key, and its place in time."""
    if window is None:
        return f"{key}, whose {table.window.name} is NULL so that it lies in no window"
    return f"{key}, whose {table.window.name} is {window}"


def elsewhere(reload: Reload) -> str:
    """Return how a row that this reload did not load is reloaded, so that its values become free."""
    return "reload the window of that time" if reload.window else "reload both rows by one list of keys"


def selection(reload: Reload) -> str:
    """Return what this reload selects, as advice names it."""
    return "this window" if reload.window else "these keys"


def advice(reload: Reload, table: ReloadTable, index: UniqueIndex, is_marked: bool) -> str:
    """Return what to do about a holder that no reload removes."""
    kept = f"a row that is marked as deleted keeps its values in {index.name}"
    if is_marked:
        return f"{kept}; replace it by a unique index WHERE no row is marked, or delete the row in production"
    first = " first" if reload.window else ""
    other = f"if it has, {elsewhere(reload)}{first}"
    if table.limited_to is not None:
        whole = ", whole rows, first" if reload.window else ""
        return f"a repair of columns removes no row: {elsewhere(reload)}{whole}"
    if index in kept_indexes(table):
        return f"if the source no longer has that row, delete it in production, because {kept}; {other}"
    if table.options.orphans == "report":
        remove = f"delete it in production, or set orphans: delete and reload {selection(reload)} instead"
        return f"if the source no longer has that row, {remove}; {other}"
    return f"a reload removes that row first if the source no longer has it; {other}"
