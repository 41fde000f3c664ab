"""Corrects single columns of rows that CDC writes again and again, under a lock on each row."""

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
    statements: ConfirmStatements,
    patience: Patience,
) -> int:
    """Set columns that were never read equal to the source's values. Returns how many rows were changed.

    A column is written only if it still has the value that was noted before the source was read, so a value that CDC
    has set since stays. Rows that cannot be locked within the lock timeout wait for the next pass. All rows wait for it
    if another session waits longer than the stall limit. A row that production refuses, or changes otherwise than
    asked, gets the verdict blocked, with the reason.
    """
    limits = {"lock_timeout_ms": patience.lock_timeout_ms, "stall_limit_ms": patience.stall_limit_ms}
    # One attempt only: the next pass reads both sides again and tries again.
    with Transactions(target, connection, **limits, attempts=1) as transactions:
        try:
            return transactions.run("confirm", partial(_patch_numbered, connection, statements))
        except Contended as error:
            _LOG.info("confirm: rows of %s are left for the next pass: %s", statements.merge.table.target, error)
            return 0


def _patch_numbered(connection: Connection[Any], statements: ConfirmStatements) -> int:
    statements.run(connection, "7_patch:lock_patches")
    statements.run(connection, "7_patch:number_patches")
    row = statements.run(connection, "7_patch:count_patches").fetchone()
    assert row is not None
    patched = _patch(connection, statements, 1, row[0])
    run(
        connection,
        "ledger/confirm:add_corrections",
        reload_id=statements.merge.reload.reload_id,
        table_name=statements.merge.table.name,
        inserted=0,
        updated=patched,
        deleted=0,
    )
    return patched


def _patch(connection: Connection[Any], statements: ConfirmStatements, first: int, last: int) -> int:
    """Correct the rows with these numbers. If production refuses, halve the range until one row is alone."""
    if first > last:
        return 0
    table = statements.merge.table
    numbers = {"first": first, "last": last}
    try:
        with connection.transaction():
            patched = statements.run(connection, "7_patch:patch_rows", **numbers).rowcount
            # Deferred constraints are checked now, while the refused row can still be named.
            check_constraints(connection)
            if (
                patched != last - first + 1
                or statements.run(connection, "7_patch:find_unpatched", **numbers).fetchone()
            ):
                raise Refusal(turned_away(table))
            statements.run(connection, "7_patch:end_patches", **numbers)
            return int(patched)
    except (Refusal, psycopg.Error) as error:
        if isinstance(error, psycopg.Error) and not is_refusal(error):
            raise
        if first < last:
            middle = (first + last) // 2
            return _patch(connection, statements, first, middle) + _patch(connection, statements, middle + 1, last)
        reason = error.reason if isinstance(error, Refusal) else reason_of(table, error)
        _LOG.info("%s: a correction of %s was refused: %s", statements.merge.reload.title, table.target, reason)
        statements.run(connection, "7_patch:refuse_patch", number=first, refusal=reason)
        return 0
