"""Translates a change of a source table into the statement on the target, with DMS's names and values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import psycopg
from psycopg import sql

from reload_assets.local.dms.copying import TableFailed, TableLoad
from reload_assets.local.dms.mapping import MappedColumn
from reload_assets.local.dms.pgoutput import Change, Relation, Row
from reload_assets.local.dms.records import TableRun


@dataclass(frozen=True)
class Statement:
    """One statement on a target table: ``row`` are the columns that it writes, ``key`` those that find the row."""

    verb: str
    schema: str
    table: str
    row: Row
    key: Row

    def query(self) -> sql.Composed:
        """The statement with placeholders for ``values``."""
        nulls = frozenset(name for name, value in self.key.items() if value is None)
        return _query(self.verb, self.schema, self.table, tuple(self.row), tuple(self.key), nulls)

    def values(self) -> list[str | None]:
        return [*self.row.values(), *(value for value in self.key.values() if value is not None)]

    def shown(self) -> str:
        """Return the statement with its values, as DMS writes it into awsdms_apply_exceptions."""
        table = f"{_quoted(self.schema)}.{_quoted(self.table)}"
        where = " AND ".join(
            f"{_quoted(name)} IS NULL" if value is None else f"{_quoted(name)}={_literal(value)}"
            for name, value in self.key.items()
        )
        if self.verb == "insert":
            columns, values = ",".join(map(_quoted, self.row)), ",".join(map(_literal, self.row.values()))
            return f"INSERT INTO {table} ({columns}) VALUES ({values})"
        if self.verb == "update":
            written = " , ".join(f"{_quoted(name)}={_literal(value)}" for name, value in self.row.items())
            return f"UPDATE {table} SET {written} WHERE {where}"
        return f"DELETE FROM {table} WHERE {where}" if self.verb == "delete" else f"TRUNCATE TABLE {table}"


@dataclass(frozen=True)
class TargetChange:
    """A mapped change of the source. ``old_key`` finds the row before the change (empty for an insert), ``new_key``
    after it.
    """

    plan: TablePlan
    change: Change
    row: Row
    old_key: Row
    new_key: Row

    @property
    def kind(self) -> str:
        return self.change.kind

    def original(self) -> Statement:
        """Return the statement that does what the source did."""
        return self._statement(self.kind, self.old_key)

    def insert(self) -> Statement:
        """Return the statement that inserts the new row instead."""
        return self._statement("insert", {})

    def update(self) -> Statement:
        """Return the statement that updates the row at the new key to the new row."""
        return self._statement("update", self.new_key)

    def completed(self, values: Row) -> TargetChange:
        """Return the same change with more values of its row."""
        return replace(self, row={**self.row, **values})

    def _statement(self, verb: str, key: Row) -> Statement:
        return Statement(verb, self.plan.load.target_schema, self.plan.load.target_table, self.row, key)


@dataclass(frozen=True)
class TablePlan:
    """How the changes of one relation are mapped."""

    load: TableLoad
    run: TableRun
    key: Sequence[MappedColumn]
    logs_all_columns: bool = False
    """Whether an update carries the columns that it did not change; LOBs that it did not change it never carries."""

    @classmethod
    def of(cls, relation: Relation, load: TableLoad, run: TableRun, *, logs_all_columns: bool = False) -> TablePlan:
        """Return the plan. Raises TableFailed if a key column is not replicated, so that rows cannot be identified."""
        own = [name for name, column in load.source_columns.items() if column.in_primary_key]
        loaded = {one.source: one for one in load.columns}
        # A table without a primary key logs whole rows, which then are the key.
        key = own or [name for name in relation.identity if name in loaded]
        if missing := [name for name in key if name not in loaded]:
            raise TableFailed(f"key column {', '.join(missing)} is not replicated")
        return cls(load, run, [loaded[name] for name in key], logs_all_columns)

    @property
    def has_primary_key(self) -> bool:
        """Whether the source's table has a primary key; otherwise whole rows are the key."""
        return any(column.in_primary_key for column in self.load.source_columns.values())

    def is_whole(self, row: Row) -> bool:
        """Return whether a row has all columns that are replicated."""
        return all(one.target in row for one in self.load.columns)

    def mapped(self, change: Change) -> TargetChange:
        row = self._row(self._carried(change)) if change.new else {}
        before = change.old or change.new
        old_key = self._key(before) if before and change.kind != "insert" else {}
        return TargetChange(self, change, row, old_key, self._key(change.new) if change.new else {})

    def looked_up(self, source: psycopg.Connection[Any], change: Change) -> Row:
        """Return the present LOBs and long values that the log left out of a changed row; nothing if the row is gone.

        Other columns that were left out stay out: only supplemental logging of all columns brings them.
        """
        new = change.new or {}
        carried = self._carried(change)
        logged = {name for name, _ in change.relation.columns}
        left_out = [
            one
            for one in self.load.columns
            if one.source in logged - set(carried) and (one.source not in new or self._is_lob(one.source))
        ]
        if not left_out:
            return {}
        query = sql.SQL("SELECT {} FROM {} WHERE {}").format(
            _plain(sql.SQL(", ").join(sql.SQL("({})::text").format(self.load.value(one)) for one in left_out)),
            _name(change.relation.schema, change.relation.name),
            sql.SQL(" AND ").join(sql.SQL("{} = %s").format(_name(name)) for name in self._key_names()),
        )
        row = source.execute(query, [new.get(name) for name in self._key_names()]).fetchone()
        return dict(zip((one.target for one in left_out), row, strict=True)) if row else {}

    def _carried(self, change: Change) -> Row:
        """Return the columns that are carried: for an update the key, what changed, and what is always logged.

        If the table's log does not have old rows (REPLICA IDENTITY FULL), all columns except long values are carried.
        """
        new, old = change.new or {}, change.old or {}
        if change.kind != "update":
            return new
        key = set(self._key_names())
        return {
            name: value
            for name, value in new.items()
            if name in key
            or name not in old
            or value != old[name]
            or (self.logs_all_columns and not self._is_lob(name))
        }

    def _key_names(self) -> list[str]:
        return [str(one.source) for one in self.key]

    def _is_lob(self, source: str) -> bool:
        column = self.load.source_columns.get(source)
        return column is not None and column.is_lob

    def _row(self, row: Row) -> Mapping[str, str | None]:
        values: dict[str, str | None] = {}
        for one in self.load.columns:
            if one.source is None:
                values[one.target] = self.load.delivered(one, None)
            elif one.source in row:
                values[one.target] = self.load.delivered(one, row[one.source])
        return values

    def _key(self, row: Row) -> Mapping[str, str | None]:
        return {
            one.target: self.load.delivered(one, row[one.source])
            for one in self.key
            if one.source and one.source in row
        }


