"""The merge in chunks: ranges of keys, each in a transaction of its own, so that nobody waits long for one.

Some tables cannot be cut. Values of a unique key may move between any two of its rows, and a row may refer to any
other of its own table: such rows have to be written together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row

from reload_assets.ledger.records import Reload, StagedTable
from reload_assets.merge.judge import written_columns
from reload_assets.merge.result import Outcomes
from reload_assets.merge.statements import KeyRange, MergeStatements
from reload_assets.postgres.statements import compose


def uncut_because(plan: MergeStatements) -> str | None:
    """Return why a table is merged in one transaction whatever its size; None where it can be cut."""
    production = plan.table.production
    written = {column.name for column in written_columns(plan.table)}
    for unique in production.unique_keys:
        if written & set(unique.columns):
            return f"values of {unique.name} may move between its rows"
    for key in production.foreign_keys:
        if key.parent == plan.table.target:
            return f"its rows refer to each other ({key.name})"
    return None


def inseparable(plans: Sequence[MergeStatements]) -> str | None:
    """Return why no table of a reload can be merged without the others; None where parents can go before children."""
    positions = {plan.table.target: plan.position for plan in plans}
    for plan in plans:
        for key in plan.table.production.foreign_keys:
            if positions.get(key.parent, 0) > plan.position:
                return f"{key.name} of {plan.table.target} refers to a table that is merged later"
    return None


def next_chunk(connection: Connection[Any], plan: MergeStatements, rows: int) -> MergeStatements:
    """Return the plan of the next ``rows`` staged rows after those that the ledger knows to be merged, or of all the
    rest.
    """
    rest = replace(plan, keys=KeyRange(after=plan.staged.merged_through))
    if uncut_because(plan):
        return rest
    found = rest.run(connection, "1_preconditions:find_chunk_end", rows=rows).fetchall()
    if len(found) < 2:
        return rest
    return replace(plan, keys=KeyRange(rest.keys.after, found[0][0]))


def merged_outcomes(connection: Connection[Any], reload: Reload) -> dict[str, Outcomes]:
    """Return the outcomes of all chunks of a reload's tables, as the ledger has them."""
    names = [field.name for field in fields(Outcomes)]
    with connection.cursor(row_factory=class_row(StagedTable)) as cursor:
        rows = cursor.execute(compose("ledger/read:list_tables"), {"reload_id": reload.reload_id}).fetchall()
    return {row.table_name: Outcomes(**{name: getattr(row, name) for name in names}) for row in rows}
