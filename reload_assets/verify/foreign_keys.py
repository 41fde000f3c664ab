"""The check ``foreign_keys``: every selected row has its parents in production."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from psycopg import Connection, sql

from reload_assets.ledger.records import Reload
from reload_assets.ledger.selected import is_selected
from reload_assets.postgres.catalog import ForeignKey, read_foreign_keys
from reload_assets.postgres.session import prefer_probes
from reload_assets.postgres.statements import run
from reload_assets.tables import ReloadTable
from reload_assets.verify.outcome import CheckOutcome, Fact, counted, examples
from reload_assets.verify.pieces import foreign_key_pieces

NAME = "foreign_keys"


@dataclass(frozen=True)
class Parentless:
    """The selected rows whose foreign key finds no parent, with the keys of some."""

    key: ForeignKey
    rows: int
    some: Sequence[str]


def check_foreign_keys(connection: Connection[Any], reload: Reload, table: ReloadTable, zone: ZoneInfo) -> CheckOutcome:
    """Look for parentless rows among those that a reload selects. ``zone`` is the source's. Raises psycopg's errors.

    If the reload is limited to columns, only their foreign keys count.
    """
    # Read the keys as they are now: a reload may be verified long after it was opened.
    every_key = read_foreign_keys(connection, table.production.schema, table.production.name)
    keys = [key for key in every_key if not key.of_part]
    if table.limited_to is not None:
        keys = [key for key in keys if {*key.columns} & {*table.limited_to}]
    selected = is_selected(reload, table, zone, "c")
    return _outcome(table, keys, [_count(connection, table, key, selected) for key in keys])


def _count(connection: Connection[Any], table: ReloadTable, key: ForeignKey, selected: sql.Composable) -> Parentless:
    with connection.transaction():
        prefer_probes(connection)
        row = run(
            connection, "verify/4_after_merge:count_parentless", foreign_key_pieces(table, key, selected)
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
        return f"{table.target} has {'; '.join(lacking)}, of those selected; reload the parents, or remove the rows."
    if not keys:
        of = "" if table.limited_to is None else f" in {', '.join(table.limited_to)}"
        return f"{table.target} has no foreign keys{of}."
    return f"Every selected row of {table.target} has its parents ({', '.join(key.name for key in keys)})."
