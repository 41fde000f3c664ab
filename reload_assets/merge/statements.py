"""The pieces from which the statements of one table's merge are composed; see ``sql/merge``.

Staged columns are numbered in the delta (c1, c2 ..): no name of a user's column can then stand in the way of ours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

from psycopg import Connection, Cursor, sql

from reload_assets.ledger.records import Reload, StagedTable
from reload_assets.merge.judge import assigned, differs, judgement, not_newer
from reload_assets.postgres.catalog import ForeignKey, UniqueKey
from reload_assets.postgres.statements import Part, run
from reload_assets.tables import ReloadColumn, ReloadTable


@dataclass(frozen=True)
class KeyRange:
    """A range of keys in their order, ``(after, upto]``; keys as texts, None where it has no limit on that side."""

    after: Sequence[str] | None = None
    upto: Sequence[str] | None = None


EVERY_KEY = KeyRange()

IS_OWN = sql.SQL(
    # Transaction numbers go round in a circle. A row of a later one is seen once it is committed, or is part of this.
    """(SELECT CASE
        WHEN n.later >= 2147483648 THEN FALSE
        WHEN n.own + n.later >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint THEN TRUE
        ELSE pg_xact_status((n.own + n.later)::text::xid8) = 'in progress' END
    FROM (
        SELECT t.own, ((p.xmin::text::bigint - t.own) % 4294967296 + 4294967296) % 4294967296 AS later
        FROM (SELECT pg_current_xact_id()::text::bigint AS own) AS t
    ) AS n)"""
)
"""Whether this very transaction has written a row of production, be it in a sub-transaction of a trigger's."""


