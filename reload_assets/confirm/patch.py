"""Corrects single columns of rows that CDC writes again and again, each under its lock."""

from __future__ import annotations

import logging
from typing import Any

from psycopg import Connection, errors

from reload_assets.confirm.statements import ConfirmStatements
from reload_assets.postgres.session import set_up
from reload_assets.postgres.statements import run

_LOG = logging.getLogger(__name__)
_MET_A_LOCK = (errors.LockNotAvailable, errors.DeadlockDetected, errors.SerializationFailure)


def patch_rows(connection: Connection[Any], plan: ConfirmStatements, lock_timeout_ms: int, stall_limit_ms: int) -> int:
    """Give the columns that were never read equal the source's values. Returns how many rows were changed.

    A column is written only while it has the value that was noted before the source was read: whatever CDC has set
    since is left alone. Rows whose lock is not to be had within ``lock_timeout_ms`` wait for the next pass.
    """
    try:
        with connection.transaction():
            set_up(connection, lock_timeout_ms, stall_limit_ms)
            plan.run(connection, "lock_moving")
            patched = plan.run(connection, "patch_rows").rowcount
            run(
                connection,
                "ledger/add_corrections",
                reload_id=plan.merge.reload.reload_id,
                table_name=plan.merge.table.name,
                inserted=0,
                updated=patched,
                deleted=0,
            )
            return patched
    except (*_MET_A_LOCK, errors.IntegrityError) as error:
        _LOG.info(
            "confirm: rows of %s are left for the next pass: %s", plan.merge.table.target, error.diag.message_primary
        )
        return 0
