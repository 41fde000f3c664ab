"""Moves unique values between rows, for example when two customers swap their e-mail addresses.

PostgreSQL checks a unique index row by row, so one row has to give up a value before another can take it. Deferrable
constraints are checked at the end and need none of this.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from psycopg import Connection, sql

from reload_assets.errors.merge import ValuesSwap
from reload_assets.merge.holders import unique_indexes
from reload_assets.merge.index_values import moving_pieces, read_columns
from reload_assets.merge.judge import written_columns
from reload_assets.merge.pieces import MovingPieces, ParkedPieces, RecreatedPieces
from reload_assets.merge.side_effects import Effects, acts_on_update
from reload_assets.merge.statements import MergeStatements, comma
from reload_assets.postgres.catalog import UniqueIndex
from reload_assets.postgres.session import drop_table, lock_against_checks, prefer_hash_joins
from reload_assets.postgres.transaction import Contention
from reload_assets.soft_delete import unmarked
from reload_assets.tables import ReloadTable


@dataclass(frozen=True)
class SwapKey:
    """A unique index whose values could move between rows."""

    index: UniqueIndex
    pieces: MovingPieces
    parking: str | None
    """The column that is set to NULL while values move; None if that would not free them."""


def movable(table: ReloadTable) -> list[UniqueIndex]:
    """Return the unique indexes of a table whose values could move between rows, deferrable ones included."""
    written = {column.name for column in written_columns(table)}
    return [index for index in unique_indexes(table) if written & read_columns(table, index)]


def swap_keys(statements: MergeStatements) -> list[SwapKey]:
    """Return the unique indexes of a table whose values could move between rows, with what moves them."""
    written = {column.name: column for column in written_columns(statements.table)}
    found = []
    for index in movable(statements.table):
        columns = [] if index.nulls_equal else index.key_columns
        nullable = [name for name in columns if name in written and not written[name].target.not_null]
        if not _acting_on_delete(statements.table):
            # A row that is recreated at once may be referred to by its value, and one whose value is NULL may not.
            nullable = [name for name in nullable if not _is_referred_to(statements.table, name)]
        nullable.sort(key=lambda name: bool(acts_on_update(statements.table, [name])))
        found.append(SwapKey(index, moving_pieces(statements, index), nullable[0] if nullable else None))
    return found


def recreated_pieces(statements: MergeStatements) -> RecreatedPieces:
    """Return the pieces that recreate rows. Columns that are not staged keep their present value."""
    staged = {column.name: column for column in (*statements.table.key, *written_columns(statements.table))}
    columns = [column for column in statements.table.production.columns if not column.generated]
    kept = {column.name: f"k{number}" for number, column in enumerate(columns) if column.name not in staged}
    deleted = [sql.SQL("{} AS {}").format(sql.Identifier("p", old), sql.Identifier(new)) for old, new in kept.items()]
    values: dict[str, sql.Composable] = {
        **{name: statements.in_delta(column) for name, column in staged.items()},
        **{old: sql.Identifier("x", new) for old, new in kept.items()},
    }
    if mark := statements.table.options.soft_delete_column:
        values[mark] = unmarked(statements.table, values[mark])
    return RecreatedPieces(
        deleted_values=comma([sql.SQL("g.place"), *deleted]),
        all_columns=comma(sql.Identifier(column.name) for column in columns),
        all_values=comma(values[column.name] for column in columns),
    )


class UniqueSwaps:
    """The unique values that move between rows of one table's delta, within one transaction."""

    def __init__(self, connection: Connection[Any], statements: MergeStatements) -> None:
        self._connection = connection
        self._statements = statements
        self._effects = Effects(connection, statements)
        found = swap_keys(statements)
        self._parkable = [unique for unique in found if unique.parking and not unique.index.deferrable]
        self._strict = [unique for unique in found if not unique.parking and not unique.index.deferrable]
        self._alone = False
        self.any_moved = False
        """Whether rows had to give up a value."""

    @property
    def possible(self) -> bool:
        """Whether production has a unique index whose values could move."""
        return bool(self._parkable or self._strict)

    def lock_if_needed(self) -> None:
        """Lock the table if rows will have to be recreated. Call it before any row is locked. Raises MergeFailed."""
        for unique in self._strict:
            if self._find(unique):
                production = self._statements.table.production
                lock_against_checks(self._connection, production.schema, production.name)
                self._alone = True
                return

    def let_go(self) -> None:
        """Free the values that other rows of the delta take over. Call it once the rows are locked and audited."""
        for unique in self._parkable:
            if self._find(unique, keep=True):
                self.any_moved = True
                self._effects.require_unreferred_while_parked(unique.parking or "")
                parked = ParkedPieces(unique.parking or "")
                self._statements.run(self._connection, "4_unique_swaps:park_values", parked)
                drop_table(self._connection, None, self._statements.givers)
        for unique in self._strict:
            if self._find(unique, keep=True):
                if not self._alone:
                    raise Contention(f"{unique.index.name} of {self._statements.table.target}")
                self.any_moved = True
                self._statements.run(
                    self._connection, "4_unique_swaps:replace_rows", recreated_pieces(self._statements)
                )
                drop_table(self._connection, None, self._statements.givers)

    def _find(self, unique: SwapKey, *, keep: bool = False) -> bool:
        """Return whether values of the key move. If so, ``keep`` keeps the table of the rows that hold them."""
        with prefer_hash_joins(self._connection):
            self._statements.run(self._connection, "4_unique_swaps:find_givers", unique.pieces)
        row = self._statements.run(self._connection, "4_unique_swaps:count_givers").fetchone()
        assert row is not None
        moved, example = row
        if moved and not unique.parking:
            self._require_no_action(unique, self._statements.key_of(example[0]))
        if not (moved and keep):
            drop_table(self._connection, None, self._statements.givers)
        return bool(moved)

    def _require_no_action(self, unique: SwapKey, example: str) -> None:
        if acting := _acting_on_delete(self._statements.table):
            statements = self._statements
            raise ValuesSwap(statements.reload.title, unique.index.name, statements.table.target, example, acting[0])


def _acting_on_delete(table: ReloadTable) -> list[str]:
    """Return the names of the foreign keys that do something, or refuse, as soon as a row of the table is deleted."""
    return [reference.name for reference in table.production.referenced_by if reference.on_delete != "a"]


def _is_referred_to(table: ReloadTable, column: str) -> bool:
    """Return whether a foreign key refuses that a value of the column goes while rows refer to it."""
    return any(
        reference.on_update in ("a", "r") and column in reference.parent_columns
        for reference in table.production.referenced_by
    )
