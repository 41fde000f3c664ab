"""Corrects single columns of rows that CDC writes again and again, each under its lock."""

from __future__ import annotations

import logging
from functools import partial
from typing import Any

import psycopg
from psycopg import Connection

from reload_assets.confirm.refusals import Refusal, is_refusal, reason_of, turned_away
from reload_assets.confirm.statements import ConfirmStatements
from reload_assets.merge import Patience
from reload_assets.postgres.connection import TargetDatabase
from reload_assets.postgres.session import check_constraints
from reload_assets.postgres.statements import run
from reload_assets.postgres.transaction import Contended, Transactions

_LOG = logging.getLogger(__name__)


def patch_rows(
    target: TargetDatabase,
    connection: Connection[Any],
    plan: ConfirmStatements,
    patience: Patience,
) -> int:
    """Give the columns that were never read equal the source's values. Returns how many rows were changed.

    A column is written only while it has the value that was noted before the source was read: whatever CDC has set
    since is left alone. Rows whose lock is not to be had within the lock timeout wait for the next pass, and so do all
    where somebody waits for them longer than the stall limit. A row that production does not take as it was to be gets
    the verdict blocked and its reason.
    """
    limits = {"lock_timeout_ms": patience.lock_timeout_ms, "stall_limit_ms": patience.stall_limit_ms}
    # The next pass is the other attempt: it reads both sides again.
    with Transactions(target, connection, **limits, attempts=1) as transactions:
        try:
            return transactions.run("confirm", partial(_patch_numbered, connection, plan))
        except Contended as error:
            _LOG.info("confirm: rows of %s are left for the next pass: %s", plan.merge.table.target, error)
            return 0


def _patch_numbered(connection: Connection[Any], plan: ConfirmStatements) -> int:
    plan.run(connection, "7_patch:lock_patches")
    plan.run(connection, "7_patch:number_patches")
    row = plan.run(connection, "7_patch:count_patches").fetchone()
    assert row is not None
    patched = _patch(connection, plan, 1, row[0])
    run(
        connection,
        "ledger/confirm:add_corrections",
        reload_id=plan.merge.reload.reload_id,
        table_name=plan.merge.table.name,
        inserted=0,
        updated=patched,
        deleted=0,
    )
    return patched


def _patch(connection: Connection[Any], plan: ConfirmStatements, first: int, last: int) -> int:
    """Correct the rows of these numbers; where production refuses, half of them at a time, until one stands alone."""
    if first > last:
        return 0
    table = plan.merge.table
    numbers = {"first": first, "last": last}
    try:
        with connection.transaction():
            patched = plan.run(connection, "7_patch:patch_rows", **numbers).rowcount
            # Constraints that would wait for the commit are asked now, while there is something to be said of the row.
            check_constraints(connection)
            if patched != last - first + 1 or plan.run(connection, "7_patch:find_unpatched", **numbers).fetchone():
                raise Refusal(turned_away(table))
            plan.run(connection, "7_patch:end_patches", **numbers)
            return int(patched)
    except (Refusal, psycopg.Error) as error:
        if isinstance(error, psycopg.Error) and not is_refusal(error):
            raise
        if first < last:
            middle = (first + last) // 2
            return _patch(connection, plan, first, middle) + _patch(connection, plan, middle + 1, last)
        reason = error.reason if isinstance(error, Refusal) else reason_of(table, error)
        _LOG.info("%s: a correction of %s was refused: %s", plan.merge.reload.title, table.target, reason)
        plan.run(connection, "7_patch:refuse_patch", number=first, refusal=reason)
        return 0
