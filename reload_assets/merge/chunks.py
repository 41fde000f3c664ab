"""The merge in chunks: each range of keys has a transaction of its own, so that other sessions never wait long.

Some tables cannot be cut. Values of a unique key may move between any two of its rows, and a row may refer to any
other row of its own table. Such rows have to be written together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row

from reload_assets.ledger.records import Reload, StagedTable
from reload_assets.merge.result import Outcomes
from reload_assets.merge.statements import KeyRange, MergeStatements
from reload_assets.merge.unique_swaps import movable
from reload_assets.postgres.statements import compose
from reload_assets.tables import ReloadTable


def uncut_because(table: ReloadTable) -> str | None:
    """Return why a table is merged in one transaction regardless of its size; None if it can be cut."""
    for index in movable(table):
        return f"values of {index.name} may move between its rows"
    for key in table.production.every_foreign_key:
        if key.parent_in([table.target]):
            return f"its rows refer to each other ({key.name})"
    return None


def inseparable(tables: Sequence[ReloadTable]) -> str | None:
    """Return why tables, in the order of their merge, must be merged together; None if parents come before children."""
    positions = {table.target: position for position, table in enumerate(tables)}
    for position, table in enumerate(tables):
        for key in table.production.every_foreign_key:
            if positions.get(key.parent_in(positions) or "", 0) > position:
                return f"{key.name} of {table.target} refers to a table that is merged later"
    return None


def next_chunk(connection: Connection[Any], statements: MergeStatements, rows: int) -> MergeStatements:
    """Return the statements for the next chunk of ``rows`` staged rows, or for all that are left.

    The chunk begins after the last key that the ledger has as merged.
    """
    rest = replace(statements, keys=KeyRange(after=statements.staged.merged_through))
    if uncut_because(statements.table):
        return rest
    found = rest.run(connection, "1_preconditions:find_chunk_end", rows=rows).fetchall()
    if len(found) < 2:
        return rest
    return replace(statements, keys=KeyRange(rest.keys.after, found[0][0]))


def merged_outcomes(connection: Connection[Any], reload: Reload) -> dict[str, Outcomes]:
    """Return the outcomes of all chunks of a reload's tables, as the ledger has them."""
    names = [field.name for field in fields(Outcomes)]
    with connection.cursor(row_factory=class_row(StagedTable)) as cursor:
        rows = cursor.execute(compose("ledger/read:list_tables"), {"reload_id": reload.reload_id}).fetchall()
    return {row.table_name: Outcomes(**{name: getattr(row, name) for name in names}) for row in rows}
