"""A PostgreSQL database that looks like Oracle: quoted upper-case names, Oracle's types and its dictionary views.

Each column's comment holds its Oracle type (``NUMBER(10,2)``); the dictionary views and the DMS stand-in read it there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from psycopg import Connection, errors, sql

from reload_assets.local.oracle_dictionary import DICTIONARY_VIEWS

SUPPLEMENTAL_LOG = "dms_supplemental_log"
"""The publication of all tables that stands for Oracle's supplemental logging: without it no change can be captured."""
ALL_COLUMNS_LOGGED = "SUPPLEMENTAL LOG DATA (ALL) COLUMNS"
"""The comment of a table whose updates log every column. Without it they log the primary key and what they changed,
which is all that DMS's own AddSupplementalLogging asks for."""

_TYPE = re.compile(
    r"(?P<base>[A-Z][A-Z0-9_]*)"
    r"(?:\((?P<size>\d+|\*)(?: (?:CHAR|BYTE))?(?:,(?P<scale>-?\d+))?\))?"
    r"(?P<zone> WITH (?:LOCAL )?TIME ZONE)?"
)
_SIZED = {"CHAR": "char", "NCHAR": "char", "VARCHAR": "varchar", "VARCHAR2": "varchar", "NVARCHAR2": "varchar"}
_FIXED = {
    "DATE": "timestamp(0)",
    "FLOAT": "numeric",
    "BINARY_FLOAT": "float4",
    "BINARY_DOUBLE": "float8",
    "RAW": "bytea",
    "BLOB": "bytea",
    "CLOB": "text",
    "NCLOB": "text",
    "LONG": "text",
}
# Oracle has no empty text: '' is NULL there. (A CHAR of blanks only is not an empty text.)
_NEVER_EMPTY = ("VARCHAR", "VARCHAR2", "NVARCHAR2")


@dataclass(frozen=True)
class OracleColumn:
    """A column with its Oracle type. ``virtual`` is the SQL expression of a virtual column."""

    name: str
    type: str
    nullable: bool = True
    virtual: str | None = None
    invisible: bool = False
    collation: str | None = None
    """Only its name is kept, for the dictionary. Texts are compared byte by byte here."""

    @property
    def comment(self) -> str:
        """What the dictionary views and the DMS stand-in know of the column."""
        collate = f" COLLATE {self.collation}" if self.collation else ""
        return f"{self.type}{collate}{' INVISIBLE' if self.invisible else ''}"

    @property
    def pg_type(self) -> str:
        """The PostgreSQL type that holds the same values. Raises ValueError for a type that has none here."""
        found = _TYPE.fullmatch(self.type)
        base = found["base"] if found else ""
        if found and base in _SIZED:
            return f"{_SIZED[base]}({found['size'] or 1})"
        if found and base == "NUMBER":
            size, scale = found["size"], found["scale"] or "0"
            return "numeric" if size is None else f"numeric({size.replace('*', '38')},{scale})"
        if found and base == "TIMESTAMP":
            # PostgreSQL keeps six digits of the nine that Oracle has.
            return f"{'timestamptz' if found['zone'] else 'timestamp'}({min(int(found['size'] or 6), 6)})"
        if base in _FIXED:
            return _FIXED[base]
        raise ValueError(f"{self.name}: the stand-in has nothing for the Oracle type {self.type!r}")

    def definition(self) -> sql.Composed:
        """Return the column as CREATE TABLE takes it."""
        name = sql.Identifier(self.name)
        parts: list[sql.Composable] = [name, sql.SQL(self.pg_type)]
        if self.virtual:
            parts.append(sql.SQL("GENERATED ALWAYS AS ({}) STORED").format(sql.SQL(self.virtual)))
        if not self.nullable:
            parts.append(sql.SQL("NOT NULL"))
        if self.type.startswith(_NEVER_EMPTY):
            parts.append(sql.SQL("CHECK ({} <> '')").format(name))
        return sql.SQL(" ").join(parts)