@dataclass(frozen=True)
class MergeStatements:
    """One table of one reload, with all that its statements need; ``position`` is its place in the merge."""

    reload: Reload
    table: ReloadTable
    staged: StagedTable
    bounds: tuple[datetime, datetime]
    position: int
    keys: KeyRange = EVERY_KEY
    """The staged rows that are merged together: all of them, or a chunk."""

    def run(
        self, connection: Connection[Any], name: str, parts: Mapping[str, Part] | None = None, /, **values: Any
    ) -> Cursor[Any]:
        """Execute ``sql/merge/<name>.sql`` with this table's pieces and window, and with what is given besides."""
        return run(
            connection,
            f"merge/{name}",
            {**self.parts, **(parts or {})},
            start=self.bounds[0],
            end=self.bounds[1],
            reload_id=self.reload.reload_id,
            table_name=self.table.name,
            **values,
        )

    @property
    def delta(self) -> str:
        """The temporary table of the staged rows that are judged."""
        return f"reload_delta_{self.position}"

    @property
    def moved(self) -> str:
        """The temporary table of the rows that have to let go of a value."""
        return f"reload_moved_{self.position}"

    @cached_property
    def numbers(self) -> dict[str, str]:
        """The delta's name of each column, by the name in production."""
        return {column.name: f"c{number}" for number, column in enumerate(self.table.columns, start=1)}

    def in_delta(self, column: ReloadColumn) -> sql.Composable:
        """The column of a row of the delta."""
        return sql.Identifier("d", self.numbers[column.name])

    def _references(self) -> list[ReloadColumn]:
        """The columns that refer to parents."""
        names = {name for key in self.table.production.foreign_keys for name in key.columns}
        return [column for column in self.table.columns if column.name in names]

    def _as_returned(self, column: ReloadColumn) -> sql.Composable:
        return sql.Identifier("t", self.numbers[column.name])

    def _in_late(self, column: ReloadColumn) -> sql.Composable:
        return sql.Identifier("l", self.numbers[column.name])

    def staged_columns(self, names: Iterable[str]) -> list[ReloadColumn] | None:
        """The columns of these names in production, or None if some of them are not staged."""
        by_name = {column.name: column for column in self.table.columns}
        wanted = list(names)
        return [by_name[name] for name in wanted] if by_name.keys() >= set(wanted) else None

    @cached_property
    def parts(self) -> dict[str, Part]:
        """What every statement may name."""
        table, columns = self.table, self.table.columns
        key = [self.in_delta(column) for column in table.key]
        return {
            "schema": table.production.schema,
            "table": table.production.name,
            "staging_schema": self.staged.staging_schema,
            "staging_table": self.staged.staging_table,
            "window_column": table.window.staged,
            "in_range": self._in_range(),
            "staged_key": comma(in_staging(column) for column in table.key),
            "delta": self.delta,
            "moved": self.moved,
            "late": f"reload_late_{self.position}",
            "columns": comma(sql.Identifier(column.name) for column in columns),
            "values": comma(self.in_delta(column) for column in columns),
            "numbered": comma(
                sql.SQL("{} AS {}").format(in_staging(column), sql.Identifier(self.numbers[column.name]))
                for column in columns
            ),
            "named": comma(
                sql.SQL("{} AS {}").format(in_staging(column), sql.Identifier(column.name)) for column in columns
            ),
            "key": comma(sql.Identifier(column.name) for column in table.key),
            "delta_key": comma(key),
            "key_texts": texts(in_staging(column) for column in table.key),
            "delta_key_texts": texts(key),
            "named_key_texts": texts(sql.Identifier("d", column.name) for column in table.key),
            "key_json": self._key_json(self.in_delta),
            "written_key_json": self._key_json(in_production),
            "returned_key": comma(
                sql.SQL("{} AS {}").format(in_production(column), sql.Identifier(self.numbers[column.name]))
                for column in table.key
            ),
            "same_returned": self._same(table.key, self._as_returned, self.in_delta),
            "same_key": self._same(table.key, in_production, self.in_delta),
            "same_staged_key": self._same(table.key, in_production, in_staging),
            "same_late": self._same(table.key, self._in_late, self.in_delta),
            "seen_same_key": self._same(table.key, _as_seen, self.in_delta),
            "has_key": sql.SQL("{} IS NOT NULL").format(in_production(table.key[0])),
            "is_own": IS_OWN,
            "moves": differs(self._references(), self.in_delta, in_production),
            "judgement": judgement(table, self.in_delta, in_production),
            "not_newer": not_newer(table, self.in_delta, in_production),
            "assignments": assigned(table, self.in_delta),
        }

    def unique_parts(self, unique: UniqueKey) -> dict[str, Part] | None:
        """The pieces about one unique key; None if it has a column that is not staged."""
        columns = self.staged_columns(unique.columns)
        if columns is None:
            return None
        numbers = [self.numbers[column.name] for column in columns]
        # NULLS NOT DISTINCT: there a NULL is a value like any other.
        equal = sql.SQL("{} IS NOT DISTINCT FROM {}" if unique.nulls_equal else "{} = {}")
        differ = sql.SQL("{} IS DISTINCT FROM {}")
        ours = [sql.Identifier("p", f"u{number}") for number, _ in enumerate(columns, start=1)]
        return {
            "p_unique_values": comma(
                sql.SQL("{} AS {}").format(in_production(column), sql.Identifier(f"u{number}"))
                for number, column in enumerate(columns, start=1)
            ),
            "d_gives_up": sql.SQL(" OR ").join(
                differ.format(sql.Identifier("d", number), held) for number, held in zip(numbers, ours, strict=True)
            ),
            "t_takes_over": both(
                equal.format(sql.Identifier("t", number), held) for number, held in zip(numbers, ours, strict=True)
            ),
            "unique_columns": comma(sql.Identifier("d", number) for number in numbers),
            "no_null": sql.SQL("true")
            if unique.nulls_equal
            else both(sql.SQL("{} IS NOT NULL").format(sql.Identifier("d", number)) for number in numbers),
            "same_value": both(equal.format(in_production(column), self.in_delta(column)) for column in columns),
        }

    def parent_parts(self, key: ForeignKey, parent: MergeStatements | None) -> dict[str, Part] | None:
        """The pieces about one foreign key and its parent's staging; None if it has a column that is not staged."""
        columns = self.staged_columns(key.columns)
        if columns is None:
            return None
        staged = parent.staged_columns(key.parent_columns) if parent else None
        place = parent if parent and staged else self
        children = [sql.Identifier("c", f"f{number}") for number, _ in enumerate(columns, start=1)]
        return {
            "parent_schema": key.parent_schema,
            "parent_table": key.parent_table,
            "parent_staging_schema": place.staged.staging_schema,
            "parent_staging_table": place.staged.staging_table,
            "parent_window_column": place.table.window.staged,
            "reference_columns": comma(
                sql.SQL("{} AS {}").format(in_staging(column), sql.Identifier(f"f{number}"))
                for number, column in enumerate(columns, start=1)
            ),
            "reference_texts": texts(children),
            "has_parent": both(sql.SQL("{} IS NOT NULL").format(in_staging(column)) for column in columns),
            "has_parent_in_delta": both(sql.SQL("{} IS NOT NULL").format(self.in_delta(column)) for column in columns),
            "same_parent_in_delta": both(
                sql.SQL("{} = {}").format(sql.Identifier("p", name), self.in_delta(column))
                for name, column in zip(key.parent_columns, columns, strict=True)
            ),
            "delta_reference_texts": texts(self.in_delta(column) for column in columns),
            "same_parent": both(
                sql.SQL("{} = {}").format(sql.Identifier("p", name), in_staging(column))
                for name, column in zip(key.parent_columns, columns, strict=True)
            ),
            "same_staged_parent": both(
                sql.SQL("{} = {}").format(sql.Identifier("p", column.staged), child)
                for column, child in zip(staged, children, strict=True)
            )
            if staged
            else sql.SQL("false"),
        }

    def key_of(self, values: Iterable[str]) -> str:
        """How messages write a row's key: ``(order_id, line_no)=(5, 1)``."""
        return pair([column.name for column in self.table.key], values)

    def _in_range(self) -> sql.Composable:
        """Whether a staged row is one of ``keys``."""
        staged = sql.SQL("({})").format(comma(in_staging(column) for column in self.table.key))
        limits = [
            sql.SQL("{} {} ({})").format(
                staged,
                sql.SQL(compares),
                comma(
                    sql.SQL("CAST({} AS {})").format(sql.Literal(value), sql.SQL(column.target.type))
                    for column, value in zip(self.table.key, limit, strict=True)
                ),
            )
            for compares, limit in ((">", self.keys.after), ("<=", self.keys.upto))
            if limit is not None
        ]
        return both(limits) if limits else sql.SQL("true")

    def _key_json(self, named: Callable[[ReloadColumn], sql.Composable]) -> sql.Composable:
        pairs = [item for column in self.table.key for item in (sql.Literal(column.name), named(column))]
        return sql.SQL("jsonb_build_object({})").format(comma(pairs))

    @staticmethod
    def _same(
        columns: Iterable[ReloadColumn],
        left: Callable[[ReloadColumn], sql.Composable],
        right: Callable[[ReloadColumn], sql.Composable],
    ) -> sql.Composable:
        return both(sql.SQL("{} = {}").format(left(column), right(column)) for column in columns)


