"""Reads a table's description from PostgreSQL's catalog: columns, keys, foreign keys, triggers."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row

from reload_assets.postgres.statements import compose, run


@dataclass(frozen=True)
class Column:
    """One column of a table. ``type`` is the declared type in full, for example ``numeric(10,2)``.

    ``base_type`` is the same, except that it is the underlying type of a domain, and ``enum`` for an enum.
    ``checked``: it is a domain whose constraints refuse values. ``exact``: the collation treats texts as equal only if
    all their bytes are equal. ``computed_as``: a generated column's expression, ``computed_from`` the columns in it.
    """

    name: str
    type: str
    base_type: str
    checked: bool
    not_null: bool
    generated: bool
    identity: str
    has_default: bool
    collatable: bool
    exact: bool
    comparable: bool
    sequence: str | None
    computed_as: str | None = None
    computed_from: list[str] = field(default_factory=list)

    @property
    def fills_itself(self) -> bool:
        """Whether an insert that does not name the column gives it a value other than NULL."""
        return self.has_default or self.generated or self.identity != ""


@dataclass(frozen=True)
class UniqueKey:
    """A unique index over plain columns and all rows. ``nulls_equal``: NULLS NOT DISTINCT."""

    name: str
    is_primary: bool
    deferrable: bool
    nulls_equal: bool
    columns: list[str]


@dataclass(frozen=True)
class UniqueIndex:
    """Any unique index, or an exclusion constraint's. ``expressions`` and ``predicate`` are SQL that names ``columns``.

    No predicate: all rows. That of an index which only a partition has says which rows lie there. ``key_columns``: a
    unique index's columns in their order; empty if it has an expression. ``operators``: which values an exclusion
    constraint does not allow beside each other, one per expression.
    """

    name: str
    is_primary: bool
    deferrable: bool
    nulls_equal: bool
    key_columns: list[str]
    predicate: str | None
    expressions: list[str]
    columns: list[str]
    operators: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class ForeignKey:
    """A foreign key of the table. ``columns`` and ``parent_columns`` have the same order.

    ``parent_above``: the tables that the parent is a partition or an heir of. ``of_part``: a partition alone has it.
    """

    name: str
    parent_schema: str
    parent_table: str
    deferrable: bool
    columns: list[str]
    parent_columns: list[str]
    parent_above: list[str] = field(default_factory=list)
    of_part: bool = False

    @property
    def parent(self) -> str:
        """The parent table's name with its schema, for messages."""
        return f"{self.parent_schema}.{self.parent_table}"

    def parent_in(self, names: Container[str]) -> str | None:
        """Return which of some tables has the parents' rows: the parent, or one that it is a part of."""
        return next((name for name in (self.parent, *self.parent_above) if name in names), None)


@dataclass(frozen=True)
class Reference:
    """A foreign key that refers to a table, or to a partition or an heir of it. Its columns have the same order.

    ``on_delete`` and ``on_update`` are the letters in pg_constraint. ``child_oid`` is the oid in pg_class.
    ``child_is_partitioned``: the key also holds for the child's partitions (it never holds for heirs).
    ``child_readable``: this role sees every row of the child.
    """

    name: str
    on_delete: str
    on_update: str
    child_oid: int
    child_schema: str
    child_table: str
    child_is_partitioned: bool
    child_readable: bool
    columns: list[str]
    parent_columns: list[str]

    @property
    def child(self) -> str:
        """The referring table's name with its schema, for messages."""
        return f"{self.child_schema}.{self.child_table}"


@dataclass(frozen=True)
class Trigger:
    """A trigger of a table, or of a partition or an heir of it, that fires in this session.

    ``turns_away``: it runs before each row, and can keep it from being written or change it.
    """

    name: str
    table: str
    on_insert: bool
    turns_away: bool


