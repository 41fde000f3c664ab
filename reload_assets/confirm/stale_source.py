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

from reload_assets.confirm.reread import SourceRows
from reload_assets.confirm.statements import ConfirmStatements, Reading, read_again
from reload_assets.errors.source import SourceStale
from reload_assets.merge.judge import newer
from reload_assets.merge.statements import both, in_production
from reload_assets.postgres.statements import Part
from reload_assets.tables import ReloadColumn

# DMS filters know whole seconds only.
_MINUTE = timedelta(minutes=1)
# The source itself may show a row old, new and old again, but hardly as often as this in succession.
_ROUNDS = 3


def require_current(
    connection: Connection[Any], plans: Sequence[ConfirmStatements], source: SourceRows, arbiter: SourceRows
) -> int:
    """Let no correction be made of a row that the source connection shows too old; how many rows were in doubt.

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
            plan.run(connection, "drop_table", {"table": _older(plan)})
    return sum(doubts)


def _judge(
    connection: Connection[Any], plans: Sequence[ConfirmStatements], source: SourceRows, arbiter: SourceRows
) -> None:
    for plan in plans:
        plan.run(connection, "create_rows", {"rows": _late(plan)})
    try:
        stale: list[str] = []
        for _ in range(_ROUNDS):
            _read(connection, plans, source, arbiter)
            if not (stale := [told for plan in plans if (told := _stale(connection, plan))]):
                return
    finally:
        for plan in plans:
            plan.run(connection, "drop_table", {"table": _late(plan)})
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
            _read_where_seen(connection, plan, arbiter)
    read_again(connection, source, [Reading(plan, _older(plan), everything, _late(plan)) for plan in plans])


def _stale(connection: Connection[Any], plan: ConfirmStatements) -> str | None:
    """Say which rows the connection shows older than DMS; None if there are none."""
    row = plan.run(connection, "count_older", _parts(plan)).fetchone()
    assert row is not None
    return f"{row[0]} rows of {plan.merge.table.source_table} (keys {'; '.join(row[1])})" if row[0] else None


def _read_where_seen(connection: Connection[Any], plan: ConfirmStatements, arbiter: SourceRows) -> None:
    """Read by DMS, whose filters cannot find these keys, where the load or CDC has last seen their newer rows."""
    row = plan.run(connection, "bound_older", _parts(plan)).fetchone()
    assert row is not None
    plan.run(connection, "empty_table", {"table": plan.again})
    if row[0] is not None:
        with connection.transaction():
            end = row[1].replace(second=0, microsecond=0) + _MINUTE
            arbiter.fill_window(connection, plan.merge.table, plan.again, (row[0], end))
    plan.run(connection, "analyze_table", {"table": plan.again})


def _older(plan: ConfirmStatements) -> str:
    return f"confirm_older_{plan.merge.position}"


def _late(plan: ConfirmStatements) -> str:
    return f"confirm_late_{plan.merge.position}"


def _find(connection: Connection[Any], plan: ConfirmStatements) -> int:
    return plan.run(connection, "find_older", _parts(plan)).rowcount


def _parts(plan: ConfirmStatements) -> dict[str, Part]:
    table = plan.merge.table
    in_late, in_staged, in_key = (_named(plan, alias) for alias in ("l", "s", "k"))
    return {
        "older": _older(plan),
        "staged_window": plan.merge.numbers[table.window.name],
        "late": _late(plan),
        "same_staged": _same(plan, in_staged),
        "same_late": _same(plan, in_late),
        "same_place": _same(plan, in_key),
        "older_than_staged": newer(table, in_staged, plan.in_row),
        "older_than_production": newer(table, in_production, plan.in_row),
        "carried_since": newer(table, in_production, in_staged),
        "late_is_older": newer(table, plan.in_again, in_late),
    }


def _named(plan: ConfirmStatements, alias: str) -> Any:
    def named(column: ReloadColumn) -> sql.Composable:
        return sql.Identifier(alias, plan.merge.numbers[column.name])

    return named


def _same(plan: ConfirmStatements, named: Any) -> sql.Composable:
    return both(
        sql.SQL("{} = {}").format(named(column), plan.merge.in_delta(column)) for column in plan.merge.table.key
    )
