"""The statements on Oracle's dictionary views, which are the same for Oracle and for the stand-in.

Names are quoted and in upper case, as Oracle stores its own names and PostgreSQL takes quoted names literally.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql import quoted_name


def named(identifier: str) -> quoted_name:
    """Return an identifier that is always quoted, so that no database changes its case."""
    return quoted_name(identifier, quote=True)


def _view(name: str, *columns: str) -> sa.TableClause:
    return sa.table(named(name), *(sa.column(named(column)) for column in columns))


_USERS = _view("ALL_USERS", "USERNAME")
_TABLES = _view("ALL_TABLES", "OWNER", "TABLE_NAME")
# ALL_TAB_COLS has the columns of ALL_TAB_COLUMNS, and HIDDEN_COLUMN and VIRTUAL_COLUMN besides. COLLATION is newer than
# the others.
_COLUMNS = _view(
    "ALL_TAB_COLS",
    "OWNER",
    "TABLE_NAME",
    "COLUMN_NAME",
    "DATA_TYPE",
    "DATA_LENGTH",
    "CHAR_LENGTH",
    "DATA_PRECISION",
    "DATA_SCALE",
    "NULLABLE",
    "COLUMN_ID",
    "HIDDEN_COLUMN",
    "VIRTUAL_COLUMN",
    "COLLATION",
)
_FIRST_WITH_COLLATION = (12, 2)

_CONSTRAINTS = _view(
    "ALL_CONSTRAINTS", "OWNER", "CONSTRAINT_NAME", "CONSTRAINT_TYPE", "TABLE_NAME", "STATUS", "VALIDATED"
)
_CONSTRAINT_COLUMNS = _view("ALL_CONS_COLUMNS", "OWNER", "CONSTRAINT_NAME", "TABLE_NAME", "COLUMN_NAME", "POSITION")

# Only the first of these is not for every user.
_DATABASE = _view(
    "V$DATABASE", "LOG_MODE", "SUPPLEMENTAL_LOG_DATA_MIN", "SUPPLEMENTAL_LOG_DATA_PK", "SUPPLEMENTAL_LOG_DATA_ALL"
)
_LOG_GROUPS = _view("ALL_LOG_GROUPS", "OWNER", "TABLE_NAME", "LOG_GROUP_TYPE")

_INDEXES = _view("ALL_INDEXES", "OWNER", "INDEX_NAME", "TABLE_OWNER", "TABLE_NAME", "UNIQUENESS", "STATUS")
_INDEX_COLUMNS = _view("ALL_IND_COLUMNS", "INDEX_OWNER", "INDEX_NAME", "COLUMN_NAME", "COLUMN_POSITION")


def users() -> sa.Select[tuple[str]]:
    """Return the names of all schemas."""
    return sa.select(_USERS.c.USERNAME).order_by(_USERS.c.USERNAME)


def tables(schema: str) -> sa.Select[tuple[str]]:
    """Return the names of the schema's tables that this login may see."""
    return sa.select(_TABLES.c.TABLE_NAME).where(_is(_TABLES.c.OWNER, schema))


def has_collations(dialect: sa.Dialect) -> bool:
    """Return whether the dictionary of a database that was connected to tells the collations of columns."""
    return dialect.name != "oracle" or (dialect.server_version_info or ()) >= _FIRST_WITH_COLLATION


def columns(schema: str, table: str, *, collations: bool) -> sa.Select[tuple[object, ...]]:
    """Return the visible, stored columns in order.

    They are name, type, bytes, characters, precision, scale, nullable, position, collation. Hidden and virtual columns
    are left out: DMS does not carry them. Without ``collations`` the collation is NULL.
    """
    c = _COLUMNS.c
    return (
        sa.select(
            c.COLUMN_NAME,
            c.DATA_TYPE,
            c.DATA_LENGTH,
            c.CHAR_LENGTH,
            c.DATA_PRECISION,
            c.DATA_SCALE,
            c.NULLABLE,
            c.COLUMN_ID,
            c.COLLATION if collations else sa.null().label(c.COLLATION.name),
        )
        .where(
            _is(c.OWNER, schema),
            _is(c.TABLE_NAME, table),
            _is(c.HIDDEN_COLUMN, "NO"),
            _is(c.VIRTUAL_COLUMN, "NO"),
        )
        .order_by(c.COLUMN_ID)
    )


