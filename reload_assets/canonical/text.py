"""Turns values into canonical text by SQL: Oracle and PostgreSQL give the same text for the same value.

The databases do this because drivers lose digits of large numbers, and years that Python cannot hold. The rules are the
templates below, which ``docs/canonical-text.md`` publishes. Oracle itself writes a NUMBER that needs more than 64
characters with an exponent.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from psycopg import sql
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from reload_assets.canonical.oracle_types import Kind
from reload_assets.canonical.postgres import DOUBLE_DECIMALS, LOB_BYTES, LOB_CHARACTERS, REAL_DECIMALS, TextRule

# The third argument overrides the session's settings, such as a decimal comma or a Buddhist calendar.
_PLAIN = "TO_CHAR({0}, 'TM9', 'NLS_NUMERIC_CHARACTERS=''.,''')"
# TM9 writes .5 and -.5 instead of 0.5 and -0.5. Only numbers between -1 and 1 need the regular expression.
_NUMBER = f"CASE WHEN {{0}} > -1 AND {{0}} < 1 THEN REGEXP_REPLACE({_PLAIN}, '^(-?)\\.', '\\10.') ELSE {_PLAIN} END"
# BC and zeros are literals inside the format. Outside it, Oracle's NULL || '.000000' would not be NULL, and the format
# element BC is spelled in the session's language.
_TIME = (
    "CASE WHEN {0} < DATE '0001-01-01' THEN TO_CHAR({0}, '{1}', 'NLS_CALENDAR=GREGORIAN') "
    "ELSE TO_CHAR({0}, '{2}', 'NLS_CALENDAR=GREGORIAN') END"
)


def _lob(size: int, piece: str) -> str:
    """Return a LOB's text: its length, and the sum of the hashes of its numbered pieces of ``size``.

    It needs no right: everybody may use DBMS_LOB, and STANDARD_HASH takes the pieces, though not the LOB.
    """
    length = "DBMS_LOB.GETLENGTH({0})"
    hashed = piece.replace("PIECE", f"DBMS_LOB.SUBSTR({{0}}, {size}, (LEVEL - 1) * {size} + 1)")
    hexadecimal = f"LOWER(RAWTOHEX(STANDARD_HASH({hashed}, 'MD5')))"
    digits = f"SUBSTR(RAWTOHEX(STANDARD_HASH(LEVEL || '.' || {hexadecimal}, 'MD5')), 1, 15)"
    return (
        f"CASE WHEN {length} > 0 THEN {length} || '.' || (SELECT SUM(TO_NUMBER({digits}, '{'X' * 15}')) "
        f"FROM DUAL CONNECT BY LEVEL <= CEIL({length} / {size})) END"
    )


def _float(decimals: int) -> str:
    """Return a binary float's text: its first digits, and the exponent."""
    return (
        "CASE WHEN {0} = BINARY_DOUBLE_NAN THEN 'NaN' WHEN {0} = BINARY_DOUBLE_INFINITY THEN 'Infinity' "
        "WHEN {0} = -BINARY_DOUBLE_INFINITY THEN '-Infinity' "
        f"WHEN {{0}} = 0 THEN '0' ELSE TRIM(TO_CHAR({{0}}, '9.{'9' * decimals}EEEE', "
        "'NLS_NUMERIC_CHARACTERS=''.,''')) END"
    )


