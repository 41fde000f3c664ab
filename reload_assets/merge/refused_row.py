"""Finds the staged row that production refused, because PostgreSQL names the constraint but seldom the row."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg import Connection, sql
from psycopg.errors import UndefinedColumn

from reload_assets.errors import MergeFailed, TargetError
from reload_assets.errors.merge import (
    ColumnWithoutDefault,
    MergeStatementFailed,
    PartitionMissing,
    RowRefused,
    ValueHeld,
)
from reload_assets.merge.holders import advice, holder_pieces, shown, unique_indexes
from reload_assets.merge.pieces import CheckPieces, NullPieces
from reload_assets.merge.statements import MergeStatements
from reload_assets.postgres.connection import TargetDatabase
from reload_assets.postgres.refused import lacks_partition
from reload_assets.postgres.session import set_locally

_PATIENCE = "30s"
_LOG = logging.getLogger(__name__)

_UNIQUE, _FOREIGN_KEY, _NOT_NULL, _CHECK, _EXCLUSION = "23505", "23503", "23502", "23514", "23P01"
_RESTRICT = "23001"
_KINDS = {
    _UNIQUE: "unique constraint",
    _FOREIGN_KEY: "foreign key",
    _RESTRICT: "foreign key",
    _NOT_NULL: "column",
    _CHECK: "check constraint",
    _EXCLUSION: "exclusion constraint",
}


def explain(
    target: TargetDatabase,
    head: str,
    all_statements: Sequence[MergeStatements],
    current: MergeStatements | None,
    error: psycopg.Error,
) -> MergeFailed:
    """Return the error that explains in one sentence why a merge failed. The merge has been rolled back by now.

    ``current`` was being merged. ``head`` begins the sentence: it says in what state the merge is.
    """
    diag = error.diag
    # Deferred constraints and triggers come after the last table, when none is current any more. An exception that a
    # trigger raises names no table.
    named = (diag.schema_name, diag.table_name)
    of_table = [one for one in all_statements if (one.table.production.schema, one.table.production.name) == named]
    asked = [current] if current else of_table or all_statements
    statements = asked[0] if len(asked) == 1 else None
    said = " ".join(part for part in (diag.message_primary, diag.message_detail) if part) or str(error).strip()
    state = error.sqlstate or ""
    of_row = state[:2] in ("22", "23", "P0")
    if statements is None or not of_row:
        places = [one.table.target for one in asked] if of_row else [current.table.target] if current else []
        place = f"{', '.join(places)}: " if places else ""
        return MergeStatementFailed(head, f"{place}PostgreSQL says {said!r} (SQLSTATE {state or 'none'})")
    where = statements.table.target
    if state == _NOT_NULL and diag.column_name and statements.staged_columns([diag.column_name]) is None:
        return ColumnWithoutDefault(head, f"{where}.{diag.column_name}")
    if lacks_partition(error):
        # A table that is a partition itself is refused with the whole row instead of its partition key.
        is_key = (diag.message_detail or "").startswith("Partition key")
        return PartitionMissing(head, where, said if is_key else diag.message_primary or said)
    rule = diag.column_name if state == _NOT_NULL else diag.constraint_name
    because = f"{_KINDS[state]} {rule}" if rule and state in _KINDS else f"SQLSTATE {state}"
    if state in (_UNIQUE, _EXCLUSION) and (held := _find_holder(target, statements, rule or "", head)):
        return held
    key = _find(target, all_statements, statements, state, rule or "")
    # For the other constraints PostgreSQL's detail holds the whole row, whose values do not belong in a message.
    names_values_only = state in (_UNIQUE, _FOREIGN_KEY, _RESTRICT, _EXCLUSION)
    if key is None:
        shown_words = said if names_values_only else diag.message_primary or said
        return RowRefused(head, f"{where} refuses a staged row ({because}): {shown_words!r}")
    detail = f": {said!r}" if names_values_only else ""
    return RowRefused(head, f"{where} refuses the staged row {key} ({because}){detail}")


def _find_holder(target: TargetDatabase, statements: MergeStatements, rule: str, head: str) -> ValueHeld | None:
    """Return the error that names the row of production which has a staged row's unique value; None if none has."""
    table = statements.table
    index = next((index for index in unique_indexes(table) if index.name == rule), None)
    if index is None:
        return None
    try:
        with target.connect() as connection:
            set_locally(connection, statement_timeout=_PATIENCE)
            found = statements.run(connection, "6_refused_row:find_holder", holder_pieces(statements, index)).fetchone()
    except (psycopg.Error, TargetError):
        _LOG.warning("%s: the holder of a value could not be looked up", statements.reload.title, exc_info=True)
        return None
    if found is None:
        return None
    key, holder_key, window, is_marked = found
    holder = shown(table, statements.key_of(holder_key), window)
    row = f"{statements.key_of(key)} of {table.target}"
    reload = statements.reload
    return ValueHeld(head, row, rule, holder, advice(reload, table, index, is_marked), again=reload.window is not None)


