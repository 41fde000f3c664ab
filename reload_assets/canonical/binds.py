"""How values that are compared with the source's columns are bound, by the column's type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.type_api import TypeEngine

# sa.DateTime binds as Oracle's DATE, which has no fraction: only for DATE columns, whose index it keeps usable.
# The stand-in knows no NVARCHAR. Binding a string as NVARCHAR2 or CHAR gives Oracle the column's way of comparing.
BIND_TYPES: Mapping[str, TypeEngine[Any]] = {
    "NUMBER": sa.Numeric(),
    "FLOAT": sa.Numeric(),
    "VARCHAR2": sa.String(),
    "VARCHAR": sa.String(),
    "NVARCHAR2": sa.String().with_variant(sa.NVARCHAR(), "oracle"),
    "CHAR": sa.CHAR(),
    "NCHAR": sa.NCHAR(),
    "DATE": sa.DateTime(),
    "TIMESTAMP": sa.TIMESTAMP(),
    "RAW": sa.LargeBinary(),
}
