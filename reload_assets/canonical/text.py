"""Values as canonical text, made inside SQL: the same text for the same value on Oracle and on PostgreSQL.

Drivers are not trusted with it: they lose digits of large numbers, and years that Python does not know. The rules are
the templates below, which ``docs/canonical-text.md`` publishes. Oracle itself falls back to an exponent for a NUMBER
that needs more than 64 characters.
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
from reload_assets.canonical.postgres import TextRule

# The third argument shields from the session's own settings: a decimal comma, a Buddhist calendar.
_PLAIN = "TO_CHAR({0}, 'TM9', 'NLS_NUMERIC_CHARACTERS=''.,''')"
# TM9 writes .5 and -.5; only numbers that may look so pay for the regular expression.
_NUMBER = f"CASE WHEN {{0}} > -1 AND {{0}} < 1 THEN REGEXP_REPLACE({_PLAIN}, '^(-?)\\.', '\\10.') ELSE {_PLAIN} END"
# BC and zeros as literals inside the format: Oracle's NULL || '.000000' is not NULL, and the format's own BC is
# spelled as the session's language has it.
_TIME = (
    "CASE WHEN {0} < DATE '0001-01-01' THEN TO_CHAR({0}, '{1}', 'NLS_CALENDAR=GREGORIAN') "
    "ELSE TO_CHAR({0}, '{2}', 'NLS_CALENDAR=GREGORIAN') END"
)
_ORACLE: dict[Kind, str] = {
    "number": _NUMBER,
    # As DMS rounds a NUMBER without precision (NumberDatatypeScale, {1}).
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
}


class canonical_text(FunctionElement[str]):
    """``canonical_text(column, rule)``: the shared text of a column's values."""

    type = sa.String()
    # Two of these differ by more than their arguments, so SQLAlchemy must not take one's SQL for the other's.
    inherit_cache = False

    def __init__(self, column: sa.ColumnElement[Any], rule: TextRule) -> None:
        super().__init__(column)
        self.rule = rule


class source_role(FunctionElement[str]):
    """``source_role()``: ``PRIMARY`` where the source's database takes writes itself and is not a copy of another."""

    type = sa.String()
    inherit_cache = True


class source_instant(FunctionElement[datetime]):
    """``source_instant()``: the clock of the source's server as UTC wall-clock time."""

    type = sa.DateTime()
    inherit_cache = True


@compiles(source_role, "oracle")
def _oracle_role(element: source_role, compiler: SQLCompiler, **options: Any) -> str:
    # Needs no grant, unlike V$DATABASE.
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
    """One of production's columns, for ``in_production``."""
    return sa.table(alias, sa.column(column)).c[column]


def in_production(element: sa.ColumnElement[Any]) -> sql.SQL:
    """Return an expression without bound values, for statements that run in production."""
    # paramstyle named: psycopg's own would double the percent signs.
    return sql.SQL(str(element.compile(dialect=postgresql.dialect(paramstyle="named"))))


@compiles(canonical_text, "oracle")
def _on_oracle(element: canonical_text, compiler: SQLCompiler, **options: Any) -> str:
    return _ORACLE[element.rule.kind].format(compiler.process(element.clauses, **options), element.rule.scale)


@compiles(canonical_text, "postgresql")
def _on_postgresql(element: canonical_text, compiler: SQLCompiler, **options: Any) -> str:
    return element.rule.template.format(compiler.process(element.clauses, **options), element.rule.scale)
