"""How values that are compared with the source's columns are bound."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.type_api import TypeEngine

from reload_assets.canonical.oracle_types import Bind

# sa.DateTime binds as Oracle's DATE, which has no fraction: only for DATE columns, whose index it keeps usable.
# The stand-in knows no NVARCHAR. Binding a string as NVARCHAR2 or CHAR gives Oracle the column's way of comparing.
BIND_TYPES: Mapping[Bind, TypeEngine[Any]] = {
    "number": sa.Numeric(),
    "text": sa.String(),
    "national text": sa.String().with_variant(sa.NVARCHAR(), "oracle"),
    "char": sa.CHAR(),
    "national char": sa.NCHAR(),
    "date": sa.DateTime(),
    "timestamp": sa.TIMESTAMP(),
    "bytes": sa.LargeBinary(),
}