@dataclass(frozen=True)
class OracleForeignKey:
    """``columns`` refer to the primary key of ``parent``, a table of the same schema."""

    columns: Sequence[str]
    parent: str


@dataclass(frozen=True)
class OracleTable:
    """What the stand-in needs to know of a table."""

    name: str
    columns: Sequence[OracleColumn]
    primary_key: Sequence[str] = ()
    foreign_keys: Sequence[OracleForeignKey] = field(default=())
    logs_all_columns: bool = False
    """Supplemental logging of all columns; otherwise of the primary key."""

    @property
    def column_names(self) -> list[str]:
        """The names of the columns that are stored and visible, in order: those that DMS carries."""
        return [column.name for column in self.columns if not (column.virtual or column.invisible)]


def create_schema(connection: Connection[Any], schema: str) -> None:
    """Create an Oracle user's schema; the dictionary views and supplemental logging if the database has none.

    It may exist already. Supplemental logging is left out if the role is not a superuser.
    """
    with connection.transaction():
        if not _has_dictionary(connection):
            for view in DICTIONARY_VIEWS:
                connection.execute(view)
        connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(schema)))
        _enable_supplemental_log(connection)


def _has_dictionary(connection: Connection[Any]) -> bool:
    # All views were created in one transaction.
    return connection.execute("""SELECT to_regclass('public."ALL_USERS"')""").fetchone() != (None,)


def _enable_supplemental_log(connection: Connection[Any]) -> None:
    query = "SELECT 1 FROM pg_publication WHERE pubname = %s"
    if connection.execute(query, (SUPPLEMENTAL_LOG,)).fetchone() is None:
        # From PostgreSQL 18 on, a table with a virtual column cannot be updated unless that column is published too.
        virtual = ", publish_generated_columns = stored" if connection.info.server_version >= 180000 else ""
        with suppress(errors.InsufficientPrivilege), connection.transaction():
            connection.execute(
                sql.SQL("CREATE PUBLICATION {} FOR ALL TABLES WITH (publish_via_partition_root = true{})").format(
                    sql.Identifier(SUPPLEMENTAL_LOG), sql.SQL(virtual)
                )
            )


def create_table(connection: Connection[Any], schema: str, table: OracleTable) -> None:
    """Create the table in a schema that ``create_schema`` made. Raises ValueError for an unknown Oracle type."""
    name = sql.Identifier(schema, table.name)
    parts: list[sql.Composable] = [column.definition() for column in table.columns]
    if table.primary_key:
        parts.append(
            sql.SQL("CONSTRAINT {} PRIMARY KEY ({})").format(
                sql.Identifier(f"PK_{table.name}"), _names(table.primary_key)
            )
        )
    for key in table.foreign_keys:
        parts.append(
            sql.SQL("CONSTRAINT {} FOREIGN KEY ({}) REFERENCES {}").format(
                sql.Identifier(f"FK_{table.name}_{key.parent}"),
                _names(key.columns),
                sql.Identifier(schema, key.parent),
            )
        )
    with connection.transaction():
        connection.execute(sql.SQL("CREATE TABLE {} ({})").format(name, sql.SQL(", ").join(parts)))
        # Columns that an update did not change can be left out only if the log has the old row too.
        connection.execute(sql.SQL("ALTER TABLE {} REPLICA IDENTITY FULL").format(name))
        log_all_columns(connection, schema, table.name, enabled=table.logs_all_columns)
        for column in table.columns:
            connection.execute(
                sql.SQL("COMMENT ON COLUMN {} IS {}").format(
                    sql.Identifier(schema, table.name, column.name),
                    sql.Literal(column.comment),
                )
            )


def log_all_columns(connection: Connection[Any], schema: str, table: str, *, enabled: bool = True) -> None:
    """Switch supplemental logging of all columns of a table on or off. A CDC task reads it when it starts."""
    connection.execute(
        sql.SQL("COMMENT ON TABLE {} IS {}").format(
            sql.Identifier(schema, table), sql.Literal(ALL_COLUMNS_LOGGED if enabled else None)
        )
    )


def _names(columns: Sequence[str]) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(column) for column in columns)
