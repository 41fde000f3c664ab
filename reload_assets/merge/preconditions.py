"""What must hold before a merge: the verdict, the staging tables, the tables asked for. Nothing is changed here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from psycopg import Connection
from psycopg.rows import class_row

from reload_assets.errors import LedgerError, ReloadRefused
from reload_assets.ledger.records import CheckResult, Reload, StagedTable
from reload_assets.merge.statements import MergeStatements, merge_statements, pair
from reload_assets.postgres.catalog import ForeignKey
from reload_assets.postgres.session import lock_against_writers
from reload_assets.postgres.statements import compose, run
from reload_assets.tables import ReloadTable


class NeverMergeable(ReloadRefused):
    """A refusal that no second try can fix: the reload is over, its window has to be loaded again."""


def require_mergeable(
    connection: Connection[Any], reload: Reload, tables: Sequence[ReloadTable], zone: ZoneInfo
) -> list[MergeStatements]:
    """The plans of a reload's tables, once everything that the merge stands on is known to hold and is locked.

    The locks last until the end of the caller's transaction. Raises ReloadRefused.
    """
    locked = run(
        connection,
        "merge/1_preconditions:lock_window",
        group_name=reload.group_name,
        window_start=reload.window_start,
        window_end=reload.window_end,
    ).fetchone()
    if not locked or not locked[0]:
        raise ReloadRefused(f"The window of {reload.title} is being merged already; wait for that merge to end.")
    _require_verdict(connection, reload)
    _require_same_tables(reload, tables)
    with connection.cursor(row_factory=class_row(StagedTable)) as cursor:
        staged = {
            row.table_name: row
            for row in cursor.execute(compose("ledger/read:list_tables"), {"reload_id": reload.reload_id})
        }
    plans = merge_statements(reload, tables, staged, zone)
    for plan in plans:
        _require_staging(connection, plan)
    return plans


def count_verified(connection: Connection[Any], plan: MergeStatements) -> tuple[int, datetime]:
    """How many rows of a whole staging table lie in the window, and when that was counted (UTC).

    Raises NeverMergeable where it has not as many rows as were verified.
    """
    counted = plan.run(connection, "1_preconditions:count_staged").fetchone()
    assert counted is not None
    rows, in_window, counted_at = counted
    if rows != plan.staged.staged_rows:
        raise NeverMergeable(
            f"{plan.reload.title}: {plan.staged.staging_schema}.{plan.staged.staging_table} has {rows} rows, but "
            f"{plan.staged.staged_rows} were verified; reload the window again."
        )
    return in_window, counted_at


def require_late_parents(connection: Connection[Any], plans: Sequence[MergeStatements]) -> None:
    """Every staged row finds its parents, in production or in this reload, where those are not merged before it:
    rows of its own table, and of tables that come later. Raises NeverMergeable.
    """
    by_target = {plan.table.target: plan for plan in plans}
    for plan in plans:
        for key in plan.table.production.foreign_keys:
            parent = by_target.get(key.parent)
            if parent is None or parent.position < plan.position:
                continue
            if pieces := plan.parent_pieces(key, parent):
                found = plan.run(connection, "1_preconditions:find_missing_parents", pieces).fetchone()
                refuse_parentless(plan, key, found, True)


def refuse_parentless(
    plan: MergeStatements, key: ForeignKey, found: tuple[int, list[list[str]], list[list[str]]] | None, in_reload: bool
) -> None:
    """Raise NeverMergeable where rows were found that want a parent; ``in_reload``: the reload has the parent's table.

    ``found`` is their number, and in lists of one a key of theirs and what it refers to.
    """
    assert found is not None
    missing, child, reference = found
    if not missing:
        return
    target = key.parent
    example = f"{plan.key_of(child[0])} wants {pair(key.parent_columns, reference[0])}"
    fix = f"reload the window in which the {key.parent_table} changed"
    if not in_reload:
        fix = f"add {key.parent_table} to the selection, or {fix}"
    raise NeverMergeable(
        f"{plan.reload.title} is not merged: {missing} staged row(s) of {plan.table.name} refer to rows "
        f"of {target} that are neither in production nor staged in this reload, for example {example}; "
        f"{fix}."
    )


def _require_verdict(connection: Connection[Any], reload: Reload) -> None:
    row = run(connection, "merge/1_preconditions:lock_reload", reload_id=reload.reload_id).fetchone()
    if row is None:
        raise LedgerError(f"The ledger admin.reloads has no reload {reload.reload_id}; look for its id there.")
    status, _, error = row
    if status == "merged":
        raise ReloadRefused(f"{reload.title} is merged already; reload the window again.")
    if status in ("failed", "cancelled"):
        raise ReloadRefused(f"{reload.title} has ended as {status} ({error}); reload the window again.")
    with connection.cursor(row_factory=class_row(CheckResult)) as cursor:
        checks = cursor.execute(compose("ledger/checks:list_checks"), {"reload_id": reload.reload_id}).fetchall()
    for check in checks:
        if check.blocking and check.status != "passed":
            fix = "run the checks" if check.status == "pending" else "fix its cause and reload the window again"
            raise ReloadRefused(
                f"{reload.title} is not verified: the check {check.check_name} of {check.table_name} is "
                f"{check.status}{f' ({check.detail})' if check.detail else ''}; {fix}."
            )
    if status not in ("verified", "merging"):
        raise ReloadRefused(f"{reload.title} is {status}, not verified; load it and run its checks first.")


def _require_same_tables(reload: Reload, tables: Sequence[ReloadTable]) -> None:
    given, loaded = {table.name for table in tables}, set(reload.tables)
    if left_out := sorted(loaded - given):
        raise ReloadRefused(
            f"{reload.title} loaded {', '.join(left_out)} too, which the merge was asked to leave out; merge all of "
            "its tables together, or reload the window for the ones you want."
        )
    if unknown := sorted(given - loaded):
        raise ReloadRefused(
            f"{reload.title} did not load {', '.join(unknown)}, which the merge was asked for; leave them out, or "
            "reload the window with them."
        )


def _require_staging(connection: Connection[Any], plan: MergeStatements) -> None:
    known = plan.staged
    place = f"{known.staging_schema}.{known.staging_table}"
    found = plan.run(connection, "1_preconditions:find_staging").fetchone()
    oid = found[0] if found else None
    if oid is None:
        raise NeverMergeable(f"{plan.reload.title}: its staging table {place} is gone; reload the window again.")
    if oid != known.staging_oid:
        raise NeverMergeable(
            f"{plan.reload.title}: {place} is not the staging table that was verified but another one of that name; "
            "reload the window again."
        )
    lock_against_writers(connection, known.staging_schema, known.staging_table)
