"""The check ``foreign_keys``: every row of the window has its parents in production."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection

from reload_assets.postgres.catalog import ForeignKey, read_foreign_keys
from reload_assets.postgres.statements import run
from reload_assets.tables import ReloadTable
from reload_assets.verify.outcome import CheckOutcome, Fact, counted, examples
from reload_assets.verify.pieces import foreign_key_pieces

NAME = "foreign_keys"


@dataclass(frozen=True)
class Parentless:
    """The rows of the window whose foreign key finds no parent, with the keys of some."""

    key: ForeignKey
    rows: int
    some: Sequence[str]


def check_foreign_keys(
    connection: Connection[Any], table: ReloadTable, bounds: tuple[datetime, datetime]
) -> CheckOutcome:
    """Look for parentless rows. ``bounds`` are wall-clock values in the source's zone. Raises psycopg's errors."""
    # Read the keys as they are now: a reload may be verified long after it was opened.
    keys = read_foreign_keys(connection, table.production.schema, table.production.name)
    return _outcome(table, keys, [_count(connection, table, key, bounds) for key in keys])


def _count(
    connection: Connection[Any], table: ReloadTable, key: ForeignKey, bounds: tuple[datetime, datetime]
) -> Parentless:
    row = run(
        connection,
        "verify/4_after_merge:count_parentless",
        foreign_key_pieces(table, key),
        start=bounds[0],
        end=bounds[1],
    ).fetchone()
    assert row is not None
    return Parentless(key, *row)


def _outcome(table: ReloadTable, keys: Sequence[ForeignKey], found: Sequence[Parentless]) -> CheckOutcome:
    rows = sum(one.rows for one in found)
    facts: dict[str, Fact] = {"foreign_keys": len(keys), "rows_without_parent": rows}
    return CheckOutcome(NAME, "failed" if rows else "passed", False, _sentence(table, keys, found), facts)


def _sentence(table: ReloadTable, keys: Sequence[ForeignKey], found: Sequence[Parentless]) -> str:
    names = [column.name for column in table.key]
    lacking = [
        f"{counted(one.rows, 'row')} without a parent in {one.key.parent} by {one.key.name} "
        f"({examples(one.some, names, one.rows)})"
        for one in found
        if one.rows
    ]
    if lacking:
        return f"{table.target} has {'; '.join(lacking)} in the window; reload the parents' window, or remove the rows."
    if not keys:
        return f"{table.target} has no foreign keys."
    return f"Every row of the window in {table.target} has its parents ({', '.join(key.name for key in keys)})."