def merge_statements(
    reload: Reload, tables: Iterable[ReloadTable], staged: Mapping[str, StagedTable], zone: ZoneInfo
) -> list[MergeStatements]:
    """The plans of a reload's tables, in their order."""
    bounds = reload.loaded_window.in_zone(zone)
    return [
        MergeStatements(reload, table, staged[table.name], bounds, position)
        for position, table in enumerate(tables, start=1)
    ]


def pair(names: Iterable[str], values: Iterable[str]) -> str:
    """Names and values as PostgreSQL writes them: ``(order_id, line_no)=(5, 1)``."""
    return f"({', '.join(names)})=({', '.join(values)})"


def in_production(column: ReloadColumn) -> sql.Composable:
    """The column of a production row."""
    return sql.Identifier("p", column.name)


def _as_seen(column: ReloadColumn) -> sql.Composable:
    """The column of a production row as it was before the statement."""
    return sql.Identifier("o", column.name)


def in_staging(column: ReloadColumn) -> sql.Composable:
    """The column of a staged row."""
    return sql.Identifier("s", column.staged)


def comma(pieces: Iterable[sql.Composable]) -> sql.Composable:
    """A list."""
    return sql.SQL(", ").join(pieces)


def both(conditions: Iterable[sql.Composable]) -> sql.Composable:
    """All of the conditions."""
    return sql.SQL(" AND ").join(conditions)


def texts(values: Iterable[sql.Composable]) -> sql.Composable:
    """An array of the values as text."""
    return sql.SQL("ARRAY[{}]").format(comma(sql.SQL("{}::text").format(value) for value in values))
