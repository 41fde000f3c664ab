"""The source's columns as Oracle's dictionary describes them, and what a value of each type looks like as a bind."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Literal

from reload_assets.errors.source import SourceKeyValue

if TYPE_CHECKING:
    from sqlalchemy.sql.type_api import TypeEngine

Kind = Literal["number", "bare", "text", "padded", "blanks", "date", "timestamp", "raw"]

# BINARY_FLOAT and BINARY_DOUBLE, LOBs and the types with a time zone are left out on purpose: their text differs
# between Oracle and PostgreSQL, or (DMS turns time zones into strings) between the source and production.
_KINDS: dict[str, Kind] = {
    "NUMBER": "number",
    "FLOAT": "number",
    "VARCHAR2": "text",
    "VARCHAR": "text",
    "NVARCHAR2": "text",
    "CHAR": "padded",
    "NCHAR": "padded",
    "DATE": "date",
    "TIMESTAMP": "timestamp",
    "RAW": "raw",
}
# Read as they are, and typed in production as DMS does.
_READ_WHOLE = ("CLOB", "NCLOB", "BLOB", "BINARY_FLOAT", "BINARY_DOUBLE")

LOB_TYPES = ("CLOB", "NCLOB", "BLOB", "LONG", "LONG RAW", "XMLTYPE", "SYS.XMLTYPE")
"""The base types that DMS carries as LOBs."""

BARE_SCALE = 10
"""The decimals to which DMS rounds a NUMBER without precision, unless its endpoint says otherwise."""


@dataclass(frozen=True)
class Delivery:
    """What the settings of DMS's source endpoint make of values on their way.

    ``number_scale`` is NumberDatatypeScale: the decimals of a NUMBER without precision, -1 where it is carried as a
    float, -2 as text and therefore whole. ``trims_char``: whether CHAR loses its padding.
    """

    number_scale: int = BARE_SCALE
    trims_char: bool = True


@dataclass(frozen=True)
class SourceColumn:
    """One visible, stored column. ``length`` is in characters for text and in bytes for RAW, None for other types."""

    name: str
    data_type: str
    length: int | None
    precision: int | None
    scale: int | None
    nullable: bool
    position: int
    delivery: Delivery = Delivery()

    @property
    def base_type(self) -> str:
        """The type without its sizes: ``TIMESTAMP``, ``TIMESTAMP WITH TIME ZONE``."""
        return re.sub(r"\(\d+\)", "", self.data_type)

    @property
    def declared(self) -> str:
        """The type in full, spelled as DBMS_METADATA does: ``NUMBER(10,2)``, ``NUMBER(*,0)``, ``VARCHAR2(100)``."""
        if self.base_type == "NUMBER" and (self.precision, self.scale) != (None, None):
            return f"NUMBER({'*' if self.precision is None else self.precision},{self.scale or 0})"
        if self.base_type == "FLOAT" and self.precision is not None:
            return f"FLOAT({self.precision})"
        if self.length is not None:
            return f"{self.data_type}({self.length})"
        return self.data_type

    @property
    def kind(self) -> Kind | None:
        """Which rule makes the column's canonical text; None where there is none, as for LOBs and floats."""
        found = _KINDS.get(self.base_type)
        if self.is_bare:
            # As a float it loses digits nobody can tell beforehand; as text it loses none.
            return {-1: None, -2: found}.get(self.delivery.number_scale, "bare")
        return "blanks" if found == "padded" and not self.delivery.trims_char else found

    @property
    def is_bare(self) -> bool:
        """Whether it is a NUMBER without precision and scale, which DMS carries as its endpoint is set."""
        return self.base_type == "NUMBER" and (self.precision, self.scale) == (None, None)

    @property
    def why_without_text(self) -> str:
        """The column's type, and the endpoint's setting where that is why it has no canonical text."""
        return f"{self.declared}, carried as a float (NumberDatatypeScale -1)" if self.is_bare else self.declared

    @property
    def is_readable(self) -> bool:
        """Whether a value that is read over a connection can be made into what DMS makes of it."""
        return self.kind is not None or self.base_type in _READ_WHOLE

    @property
    def bind_type(self) -> TypeEngine[Any]:
        """How a value that is compared with the column is bound. Only for columns that have a ``kind``."""
        # Only who reads the source needs SQLAlchemy.
        from reload_assets.canonical.binds import BIND_TYPES

        return BIND_TYPES[self.base_type]

    def bind_value(self, value: Any) -> Any:
        """A key's value, as production has it or as canonical text, as what the driver compares exactly.

        Raises SourceUnavailable for a value that the column cannot hold.
        """
        try:
            converted = self._convert(value)
        except (InvalidOperation, ValueError, TypeError):
            converted = None
        if converted is None:
            raise SourceKeyValue(repr(value), self.name, self.declared)
        return converted

    def _convert(self, value: Any) -> Any:
        if self.kind in ("number", "bare"):
            # Never as int or float: SQLAlchemy's Oracle dialect would format those through a 64-bit float.
            number = Decimal(str(value))
            return number if number.is_finite() else None
        if self.kind in ("date", "timestamp"):
            instant = datetime.fromisoformat(value) if isinstance(value, str) else value
            return instant if isinstance(instant, datetime) and instant.tzinfo is None else None
        if self.kind == "raw":
            return bytes.fromhex(value) if isinstance(value, str) else bytes(memoryview(value))
        if not isinstance(value, str):
            return None
        return value.rstrip(" ") if self.kind == "padded" else value