_ORACLE: dict[Kind, str] = {
    "number": _NUMBER,
    # Rounded as DMS does it for a NUMBER without precision: {1} is NumberDatatypeScale.
    "bare": _NUMBER.format("ROUND({0}, {1})"),
    "date": _TIME.format("{0}", 'YYYY-MM-DD HH24:MI:SS".000000 BC"', 'YYYY-MM-DD HH24:MI:SS".000000"'),
    "timestamp": _TIME.format(
        "CAST({0} AS TIMESTAMP(6))", 'YYYY-MM-DD HH24:MI:SS.FF6" BC"', "YYYY-MM-DD HH24:MI:SS.FF6"
    ),
    # DMS turns NUL, which PostgreSQL refuses, into a blank.
    "padded": "RTRIM(REPLACE({0}, CHR(0), ' '))",
    "blanks": "REPLACE({0}, CHR(0), ' ')",
    "short time": _TIME.format(
        "CAST({0} AS TIMESTAMP({1}))", 'YYYY-MM-DD HH24:MI:SS.FF6" BC"', "YYYY-MM-DD HH24:MI:SS.FF6"
    ),
    "day": _TIME.format("{0}", 'YYYY-MM-DD" 00:00:00.000000 BC"', 'YYYY-MM-DD" 00:00:00.000000"'),
    "raw": "LOWER(RAWTOHEX({0}))",
    "uuid": "LOWER(TRANSLATE({0}, 'x-{{}}', 'x'))",
    "text": "REPLACE({0}, CHR(0), ' ')",
    "clob": _lob(LOB_CHARACTERS, "CONVERT(REPLACE(PIECE, CHR(0), ' '), 'AL32UTF8')"),
    "nclob": _lob(LOB_CHARACTERS, "CONVERT(REPLACE(TO_CHAR(PIECE), CHR(0), ' '), 'AL32UTF8')"),
    "blob": _lob(LOB_BYTES, "PIECE"),
    "double": _float(DOUBLE_DECIMALS),
    "real": _float(REAL_DECIMALS),
    "instant": _TIME.format(
        "CAST(SYS_EXTRACT_UTC({0}) AS TIMESTAMP(6))", 'YYYY-MM-DD HH24:MI:SS.FF6" BC"', "YYYY-MM-DD HH24:MI:SS.FF6"
    ),
}


class canonical_text(FunctionElement[str]):
    """``canonical_text(column, rule)``: the shared text of a column's values."""

    type = sa.String()
    # Elements differ by more than their arguments, so SQLAlchemy must not reuse one's SQL for another.
    inherit_cache = False

    def __init__(self, column: sa.ColumnElement[Any], rule: TextRule) -> None:
        super().__init__(column)
        self.rule = rule


class source_role(FunctionElement[str]):
    """``source_role()``: ``PRIMARY`` if the source's database takes writes itself and is not a copy of another."""

    type = sa.String()
    inherit_cache = True


class source_instant(FunctionElement[datetime]):
    """``source_instant()``: the clock of the source's server in UTC, without a time zone."""

    type = sa.DateTime()
    inherit_cache = True


@compiles(source_role, "oracle")
def _oracle_role(element: source_role, compiler: SQLCompiler, **options: Any) -> str:
    # Unlike V$DATABASE, this needs no grant.
    return "SYS_CONTEXT('USERENV', 'DATABASE_ROLE')"


@compiles(source_role, "postgresql")
def _postgresql_role(element: source_role, compiler: SQLCompiler, **options: Any) -> str:
    return "CASE WHEN PG_IS_IN_RECOVERY() THEN 'STANDBY' ELSE 'PRIMARY' END"


@compiles(source_instant, "oracle")
def _oracle_instant(element: source_instant, compiler: SQLCompiler, **options: Any) -> str:
    return "SYS_EXTRACT_UTC(SYSTIMESTAMP)"


@compiles(source_instant, "postgresql")
def _postgresql_instant(element: source_instant, compiler: SQLCompiler, **options: Any) -> str:
    return "CLOCK_TIMESTAMP() AT TIME ZONE 'UTC'"


def production_column(alias: str, column: str) -> sa.ColumnElement[Any]:
    """Return a column of production, for ``in_production``."""
    return sa.table(alias, sa.column(column)).c[column]


def in_production(element: sa.ColumnElement[Any]) -> sql.SQL:
    """Return an expression without bound values, for statements that run in production."""
    # With psycopg's own paramstyle SQLAlchemy would double the percent signs.
    return sql.SQL(str(element.compile(dialect=postgresql.dialect(paramstyle="named"))))


@compiles(canonical_text, "oracle")
def _on_oracle(element: canonical_text, compiler: SQLCompiler, **options: Any) -> str:
    return _ORACLE[element.rule.kind].format(compiler.process(element.clauses, **options), element.rule.scale)


@compiles(canonical_text, "postgresql")
def _on_postgresql(element: canonical_text, compiler: SQLCompiler, **options: Any) -> str:
    return element.rule.template.format(compiler.process(element.clauses, **options), element.rule.scale)
