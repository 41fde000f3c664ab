"""Checks what must hold before a merge: the verdict, the staging tables and the list of tables. Changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from psycopg import Connection
from psycopg.rows import class_row

from reload_assets.errors import in_brackets
from reload_assets.errors.merge import ParentMissing
from reload_assets.errors.reloads import (
    AlreadyMerged,
    MergeBusy,
    NotVerified,
    OtherTables,
    ReloadEnded,
    ReloadUnknown,
    StagingChanged,
    StagingGone,
    StagingReplaced,
)
from reload_assets.ledger.records import CheckResult, Reload, StagedTable
from reload_assets.merge.statements import MergeStatements, merge_statements, pair
from reload_assets.postgres.catalog import ForeignKey
from reload_assets.postgres.session import lock_against_writers
from reload_assets.postgres.statements import compose, run
from reload_assets.tables import ReloadTable

# What helps where a check keeps a reload from being merged, by the check's status.
_FIXES = {
    "pending": "run the checks",
    "could not verify": "fix its cause and run the checks of staging again",
    "failed": "fix its cause and reload the window again",
}


def require_mergeable(
    connection: Connection[Any], reload: Reload, tables: Sequence[ReloadTable], zone: ZoneInfo
) -> list[MergeStatements]:
    """Check and lock everything that the merge depends on. Returns the statements of each table.

    The locks last until the end of the caller's transaction. Raises ReloadRefused.
    """
    locked = run(
        connection,
        "merge/1_preconditions:lock_selection",
        group_name=reload.group_name,
        selected=reload.selected,
    ).fetchone()
    if not locked or not locked[0]:
        raise MergeBusy(reload.title)
    _require_verdict(connection, reload)
    _require_same_tables(reload, tables)
    with connection.cursor(row_factory=class_row(StagedTable)) as cursor:
        staged = {
            row.table_name: row
            for row in cursor.execute(compose("ledger/read:list_tables"), {"reload_id": reload.reload_id})
        }
    all_statements = merge_statements(reload, tables, staged, zone)
    for statements in all_statements:
        _require_staging(connection, statements)
    return all_statements


def count_verified(connection: Connection[Any], statements: MergeStatements) -> tuple[int, datetime]:
    """Return how many rows of a whole staging table are selected, and when they were counted (UTC).

    Raises NeverMergeable if the number of rows is not the one that was verified.
    """
    counted = statements.run(connection, "1_preconditions:count_staged").fetchone()
    assert counted is not None
    rows, selected, counted_at = counted
    if rows != statements.staged.staged_rows:
        place = f"{statements.staged.staging_schema}.{statements.staged.staging_table}"
        raise StagingChanged(statements.reload.title, place, rows, statements.staged.staged_rows)
    return selected, counted_at


def require_late_parents(connection: Connection[Any], all_statements: Sequence[MergeStatements]) -> None:
    """Require a parent in production or in this reload for every staged row, where the parent is not merged before it.

    Such parents are rows of the same table, or of a table that is merged later. Where only columns are repaired, the
    constraint itself decides: not every staged row is written then. Raises MergeFailed.
    """
    by_target = {statements.table.target: statements for statements in all_statements}
    for statements in (one for one in all_statements if one.table.limited_to is None):
        for key in statements.table.production.foreign_keys:
            parent = by_target.get(key.parent_in(by_target) or "")
            if parent is None or parent.position < statements.position:
                continue
            if pieces := statements.parent_pieces(key, parent):
                found = statements.run(connection, "1_preconditions:find_missing_parents", pieces).fetchone()
                refuse_parentless(statements, key, found, True)


def refuse_parentless(
    statements: MergeStatements,
    key: ForeignKey,
    found: tuple[int, list[list[str]], list[list[str]]] | None,
    in_reload: bool,
) -> None:
    """Raise MergeFailed if rows without a parent were found. ``in_reload``: the reload has the parent's table.

    ``found`` is their number, then two lists of one element: the key of such a row, and the values it refers to.
    """
    assert found is not None
    missing, child, reference = found
    if not missing:
        return
    example = f"{statements.key_of(child[0])} wants {pair(key.parent_columns, reference[0])}"
    group = statements.reload.group_name
    fix = f"reload the window in which the {key.parent_table} changed, then materialize production of this one again"
    reloaded_by = statements.table.parent_groups.get(key.parent, group)
    if reloaded_by != group:
        fix = f"group {reloaded_by} reloads that table: {fix}"
    elif not in_reload:
        fix = f"reload this window with {key.parent_table} too; or {fix}"
    raise ParentMissing(statements.reload.title, missing, statements.table.name, key.parent, example, fix)


def not_verified(reload: Reload, unpassed: Sequence[CheckResult]) -> NotVerified:
    """Return the error that names the checks that keep a reload from being merged, and what to do about the first."""
    found = "; ".join(
        f"the check {check.check_name} of {check.table_name} is {check.status}{in_brackets(check.detail)}"
        for check in unpassed
    )
    return NotVerified(reload.title, found, _FIXES[unpassed[0].status])


def _require_verdict(connection: Connection[Any], reload: Reload) -> None:
    row = run(connection, "merge/1_preconditions:lock_reload", reload_id=reload.reload_id).fetchone()
    if row is None:
        raise ReloadUnknown(reload.reload_id)
    status, _, error = row
    if status == "merged":
        raise AlreadyMerged(reload.title)
    with connection.cursor(row_factory=class_row(CheckResult)) as cursor:
        checks = cursor.execute(compose("ledger/checks:list_checks"), {"reload_id": reload.reload_id}).fetchall()
    unpassed = [check for check in checks if check.blocking and check.status != "passed"]
    # One whose merge failed has been verified, and its staged rows are still there.
    if status == "cancelled" or (status == "failed" and (unpassed or not checks)):
        raise ReloadEnded(reload.title, status, error)
    if unpassed:
        raise not_verified(reload, unpassed)
    if status not in ("verified", "merging", "failed"):
        raise NotVerified(reload.title, f"it is {status}", "load it and run its checks first")


def _require_same_tables(reload: Reload, tables: Sequence[ReloadTable]) -> None:
    given, loaded = {table.name for table in tables}, set(reload.tables)
    if left_out := sorted(loaded - given):
        raise OtherTables(reload.title, left_out=", ".join(left_out))
    if unknown := sorted(given - loaded):
        raise OtherTables(reload.title, unknown=", ".join(unknown))


def _require_staging(connection: Connection[Any], statements: MergeStatements) -> None:
    known = statements.staged
    place = f"{known.staging_schema}.{known.staging_table}"
    found = statements.run(connection, "1_preconditions:find_staging").fetchone()
    oid = found[0] if found else None
    if oid is None:
        raise StagingGone(statements.reload.title, place)
    if oid != known.staging_oid:
        raise StagingReplaced(statements.reload.title, place)
    lock_against_writers(connection, known.staging_schema, known.staging_table)
