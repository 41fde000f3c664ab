"""Describes Oracle's types, and the source's columns as Oracle's dictionary has them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Literal

from reload_assets.dms.endpoints import DEFAULT_NUMBER_SCALE
from reload_assets.errors.source import SourceKeyValue

if TYPE_CHECKING:
    from sqlalchemy.sql.type_api import TypeEngine

Kind = Literal[
    "number", "bare", "text", "padded", "blanks", "date", "timestamp", "raw", "day", "short time", "uuid",
    "clob", "nclob", "blob", "double", "real", "instant",
]  # fmt: skip
"""The rules that make a canonical text. From ``day`` to ``uuid`` they are for what production's type keeps of a value.
The last six are for types that only a search for drift compares; their texts may differ for values that do not."""

Family = Literal["number", "float", "string", "lob", "bytes", "time", "zoned", "interval"]
"""How DMS delivers a type: a number, a binary float, text, a LOB's text, bytes, a timestamp, or a time as a string."""
Bind = Literal["number", "text", "national text", "char", "national char", "date", "timestamp", "bytes"]


@dataclass(frozen=True)
class OracleType:
    """The properties of one of Oracle's types.

    ``family`` is None for a type that DMS does not carry. A type with a ``kind`` has a canonical text: its columns can
    be keys and can be filtered, by values bound as ``bind``. ``is_compared``: the content is compared, because it
    arrives exactly. ``is_read_whole``: it has no canonical text, but a value read over the connection can be made into
    what DMS loads; of a LOB, Oracle tells the length, too. ``most_bytes``: where DMS cuts a LOB regardless of the
    task's limit. ``float_bits``: the precision of a binary float. ``inexact_kind``: the rule by which only a search for
    drift compares it. ``would_take``: why it is not compared, and what that would take. ``length_in``: the unit of the
    column's length in the dictionary.
    """

    family: Family | None
    kind: Kind | None = None
    bind: Bind | None = None
    is_compared: bool = False
    is_lob: bool = False
    is_read_whole: bool = False
    is_national: bool = False
    most_bytes: int | None = None
    float_bits: int | None = None
    inexact_kind: Kind | None = None
    would_take: str | None = None
    length_in: Literal["characters", "bytes"] | None = None


def _exact(family: Family, kind: Kind, bind: Bind, **others: Any) -> OracleType:
    return OracleType(family, kind, bind, is_compared=True, **others)


def _string(kind: Kind, bind: Bind, *, is_national: bool = False) -> OracleType:
    return _exact("string", kind, bind, is_national=is_national, length_in="characters")


# DMS cuts LONG and LONG RAW at 64 KB.
_LONG_BYTES = 64 * 1024
_UNREADABLE = "Oracle has no function that reads it; it would take a {} in the source"
_DELIVERED = "DMS delivers it as a text of its own; it would take "
_ZONED = OracleType("zoned", inexact_kind="instant", would_take=f"{_DELIVERED}timestamp with time zone in production")
_INTERVAL = OracleType("interval", would_take=f"{_DELIVERED}a number in the source")
_XML = OracleType(
    "lob", is_lob=True, would_take="each side writes a document in its own way; it would take a CLOB in the source"
)
# Some types have no kind on purpose. The text of binary floats and LOBs differs between Oracle and PostgreSQL. The text
# of times with a time zone differs between source and production, because DMS turns them into strings.
ORACLE_TYPES: Mapping[str, OracleType] = {
    "NUMBER": _exact("number", "number", "number"),
    # DMS rounds this number to 15 digits.
    "FLOAT": OracleType("float", "number", "number", float_bits=126, inexact_kind="double"),
    "BINARY_FLOAT": OracleType("float", is_read_whole=True, float_bits=24, inexact_kind="real"),
    "BINARY_DOUBLE": OracleType("float", is_read_whole=True, float_bits=53, inexact_kind="double"),
    "VARCHAR2": _string("text", "text"),
    "VARCHAR": _string("text", "text"),
    "NVARCHAR2": _string("text", "national text", is_national=True),
    "CHAR": _string("padded", "char"),
    "NCHAR": _string("padded", "national char", is_national=True),
    "DATE": _exact("time", "date", "date"),
    "TIMESTAMP": _exact("time", "timestamp", "timestamp"),
    "TIMESTAMP WITH TIME ZONE": _ZONED,
    "TIMESTAMP WITH LOCAL TIME ZONE": _ZONED,
    "INTERVAL YEAR TO MONTH": _INTERVAL,
    "INTERVAL DAY TO SECOND": _INTERVAL,
    "RAW": _exact("bytes", "raw", "bytes", length_in="bytes"),
    "CLOB": OracleType("lob", is_lob=True, is_read_whole=True, inexact_kind="clob"),
    "NCLOB": OracleType("lob", is_lob=True, is_read_whole=True, inexact_kind="nclob"),
    "BLOB": OracleType("bytes", is_lob=True, is_read_whole=True, inexact_kind="blob"),
    "LONG": OracleType("lob", is_lob=True, most_bytes=_LONG_BYTES, would_take=_UNREADABLE.format("CLOB")),
    "LONG RAW": OracleType("bytes", is_lob=True, most_bytes=_LONG_BYTES, would_take=_UNREADABLE.format("BLOB")),
    "XMLTYPE": _XML,
    "SYS.XMLTYPE": _XML,
}
"""Oracle's types by name, without sizes. This is the only place that says how each is treated."""