def _find(
    target: TargetDatabase,
    all_statements: Sequence[MergeStatements],
    statements: MergeStatements,
    state: str,
    rule: str,
) -> str | None:
    """Return the key of a refused row, as messages write it; None if it cannot be found."""
    try:
        with target.connect() as connection:
            set_locally(connection, statement_timeout=_PATIENCE)
            if state == _NOT_NULL:
                found = _find_null(connection, statements, rule)
            elif state == _CHECK:
                found = _find_unfit(connection, statements, rule)
            elif state == _UNIQUE:
                found = _find_rival(connection, statements, rule)
            elif state == _FOREIGN_KEY:
                found = _find_childless(connection, all_statements, statements, rule)
            else:
                found = None
    except (psycopg.Error, TargetError):
        _LOG.warning("%s: the refused row could not be looked up", statements.reload.title, exc_info=True)
        return None
    return statements.key_of(found) if found else None


def _find_null(connection: Connection[Any], statements: MergeStatements, column: str) -> list[str] | None:
    staged = statements.staged_columns([column])
    if staged is None:
        return None
    return _first(statements.run(connection, "6_refused_row:find_null", NullPieces(staged[0].staged)).fetchone())


def _find_unfit(connection: Connection[Any], statements: MergeStatements, constraint: str) -> list[str] | None:
    row = statements.run(connection, "6_refused_row:get_check", constraint=constraint).fetchone()
    if row is None:
        return None
    # PostgreSQL printed the condition from its own catalog, so it is safe to paste in.
    try:
        return _first(statements.run(connection, "6_refused_row:find_unfit", CheckPieces(sql.SQL(row[0]))).fetchone())
    except UndefinedColumn:
        # It is about a column that only production has.
        return None


def _find_rival(connection: Connection[Any], statements: MergeStatements, constraint: str) -> list[str] | None:
    unique = next((key for key in statements.table.production.unique_keys if key.name == constraint), None)
    pieces = statements.unique_pieces(unique) if unique else None
    return _first(statements.run(connection, "6_refused_row:find_rival", pieces).fetchone()) if pieces else None


def _find_childless(
    connection: Connection[Any], all_statements: Sequence[MergeStatements], statements: MergeStatements, constraint: str
) -> list[str] | None:
    key = next((key for key in statements.table.production.foreign_keys if key.name == constraint), None)
    # Staged parents do not count here: they are the ones that did not get into production.
    pieces = statements.parent_pieces(key, None) if key else None
    row = statements.run(connection, "1_preconditions:find_missing_parents", pieces).fetchone() if pieces else None
    child: list[list[str]] | None = row[1] if row else None
    return child[0] if child else None


def _first(row: tuple[list[str]] | None) -> list[str] | None:
    return row[0] if row else None
