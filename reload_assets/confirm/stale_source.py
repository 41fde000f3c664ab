"""Checks that the source connection shows what DMS reads, since an old copy would set production back.

A row is in doubt if the connection reads it older than the load did, or older than CDC has written it since. The source
may have set the version back, or the connection may lead to a standby, a restored copy or another database. DMS, which
did the load, reads these rows again, and then the connection reads them once more. If the connection shows rows older
than DMS did, it does not lead to the source.
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

# DMS filters only know whole seconds.
_MINUTE = timedelta(minutes=1)
# The source itself may show a row old, new and old again, but hardly this many times in succession.
_ROUNDS = 3


def require_current(
    connection: Connection[Any], all_statements: Sequence[ConfirmStatements], source: SourceRows, arbiter: SourceRows
) -> int:
    """Require that the source connection shows current rows. Returns how many rows were in doubt.

    Call it when CDC has passed what was read. ``arbiter`` reads rows by DMS. Raises SourceUnavailable if the connection
    shows older rows than DMS, DmsError, LoadFailed, and psycopg's errors.
    """
    doubts = [_find(connection, statements) for statements in all_statements]
    in_doubt = [statements for statements, count in zip(all_statements, doubts, strict=True) if count]
    try:
        if in_doubt:
            _judge(connection, in_doubt, source, arbiter)
    finally:
        for statements in all_statements:
            drop_table(connection, None, _older(statements))
    return sum(doubts)


def _judge(
    connection: Connection[Any], all_statements: Sequence[ConfirmStatements], source: SourceRows, arbiter: SourceRows
) -> None:
    for statements in all_statements:
        statements.run(connection, "5_source_is_current:create_latest", older_pieces(statements))
    try:
        stale: list[str] = []
        for _ in range(_ROUNDS):
            _read(connection, all_statements, source, arbiter)
            if not (stale := [clause for statements in all_statements if (clause := _stale(connection, statements))]):
                return
    finally:
        for statements in all_statements:
            drop_table(connection, None, _latest(statements))
    raise SourceStale(", ".join(stale))


def _read(
    connection: Connection[Any], all_statements: Sequence[ConfirmStatements], source: SourceRows, arbiter: SourceRows
) -> None:
    """Read the rows in doubt by DMS, and then over the source connection."""
    everything = sql.SQL("true")
    by_key = [statements for statements in all_statements if statements.merge.table.filter_column is not None]
    read_again(
        connection,
        arbiter,
        [Reading(statements, _older(statements), everything, statements.again) for statements in by_key],
    )
    for statements in all_statements:
        if statements.merge.table.filter_column is None:
            _read_newer(connection, statements, arbiter)
    read_again(
        connection,
        source,
        [Reading(statements, _older(statements), everything, _latest(statements)) for statements in all_statements],
    )


def _stale(connection: Connection[Any], statements: ConfirmStatements) -> str | None:
    """Return a clause about the rows that the connection shows older than DMS; None if there are none."""
    row = statements.run(connection, "5_source_is_current:judge_older", older_pieces(statements)).fetchone()
    assert row is not None
    return f"{row[0]} rows of {statements.merge.table.source_table} (keys {'; '.join(row[1])})" if row[0] else None


def _read_newer(connection: Connection[Any], statements: ConfirmStatements, arbiter: SourceRows) -> None:
    """Read by DMS the range of time in which staging and production have newer rows.

    DMS's filters cannot find the keys of this table.
    """
    row = statements.run(connection, "5_source_is_current:bound_older", older_pieces(statements)).fetchone()
    assert row is not None
    truncate(connection, None, statements.again)
    if row[0] is not None:
        with connection.transaction():
            end = row[1].replace(second=0, microsecond=0) + _MINUTE
            arbiter.fill_window(connection, statements.merge.table, statements.again, (row[0], end))
    analyze(connection, None, statements.again)


def _older(statements: ConfirmStatements) -> str:
    return f"confirm_older_{statements.merge.position}"


def _latest(statements: ConfirmStatements) -> str:
    return f"confirm_latest_{statements.merge.position}"


def _find(connection: Connection[Any], statements: ConfirmStatements) -> int:
    return statements.run(connection, "5_source_is_current:find_older", older_pieces(statements)).rowcount


def older_pieces(statements: ConfirmStatements) -> OlderPieces:
    """Compose the pieces about the rows that the source connection shows older than before."""
    merge, table = statements.merge, statements.merge.table
    in_latest = statements.merge.numbered("l")
    return OlderPieces(
        older=_older(statements),
        latest=_latest(statements),
        numbered_window_column=merge.numbers[table.window.name],
        l_is_k=statements.merge.same_key(in_latest, statements.in_key),
        u_is_k=statements.merge.same_key(statements.merge.numbered("u"), statements.in_key),
        d_is_newer_than_r=newer(table, merge.in_delta, statements.in_row),
        p_is_newer_than_r=newer(table, in_production, statements.in_row),
        p_is_newer_than_d=newer(table, in_production, merge.in_delta),
        a_is_newer_than_l=newer(table, statements.in_again, in_latest),
    )