_NOT_CARRIED = OracleType(None)

BARE_SCALE = DEFAULT_NUMBER_SCALE
"""The number of decimals to which DMS rounds a NUMBER without precision, unless its endpoint says otherwise."""


EXACT_COLLATIONS = ("BINARY", "USING_NLS_COMP", "USING_NLS_SORT", "USING_NLS_SORT_CS")
"""The collations of Oracle for which only texts of the same bytes are equal, in sessions with NLS_SORT=BINARY."""


@dataclass(frozen=True)
class Delivery:
    """How the settings of DMS's source endpoint change values in transit.

    ``number_scale`` is NumberDatatypeScale: the decimals of a NUMBER without precision. -1 means that it is carried as
    a float, and -2 as text, which loses no digits. ``trims_char``: whether CHAR loses its padding.
    """

    number_scale: int = BARE_SCALE
    trims_char: bool = True


@dataclass(frozen=True)
class SourceColumn:
    """One visible, stored column. ``length`` is in characters for text and in bytes for RAW, None for other types.

    ``collation`` is one for which different texts may be equal (``BINARY_CI``); None where there is no such one.
    """

    name: str
    data_type: str
    length: int | None
    precision: int | None
    scale: int | None
    nullable: bool
    position: int
    delivery: Delivery = Delivery()
    collation: str | None = None

    @property
    def base_type(self) -> str:
        """The type without its sizes: ``TIMESTAMP``, ``TIMESTAMP WITH TIME ZONE``."""
        return _base_type(self.data_type)

    @property
    def type(self) -> OracleType:
        """The properties of the column's type."""
        return type_named(self.data_type)

    @property
    def declared(self) -> str:
        """The type in full, spelled as DBMS_METADATA does: ``NUMBER(10,2)``, ``NUMBER(*,0)``, ``VARCHAR2(100)``."""
        if self.base_type == "NUMBER" and (self.precision, self.scale) != (None, None):
            return f"NUMBER({'*' if self.precision is None else self.precision},{self.scale or 0})"
        if self.base_type == "FLOAT" and self.precision is not None:
            return f"FLOAT({self.precision})"
        if self.length is not None:
            return f"{self.data_type}({self.length}){f' COLLATE {self.collation}' if self.collation else ''}"
        return self.data_type

    @property
    def kind(self) -> Kind | None:
        """The rule of the column's canonical text; None if it has none, like LOBs and floats."""
        found = self.type.kind
        if self.is_bare:
            # As a float a number loses digits that cannot be predicted; as text it loses none.
            return {-1: None, -2: found}.get(self.delivery.number_scale, "bare")
        return "blanks" if found == "padded" and not self.delivery.trims_char else found

    @property
    def is_bare(self) -> bool:
        """Whether it is a NUMBER without precision and scale. The endpoint's settings say how DMS carries it."""
        return self.base_type == "NUMBER" and (self.precision, self.scale) == (None, None)

    @property
    def why_without_text(self) -> str:
        """The column's type, and the endpoint's setting if that is why it has no canonical text."""
        return f"{self.declared}, carried as a float (NumberDatatypeScale -1)" if self.is_bare else self.declared

    @property
    def is_readable(self) -> bool:
        """Whether a value read over a connection can be turned into what DMS loads for it."""
        return self.kind is not None or self.type.is_read_whole

    @property
    def is_compared(self) -> bool:
        """Whether the column's content can be compared: it has a canonical text and arrives exactly."""
        return self.kind is not None and self.type.is_compared

    @property
    def decimals(self) -> int:
        """The number of decimals that arrive. For a NUMBER without precision, ``delivery`` says how many."""
        return self.delivery.number_scale if self.kind == "bare" else self.scale or 0

    @property
    def fraction_digits(self) -> int:
        """The number of digits in a fraction of a second: none for DATE, six for a plain TIMESTAMP."""
        if self.kind == "date" or self.base_type == "INTERVAL YEAR TO MONTH":
            return 0
        # Of INTERVAL DAY(2) TO SECOND(6), the first number is of days.
        if written := re.search(r"(?:TIMESTAMP|SECOND)\((\d+)\)", self.data_type):
            return int(written[1])
        return 6 if self.scale is None else self.scale

    @property
    def bind_type(self) -> TypeEngine[Any]:
        """The type as which a value compared with the column is bound. Only for columns that have a ``kind``."""
        # Imported here because only processes that read the source need SQLAlchemy.
        from reload_assets.canonical.binds import BIND_TYPES

        bind = self.type.bind
        assert bind is not None
        return BIND_TYPES[bind]

    def bind_value(self, value: Any) -> Any:
        """Turn a key's value into one that the driver compares exactly. Raises SourceUnavailable if it cannot fit.

        The value is production's, or canonical text.
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
            # Neither int nor float: SQLAlchemy's Oracle dialect would format those through a 64-bit float.
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


def type_named(data_type: str) -> OracleType:
    """Return the properties of a type by its name in the dictionary, such as ``TIMESTAMP(6)``."""
    return ORACLE_TYPES.get(_base_type(data_type), _NOT_CARRIED)


def _base_type(data_type: str) -> str:
    return re.sub(r"\(\d+\)", "", data_type)
