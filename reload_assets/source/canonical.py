"""Values as canonical text, made inside SQL: the same text for the same value on Oracle and on PostgreSQL.

Drivers are not trusted with it: they lose digits of large numbers, and years that Python does not know.

- numbers: plain, without trailing zeros or exponent, with a zero before the point (``0.5``). Oracle itself falls back
  to an exponent for a NUMBER that needs more than 64 characters.
- DATE and TIMESTAMP: ``YYYY-MM-DD HH24:MI:SS.FF6``; more than six digits are rounded, as DMS and PostgreSQL do.
- text: as it is; CHAR without its padding, where blanks alone are NULL, as DMS delivers it.
- RAW: hexadecimal digits in lower case.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from reload_assets.source.columns import Kind
from reload_assets.source.production import POSTGRESQL

# The third argument shields from the session's own settings: a decimal comma, a Buddhist calendar.
_ORACLE: dict[Kind, str] = {
    # TM9 writes .5 and -.5.
    "number": r"REGEXP_REPLACE(TO_CHAR({}, 'TM9', 'NLS_NUMERIC_CHARACTERS=''.,'''), '^(-?)\.', '\10.')",
    # A literal inside the format, not ||: Oracle's NULL || '.000000' is not NULL.
    "date": """TO_CHAR({}, 'YYYY-MM-DD HH24:MI:SS".000000"', 'NLS_CALENDAR=GREGORIAN')""",
    "timestamp": "TO_CHAR(CAST({} AS TIMESTAMP(6)), 'YYYY-MM-DD HH24:MI:SS.FF6', 'NLS_CALENDAR=GREGORIAN')",
    "padded": "RTRIM({})",
    "raw": "LOWER(RAWTOHEX({}))",
    "text": "{}",
}


class canonical_text(FunctionElement[str]):
    """``canonical_text(column, kind)``: the canonical text of a column's values."""

    type = sa.String()
    # Two of these differ by more than their arguments, so SQLAlchemy must not take one's SQL for the other's.
    inherit_cache = False

    def __init__(self, column: sa.ColumnElement[Any], kind: Kind) -> None:
        super().__init__(column)
        self.kind = kind


class source_instant(FunctionElement[datetime]):
    """``source_instant()``: the clock of the source's server as UTC wall-clock time."""

    type = sa.DateTime()
    inherit_cache = True


@compiles(source_instant, "oracle")
def _oracle_instant(element: source_instant, compiler: SQLCompiler, **options: Any) -> str:
    return "SYS_EXTRACT_UTC(SYSTIMESTAMP)"


@compiles(source_instant, "postgresql")
def _postgresql_instant(element: source_instant, compiler: SQLCompiler, **options: Any) -> str:
    return "CLOCK_TIMESTAMP() AT TIME ZONE 'UTC'"


@compiles(canonical_text, "oracle")
def _on_oracle(element: canonical_text, compiler: SQLCompiler, **options: Any) -> str:
    return _ORACLE[element.kind].format(compiler.process(element.clauses, **options))


@compiles(canonical_text, "postgresql")
def _on_postgresql(element: canonical_text, compiler: SQLCompiler, **options: Any) -> str:
    return POSTGRESQL[element.kind].format(compiler.process(element.clauses, **options))
