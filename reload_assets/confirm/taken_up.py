"""The keys that reloads wrote, by the audit: this one's, and those of earlier ones that were never confirmed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from psycopg import Connection
from psycopg.errors import DataError, IntegrityError

from reload_assets.confirm.statements import ConfirmStatements
from reload_assets.postgres.statements import run


def collect_written(
    connection: Connection[Any], plan: ConfirmStatements, reload_id: int, taken_up: Iterable[int]
) -> list[str]:
    """Collect the keys of a table that ``taken_up`` reloads wrote, of which ``reload_id`` is the one that is confirmed.

    Returns a clause for each earlier reload whose keys are left out. The table's key was another one then: it had other
    columns, or a type whose values today's does not take.
    """
    return _each(connection, plan, "1_keys:collect_written", reload_id, taken_up, {})


def mark_written(connection: Connection[Any], plan: ConfirmStatements, group: str, reload_id: int) -> list[str]:
    """Mark the collected keys that earlier, unconfirmed reloads wrote whose selections do not overlap by a window.

    Returns clauses as ``collect_written`` does.
    """
    others = [found for (found,) in plan.run(connection, "1_keys:find_others", group_name=group).fetchall()]
    return _each(connection, plan, "1_keys:mark_written", reload_id, others, {"group_name": group})


def _each(
    connection: Connection[Any],
    plan: ConfirmStatements,
    section: str,
    reload_id: int,
    writers: Iterable[int],
    more: Mapping[str, Any],
) -> list[str]:
    left_out = []
    for written_by in writers:
        values = {"reload_id": written_by, "table_name": plan.merge.table.name}
        try:
            with connection.transaction():
                plan.run(connection, section, **values, **more)
        except (DataError, IntegrityError):
            if written_by == reload_id:
                raise
            row = run(connection, "confirm/1_keys:count_written", **values).fetchone()
            assert row is not None
            left_out.append(
                f"{row[0]} rows of {plan.merge.table.target} that reload {written_by} wrote and nobody confirmed were "
                f"left out, as the key of the table was another one then"
            )
    return left_out
