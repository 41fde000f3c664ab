"""Says how to bind values that are compared with the source's columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.type_api import TypeEngine

from reload_assets.canonical.oracle_types import Bind

# sa.DateTime binds as Oracle's DATE, which has no fraction of a second. It is for DATE columns only, and keeps their
# index usable. If a string is bound as NVARCHAR2 or CHAR, Oracle compares it as the column does. The stand-in has no
# NVARCHAR.
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
