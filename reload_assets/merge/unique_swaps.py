"""Unique values that move between rows: two customers swap their e-mail addresses.

PostgreSQL checks a unique index row by row, so a row that hands a value on has to let go of it before another takes
it. Deferrable constraints are checked late and need none of this.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from psycopg import Connection, sql

from reload_assets.merge.judge import written_columns
from reload_assets.merge.side_effects import Effects, Unsafe, acts_on_update
from reload_assets.merge.statements import MergeStatements, comma
from reload_assets.postgres.catalog import UniqueKey
from reload_assets.postgres.session import prefer_hash_joins
from reload_assets.postgres.statements import Part
from reload_assets.postgres.transaction import Contention
from reload_assets.soft_delete import unmarked


@dataclass(frozen=True)
class _Unique:
    key: UniqueKey
    parts: dict[str, Part]
    parking: str | None
    """The column that can be NULL meanwhile; None where no column can."""


class UniqueSwaps:
    """The unique values of one table that move between rows of the delta, within one transaction."""

    def __init__(self, connection: Connection[Any], plan: MergeStatements) -> None:
        self._connection = connection
        self._plan = plan
        self._written = {column.name: column for column in written_columns(plan.table)}
        self._effects = Effects(connection, plan, list(self._written.values()))
        found = [unique for key in plan.table.production.unique_keys if (unique := self._unique(key))]
        self._all = found
        self._parkable = [unique for unique in found if unique.parking and not unique.key.deferrable]
        self._strict = [unique for unique in found if not unique.parking and not unique.key.deferrable]
        self._alone = False
        self._any_moved = False

    @property
    def possible(self) -> bool:
        """Whether production has a unique key of whose values some could move."""
        return bool(self._parkable or self._strict)

    @property
    def unique_parts(self) -> list[dict[str, Part]]:
        """The pieces about each unique key of whose values some could move, those that are checked late among them."""
        return [unique.parts for unique in self._all]

    def lock_if_needed(self) -> None:
        """Before any row is locked: lock the table if rows will have to be recreated. Raises MergeFailed."""
        for unique in self._strict:
            if self._find(unique):
                self._plan.run(self._connection, "lock_table")
                self._alone = True
                return

    def let_go(self) -> None:
        """Free the values that other rows of the delta take over; the rows are locked and in the audit by now."""
        for unique in self._parkable:
            if self._find(unique, keep=True):
                self._any_moved = True
                self._effects.require_unreferred_while_parked(unique.parking or "")
                self._plan.run(self._connection, "park_values", {"column": unique.parking or ""})
                self._plan.run(self._connection, "drop_moved_values")
        for unique in self._strict:
            if self._find(unique, keep=True):
                if not self._alone:
                    raise Contention(f"{unique.key.name} of {self._plan.table.target}")
                self._any_moved = True
                self._plan.run(self._connection, "replace_rows", self._replacement())
                self._plan.run(self._connection, "drop_moved_values")

    def guard_parts(self) -> dict[str, Part]:
        """Rows that let go of a value may look newer, by a trigger's doing; they were judged before, and are locked."""
        return {"not_newer": sql.SQL("true")} if self._any_moved else {}

    def _unique(self, key: UniqueKey) -> _Unique | None:
        parts = self._plan.unique_parts(key)
        if parts is None or not self._written.keys() & set(key.columns):
            return None
        nullable = [name for name in key.columns if name in self._written and not self._written[name].target.not_null]
        nullable.sort(key=lambda name: bool(acts_on_update(self._plan.table, [name])))
        return _Unique(key, parts, None if key.nulls_equal or not nullable else nullable[0])

    def _find(self, unique: _Unique, *, keep: bool = False) -> bool:
        """Whether values of the key move; with ``keep`` the table of the rows that hold them stays if so."""
        with prefer_hash_joins(self._connection):
            self._plan.run(self._connection, "find_moved_values", unique.parts)
        row = self._plan.run(self._connection, "count_moved_values").fetchone()
        assert row is not None
        moved, example = row
        if moved and not unique.parking:
            self._require_no_action(unique, self._plan.key_of(example[0]))
        if not (moved and keep):
            self._plan.run(self._connection, "drop_moved_values")
        return bool(moved)

    def _require_no_action(self, unique: _Unique, example: str) -> None:
        acting = [
            reference.name for reference in self._plan.table.production.referenced_by if reference.on_delete != "a"
        ]
        if acting:
            raise Unsafe(
                self._plan.reload.title,
                f"values of {unique.key.name} of {self._plan.table.target} move between rows, for example from "
                f"{example}, its columns cannot be NULL meanwhile, and the foreign key {acting[0]} acts on deleted "
                f"rows; make {unique.key.name} a DEFERRABLE constraint",
            )

    def _replacement(self) -> dict[str, Part]:
        """Each column's staged value, or its present one where the source has none to say about it."""
        staged = {column.name: column for column in (*self._plan.table.key, *self._written.values())}
        columns = [column for column in self._plan.table.production.columns if not column.generated]
        kept = {column.name: f"k{number}" for number, column in enumerate(columns) if column.name not in staged}
        returned = [
            sql.SQL("{} AS {}").format(sql.Identifier("p", old), sql.Identifier(new)) for old, new in kept.items()
        ]
        values: dict[str, sql.Composable] = {
            **{name: self._plan.in_delta(column) for name, column in staged.items()},
            **{old: sql.Identifier("g", new) for old, new in kept.items()},
        }
        if mark := self._plan.table.options.soft_delete_column:
            values[mark] = unmarked(self._plan.table, values[mark])
        return {
            "returned": comma([sql.SQL("m.place"), *returned]),
            "all_columns": comma(sql.Identifier(column.name) for column in columns),
            "all_values": comma(values[column.name] for column in columns),
        }
