"""Finds the side effects of a statement: foreign keys that act on other rows, and triggers.

A foreign key with ON DELETE or ON UPDATE CASCADE, SET NULL or SET DEFAULT writes rows that nobody has judged and that
no audit records. So a row that others refer to by such a key is not deleted, and keeps the values they refer to.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from psycopg import Connection, sql

from reload_assets.errors.merge import CountsOff, ReferringRowsHidden, RowsWouldFollow
from reload_assets.merge.judge import written_columns
from reload_assets.merge.pieces import ChangePieces, ChildPieces
from reload_assets.merge.statements import MergeStatements, both, in_production
from reload_assets.postgres.catalog import Reference
from reload_assets.postgres.statements import run
from reload_assets.postgres.transaction import Contention
from reload_assets.tables import ReloadColumn, ReloadTable

_ACTIONS = {"c": "CASCADE", "n": "SET NULL", "d": "SET DEFAULT"}


class Followed(Exception):
    """A foreign key that acts changed other rows along with our statement, which has to be rolled back."""


def acts_on_delete(table: ReloadTable) -> list[Reference]:
    """Return the foreign keys that write other rows when a row of the table is deleted."""
    return [reference for reference in table.production.referenced_by if reference.on_delete in _ACTIONS]


def acts_on_update(table: ReloadTable, columns: Iterable[str]) -> list[Reference]:
    """Return the foreign keys that write other rows when one of the columns changes its value."""
    changed = set(columns)
    return [
        reference
        for reference in table.production.referenced_by
        if reference.on_update in _ACTIONS and changed & set(reference.parent_columns)
    ]


def action(reference: Reference, event: str) -> str | None:
    """Return what a foreign key does to referring rows on DELETE or UPDATE; None if it does nothing."""
    return _ACTIONS.get(reference.on_delete if event == "DELETE" else reference.on_update)


def child_pieces(reference: Reference) -> ChildPieces:
    """Return the pieces by which a statement finds the rows that refer to a row ``p`` of production."""
    child = sql.Identifier(reference.child_schema, reference.child_table)
    return ChildPieces(
        child=child if reference.child_is_partitioned else sql.SQL("ONLY {}").format(child),
        c_refers_to_p=both(
            sql.SQL("{} = {}").format(sql.Identifier("c", name), sql.Identifier("p", parent))
            for name, parent in zip(reference.columns, reference.parent_columns, strict=True)
        ),
    )


def changes(columns: Sequence[ReloadColumn], reference: Reference, new: Sequence[sql.Composable]) -> sql.Composable:
    """Return whether a referred value of a row ``p`` changes, where ``columns`` become ``new``.

    Values are compared byte by byte, as PostgreSQL does to decide whether a foreign key has to act.
    """
    differences = [
        sql.SQL("{}::text IS DISTINCT FROM {}::text").format(
            sql.SQL('{} COLLATE "C"').format(in_production(column))
            if column.target.collatable
            else in_production(column),
            sql.SQL('{} COLLATE "C"').format(value) if column.target.collatable else value,
        )
        for column, value in zip(columns, new, strict=True)
        if column.name in reference.parent_columns
    ]
    return sql.SQL("({})").format(sql.SQL(" OR ").join([sql.SQL("false"), *differences]))


def acting(statements: MergeStatements) -> list[Reference]:
    """Return the foreign keys that write other rows when the merge updates a row of the table."""
    return acts_on_update(statements.table, [column.name for column in written_columns(statements.table)])


def updated_pieces(statements: MergeStatements, reference: Reference) -> ChangePieces:
    """Return whether the update of a row of the delta changes what a foreign key refers to."""
    written = written_columns(statements.table)
    return ChangePieces(changes(written, reference, [statements.in_delta(column) for column in written]))


def parked_pieces(statements: MergeStatements) -> ChangePieces:
    """Return whether a row of the delta gives up a value, and so is NULL in that column for a moment."""
    is_giver = sql.SQL("EXISTS (SELECT 1 FROM {} AS g WHERE g.place = d.ctid)").format(
        sql.Identifier(statements.givers)
    )
    return ChangePieces(is_giver)


def require_readable(table: ReloadTable, reference: Reference) -> None:
    """Raise MergeFailed if this login may not read the referring rows."""
    if not reference.child_readable:
        raise ReferringRowsHidden(reference.child, table.target, reference.name)


@contextmanager
def nobody_follows(connection: Connection[Any], references: Sequence[Reference], beside: int = 0) -> Iterator[None]:
    """Check that the statements inside write no row of the referring tables, by the server's count of written rows.

    A writer that skips foreign key checks, such as CDC in the role of a replica, does not wait for our locks. It may
    insert a row after we have looked for referring rows and before our statement. ``beside``: rows that the
    statements write there themselves. Raises Followed, and MergeFailed if the server does not count writes.
    """
    children = sorted({reference.child_oid for reference in references})
    if not children:
        yield
        return
    before = _written(connection, children)
    yield
    if _written(connection, children) != before + beside:
        raise Followed


def _written(connection: Connection[Any], tables: list[int]) -> int:
    row = run(connection, "merge/5_effects:count_written", children=tables).fetchone()
    assert row is not None
    if not row[0]:
        raise CountsOff
    return int(row[1])


class Effects:
    """The foreign keys that act when a merge updates one table, within one transaction."""

    def __init__(self, connection: Connection[Any], statements: MergeStatements) -> None:
        self._connection, self._statements = connection, statements
        self._acting = acting(statements)

    def require_unreferred(self, statements: MergeStatements) -> None:
        """Raise Unsafe if an update from the delta of ``statements`` would change a value that other rows follow."""
        for reference in self._acting:
            self._require_none(statements, reference, updated_pieces(statements, reference))

    def require_unreferred_while_parked(self, column: str) -> None:
        """Raise Unsafe if other rows follow ``column``, which is NULL for a moment in a row that gives up its value."""
        for reference in acts_on_update(self._statements.table, [column]):
            self._require_none(self._statements, reference, parked_pieces(self._statements))

    def _require_none(self, statements: MergeStatements, reference: Reference, changed: ChangePieces) -> None:
        table = statements.table
        require_readable(table, reference)
        row = statements.run(self._connection, "5_effects:find_followed", child_pieces(reference), changed).fetchone()
        assert row is not None
        if row[0]:
            acts = f"{reference.name}, ON UPDATE {action(reference, 'UPDATE')}"
            key = self._statements.key_of(row[1])
            raise RowsWouldFollow(self._statements.reload.title, row[0], table.target, reference.child, acts, key)

    @contextmanager
    def nobody_follows(self) -> Iterator[None]:
        """Guard the updates. Raises Contention if a new row refers to an updated one meanwhile."""
        others = [reference for reference in self._acting if reference.child != self._statements.table.target]
        try:
            with nobody_follows(self._connection, others):
                yield
        except Followed:
            raise Contention(f"a new child of {self._statements.table.target}") from None
