"""Whether the source connection shows what DMS reads: an old copy of the source would take rows of production back.

A row that is read older than the load saw it, or than CDC has carried it since, is in doubt: versions can go back, and
so does the view of a standby, a restored copy or another database. DMS, by which the load came, is asked for these
rows, and then the connection once more. What it shows older than DMS did before is not the source.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from psycopg import Connection, sql

from reload_assets.confirm.pieces import OlderPieces
from reload_assets.confirm.reread import SourceRows
from reload_assets.confirm.statements import ConfirmStatements, Reading, read_again
from reload_assets.errors.source import SourceStale
from reload_assets.merge.judge import newer
from reload_assets.merge.statements import in_production
from reload_assets.postgres.session import analyze, drop_table, truncate

# DMS filters know whole seconds only.
_MINUTE = timedelta(minutes=1)
# The source itself may show a row old, new and old again, but hardly as often as this in succession.
_ROUNDS = 3


def require_current(
    connection: Connection[Any], plans: Sequence[ConfirmStatements], source: SourceRows, arbiter: SourceRows
) -> int:
    """Let no correction be made of a row that the source connection shows too old. Returns how many were in doubt.

    To be called when CDC has passed what was read. ``arbiter`` reads rows by DMS. Raises SourceUnavailable where the
    connection shows older rows than that, DmsError, LoadFailed, and psycopg's errors.
    """
    doubts = [_find(connection, plan) for plan in plans]
    in_doubt = [plan for plan, count in zip(plans, doubts, strict=True) if count]
    try:
        if in_doubt:
            _judge(connection, in_doubt, source, arbiter)
    finally:
        for plan in plans:
            drop_table(connection, None, _older(plan))
    return sum(doubts)


def _judge(
    connection: Connection[Any], plans: Sequence[ConfirmStatements], source: SourceRows, arbiter: SourceRows
) -> None:
    for plan in plans:
        plan.run(connection, "5_source_is_current:create_latest", older_pieces(plan))
    try:
        stale: list[str] = []
        for _ in range(_ROUNDS):
            _read(connection, plans, source, arbiter)
            if not (stale := [clause for plan in plans if (clause := _stale(connection, plan))]):
                return
    finally:
        for plan in plans:
            drop_table(connection, None, _latest(plan))
    raise SourceStale(", ".join(stale))


def _read(
    connection: Connection[Any], plans: Sequence[ConfirmStatements], source: SourceRows, arbiter: SourceRows
) -> None:
    """Read the rows in doubt by DMS, and then over the source connection."""
    everything = sql.SQL("true")
    by_key = [plan for plan in plans if plan.merge.table.filter_column is not None]
    read_again(connection, arbiter, [Reading(plan, _older(plan), everything, plan.again) for plan in by_key])
    for plan in plans:
        if plan.merge.table.filter_column is None:
            _read_newer(connection, plan, arbiter)
    read_again(connection, source, [Reading(plan, _older(plan), everything, _latest(plan)) for plan in plans])


def _stale(connection: Connection[Any], plan: ConfirmStatements) -> str | None:
    """Say which rows the connection shows older than DMS; None if there are none."""
    row = plan.run(connection, "5_source_is_current:judge_older", older_pieces(plan)).fetchone()
    assert row is not None
    return f"{row[0]} rows of {plan.merge.table.source} (keys {'; '.join(row[1])})" if row[0] else None


def _read_newer(connection: Connection[Any], plan: ConfirmStatements, arbiter: SourceRows) -> None:
    """Read the stretch in which staging and production have newer rows by DMS, whose filters cannot find the keys."""
    row = plan.run(connection, "5_source_is_current:bound_older", older_pieces(plan)).fetchone()
    assert row is not None
    truncate(connection, None, plan.again)
    if row[0] is not None:
        with connection.transaction():
            end = row[1].replace(second=0, microsecond=0) + _MINUTE
            arbiter.fill_window(connection, plan.merge.table, plan.again, (row[0], end))
    analyze(connection, None, plan.again)


def _older(plan: ConfirmStatements) -> str:
    return f"confirm_older_{plan.merge.position}"


def _latest(plan: ConfirmStatements) -> str:
    return f"confirm_latest_{plan.merge.position}"


def _find(connection: Connection[Any], plan: ConfirmStatements) -> int:
    return plan.run(connection, "5_source_is_current:find_older", older_pieces(plan)).rowcount


def older_pieces(plan: ConfirmStatements) -> OlderPieces:
    """Compose the pieces about rows of one table that the source connection shows too old."""
    merge, table = plan.merge, plan.merge.table
    in_latest = plan.merge.numbered("l")
    return OlderPieces(
        older=_older(plan),
        latest=_latest(plan),
        numbered_window_column=merge.numbers[table.window.name],
        l_is_k=plan.merge.same_key(in_latest, plan.in_key),
        u_is_k=plan.merge.same_key(plan.merge.numbered("u"), plan.in_key),
        d_is_newer_than_r=newer(table, merge.in_delta, plan.in_row),
        p_is_newer_than_r=newer(table, in_production, plan.in_row),
        p_is_newer_than_d=newer(table, in_production, merge.in_delta),
        a_is_newer_than_l=newer(table, plan.in_again, in_latest),
    )