def unique_constraints(schema: str, table: str) -> sa.Select[tuple[str, str]]:
    """Return name and column, row by row, of the primary key and the unique constraints that hold for all rows."""
    constraint, column = _CONSTRAINTS.c, _CONSTRAINT_COLUMNS.c
    return (
        sa.select(constraint.CONSTRAINT_NAME, column.COLUMN_NAME)
        .select_from(_CONSTRAINTS)
        .join(
            _CONSTRAINT_COLUMNS,
            sa.and_(
                column.OWNER == constraint.OWNER,
                column.CONSTRAINT_NAME == constraint.CONSTRAINT_NAME,
                column.TABLE_NAME == constraint.TABLE_NAME,
            ),
        )
        .where(
            _is(constraint.OWNER, schema),
            _is(constraint.TABLE_NAME, table),
            constraint.CONSTRAINT_TYPE.in_([sa.literal_column("'P'"), sa.literal_column("'U'")]),
            _is(constraint.STATUS, "ENABLED"),
            _is(constraint.VALIDATED, "VALIDATED"),
        )
        .order_by(constraint.CONSTRAINT_TYPE, constraint.CONSTRAINT_NAME, column.POSITION)
    )


def unique_indexes(schema: str, table: str) -> sa.Select[tuple[str, str]]:
    """Return name and column, row by row, of the unique indexes. An expression has a name that no column has."""
    index, column = _INDEXES.c, _INDEX_COLUMNS.c
    return (
        sa.select(index.INDEX_NAME, column.COLUMN_NAME)
        .select_from(_INDEXES)
        .join(
            _INDEX_COLUMNS,
            sa.and_(column.INDEX_OWNER == index.OWNER, column.INDEX_NAME == index.INDEX_NAME),
        )
        .where(
            _is(index.TABLE_OWNER, schema),
            _is(index.TABLE_NAME, table),
            _is(index.UNIQUENESS, "UNIQUE"),
            # The status of a partitioned index is N/A, so only UNUSABLE is excluded.
            sa.not_(_is(index.STATUS, "UNUSABLE")),
        )
        .order_by(index.INDEX_NAME, column.COLUMN_POSITION)
    )


def leading_columns(schema: str, table: str) -> sa.Select[tuple[str]]:
    """Return the columns with which a usable index of the table begins."""
    index, column = _INDEXES.c, _INDEX_COLUMNS.c
    return (
        sa.select(column.COLUMN_NAME)
        .distinct()
        .select_from(_INDEXES)
        .join(
            _INDEX_COLUMNS,
            sa.and_(column.INDEX_OWNER == index.OWNER, column.INDEX_NAME == index.INDEX_NAME),
        )
        .where(
            _is(index.TABLE_OWNER, schema),
            _is(index.TABLE_NAME, table),
            sa.literal_column("1") == column.COLUMN_POSITION,
            sa.not_(_is(index.STATUS, "UNUSABLE")),
        )
    )


def logging() -> sa.Select[tuple[str, ...]]:
    """Return whether the redo log is archived, and the supplemental logging of the database: minimal, keys, all."""
    return sa.select(*_DATABASE.c)


def log_groups(schema: str, table: str) -> sa.Select[tuple[str]]:
    """Return the kinds of the supplemental log groups of the table."""
    c = _LOG_GROUPS.c
    return sa.select(c.LOG_GROUP_TYPE).where(_is(c.OWNER, schema), _is(c.TABLE_NAME, table))


def _is(column: sa.ColumnClause[Any], value: str) -> sa.ColumnElement[bool]:
    # The prefix keeps bind names distinct from Oracle's reserved words (ORA-01745).
    return column == sa.bindparam(f"p_{column.name}".lower(), value, type_=sa.String())