@lru_cache(maxsize=1024)
def _query(
    verb: str, schema: str, table: str, row: tuple[str, ...], key: tuple[str, ...], nulls: frozenset[str]
) -> sql.Composed:
    target = _name(schema, table)
    where = sql.SQL(" AND ").join(
        sql.SQL("{} IS NULL" if name in nulls else "{} = %s").format(_name(name)) for name in key
    )
    if verb == "insert":
        columns = sql.SQL(", ").join(map(_name, row))
        places = sql.SQL(", ").join([sql.Placeholder()] * len(row))
        return sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(target, columns, places)
    if verb == "update":
        written = sql.SQL(", ").join(sql.SQL("{} = %s").format(_name(name)) for name in row)
        return sql.SQL("UPDATE {} SET {} WHERE {}").format(target, written, where)
    if verb == "delete":
        return sql.SQL("DELETE FROM {} WHERE {}").format(target, where)
    return sql.SQL("TRUNCATE TABLE {}").format(target)


def _name(*parts: str) -> sql.SQL:
    return _plain(sql.Identifier(*parts))


def _plain(piece: sql.Composable) -> sql.SQL:
    """Return a piece for a statement with placeholders, as which psycopg would read its percent signs."""
    return sql.SQL(piece.as_string().replace("%", "%%"))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(value: str | None) -> str:
    return "NULL" if value is None else "'" + value.replace("'", "''") + "'"
