"""What is asked of Oracle's dictionary views: one statement each, the same for Oracle and for the stand-in.

Names are quoted and in upper case: that is how Oracle stores its own, and PostgreSQL takes them literally.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql import quoted_name


def named(identifier: str) -> quoted_name:
    """An identifier that is always quoted, so that no database folds its case."""
    return quoted_name(identifier, quote=True)


def _view(name: str, *columns: str) -> sa.TableClause:
    return sa.table(named(name), *(sa.column(named(column)) for column in columns))


_USERS = _view("ALL_USERS", "USERNAME")
_TABLES = _view("ALL_TABLES", "OWNER", "TABLE_NAME")
# ALL_TAB_COLUMNS has no HIDDEN_COLUMN and VIRTUAL_COLUMN; ALL_TAB_COLS has everything else that it has.
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
)
_CONSTRAINTS = _view("ALL_CONSTRAINTS", "OWNER", "CONSTRAINT_NAME", "CONSTRAINT_TYPE", "TABLE_NAME")
_CONSTRAINT_COLUMNS = _view("ALL_CONS_COLUMNS", "OWNER", "CONSTRAINT_NAME", "TABLE_NAME", "COLUMN_NAME", "POSITION")


def users() -> sa.Select[tuple[str]]:
    """The names of all schemas."""
    return sa.select(_USERS.c.USERNAME).order_by(_USERS.c.USERNAME)


def tables(schema: str) -> sa.Select[tuple[str]]:
    """The names of the schema's tables that this login may see."""
    return sa.select(_TABLES.c.TABLE_NAME).where(_is(_TABLES.c.OWNER, schema))


def columns(schema: str, table: str) -> sa.Select[tuple[object, ...]]:
    """The visible, stored columns in order: name, type, bytes, characters, precision, scale, nullable, position.

    Hidden and virtual columns are left out: DMS does not carry them.
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
        )
        .where(
            _is(c.OWNER, schema),
            _is(c.TABLE_NAME, table),
            _is(c.HIDDEN_COLUMN, "NO"),
            _is(c.VIRTUAL_COLUMN, "NO"),
        )
        .order_by(c.COLUMN_ID)
    )


def primary_key(schema: str, table: str) -> sa.Select[tuple[str]]:
    """The names of the primary key's columns, in the key's order."""
    constraint, column = _CONSTRAINTS.c, _CONSTRAINT_COLUMNS.c
    return (
        sa.select(column.COLUMN_NAME)
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
            _is(constraint.CONSTRAINT_TYPE, "P"),
        )
        .order_by(column.POSITION)
    )


def _is(column: sa.ColumnClause[Any], value: str) -> sa.ColumnElement[bool]:
    # The prefix keeps bind names clear of Oracle's reserved words (ORA-01745).
    return column == sa.bindparam(f"p_{column.name}".lower(), value, type_=sa.String())