@dataclass(frozen=True)
class CatalogTable:
    """A table of PostgreSQL as its catalog describes it. ``columns`` is empty if there is no such table."""

    schema: str
    name: str
    columns: list[Column]
    unique_indexes: list[UniqueIndex]
    """All of them, the primary key first."""
    foreign_keys: list[ForeignKey]
    referenced_by: list[Reference]
    partition_columns: list[str]
    part_of: list[str]
    """The tables that this one is a partition or an heir of, and that so hold its rows too, with their schemas."""
    triggers: list[Trigger]
    hides_rows: bool
    """Whether row security keeps rows of the table from this role."""
    rules: list[str]
    """Rules that rewrite this role's statements, which then cannot report what they did."""
    foreign_parts: list[str]
    """The foreign tables among its partitions and heirs."""
    lacks_replica_identity: bool = False
    """Whether PostgreSQL refuses updates or deletes, as a publication has the table and could not name its rows."""
    foreign_keys_of_parts: list[ForeignKey] = field(default_factory=list)
    """Those that hold only for the rows of a partition."""
    unsuitable_publications: list[str] = field(default_factory=list)
    """Publications for whose row filter or list of columns PostgreSQL refuses updates or deletes."""

    @property
    def unique_keys(self) -> list[UniqueKey]:
        """The unique indexes that ON CONFLICT or a reader can rely on: over all rows and plain columns."""
        return [
            UniqueKey(index.name, index.is_primary, index.deferrable, index.nulls_equal, index.key_columns)
            for index in self.unique_indexes
            if index.predicate is None and index.key_columns
        ]

    @property
    def every_foreign_key(self) -> list[ForeignKey]:
        """The foreign keys of the table and of its partitions: by these, parents are written before their children."""
        return [*self.foreign_keys, *self.foreign_keys_of_parts]

    @property
    def primary_key(self) -> list[str]:
        """The columns of the primary key; empty if there is none."""
        return next((key.columns for key in self.unique_keys if key.is_primary), [])

    def has_arbiter(self, columns: Iterable[str]) -> bool:
        """Whether ON CONFLICT can name these columns: they have a unique index, and none that is deferrable."""
        named = sorted(columns)
        found = [key.deferrable for key in self.unique_keys if sorted(key.columns) == named]
        return bool(found) and not any(found)

    @property
    def has_deferrable(self) -> bool:
        """Whether a constraint of the table can wait until the commit."""
        return any(key.deferrable for key in self.every_foreign_key) or any(
            one.deferrable for one in self.unique_indexes
        )

    @property
    def column_names(self) -> list[str]:
        """The names of all columns, in order."""
        return [column.name for column in self.columns]

    def column(self, name: str) -> Column:
        """Return the column of that name. Raises KeyError if there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)


def list_tables(connection: Connection[Any], schema: str) -> list[str]:
    """Return the names of a schema's tables, without their partitions."""
    return [name for (name,) in run(connection, "catalog/targets:list_tables", schema=schema)]


def kind_of(connection: Connection[Any], schema: str, name: str) -> tuple[str | None, list[str]]:
    """Return what a relation is that is not a table, and the tables that a view reads; None if there is none."""
    kinds = {"v": "a view", "m": "a materialized view", "f": "a foreign table"}
    row = run(connection, "catalog/targets:get_kind", schema=schema, table=name).fetchone()
    return (kinds.get(row[0], "not a table"), row[1]) if row else (None, [])


def uncovered(
    connection: Connection[Any], schema: str, name: str, column: str, bounds: tuple[datetime, datetime]
) -> tuple[str, bool] | None:
    """Return which part of ``[start, end)`` in a column no partition covers, as text, and whether that is all of it.

    None if there is no such part, or if the table is not partitioned by ranges of that column alone.
    """
    values = {"column": column, "start": bounds[0], "end": bounds[1]}
    row = run(connection, "catalog/targets:get_uncovered", schema=schema, table=name, **values).fetchone()
    return (row[0].strip("{}").replace('"', ""), row[1]) if row else None


def leading_columns(connection: Connection[Any], schema: str, name: str) -> set[str]:
    """Return the columns by whose ranges an index of the table finds rows."""
    return {column for (column,) in run(connection, "catalog/columns:list_leading_columns", schema=schema, table=name)}


def read_columns(connection: Connection[Any], schema: str, name: str) -> list[Column]:
    """Read the columns of a table in order. Returns none if the table does not exist or is not visible."""
    with connection.cursor(row_factory=class_row(Column)) as cursor:
        return cursor.execute(compose("catalog/columns:list_columns"), {"schema": schema, "table": name}).fetchall()


def read_foreign_keys(connection: Connection[Any], schema: str, name: str) -> list[ForeignKey]:
    """Read the foreign keys of a table and of its partitions."""
    with connection.cursor(row_factory=class_row(ForeignKey)) as cursor:
        return cursor.execute(compose("catalog/keys:list_foreign_keys"), {"schema": schema, "table": name}).fetchall()


def read_table(connection: Connection[Any], schema: str, name: str) -> CatalogTable:
    """Read a table's description. It has no columns if the table does not exist or is not visible."""
    names = {"schema": schema, "table": name}
    with connection.cursor(row_factory=class_row(UniqueIndex)) as cursor:
        unique_indexes = cursor.execute(compose("catalog/keys:list_unique_indexes"), names).fetchall()
    with connection.cursor(row_factory=class_row(Reference)) as cursor:
        referenced_by = cursor.execute(compose("catalog/keys:list_references"), names).fetchall()
    with connection.cursor(row_factory=class_row(Trigger)) as cursor:
        triggers = cursor.execute(compose("catalog/writes:list_triggers"), names).fetchall()
    partition_columns = [column for (column,) in run(connection, "catalog/columns:list_partition_columns", **names)]
    part_of = [table for (table,) in run(connection, "catalog/writes:list_tables_above", **names)]
    foreign_keys = read_foreign_keys(connection, schema, name)
    rewrites = run(connection, "catalog/writes:get_rewrites", **names).fetchone()
    hides_rows, rules, foreign_parts, lacks_identity, unsuitable = rewrites or (False, [], [], False, [])
    return CatalogTable(
        schema,
        name,
        read_columns(connection, schema, name),
        unique_indexes,
        [key for key in foreign_keys if not key.of_part],
        referenced_by,
        partition_columns,
        part_of,
        triggers,
        hides_rows,
        rules,
        foreign_parts,
        lacks_identity,
        [key for key in foreign_keys if key.of_part],
        unsuitable,
    )
