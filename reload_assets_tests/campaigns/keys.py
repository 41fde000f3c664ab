"""Types of keys: the numbers with which everything here counts, as values of the source and of production."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

_START = datetime(2020, 5, 17, 8)
_STEP = timedelta(seconds=61, microseconds=7)


@dataclass(frozen=True)
class KeyKind:
    """A pair of types, by their names in Oracle and in PostgreSQL, which keys pass unaltered.

    ``value`` is what both sides hold for a number; ``number`` takes it back from a value of either side, and from
    one that JSON has.
    """

    name: str
    oracle: str
    production: str
    value: Callable[[int], Any]
    number: Callable[[Any], int]

    def written(self, number: int) -> str:
        """The value for a number as a person writes it into a list of keys."""
        value = self.value(number)
        return value.hex() if isinstance(value, bytes) else str(value)


def _of_bytes(value: Any) -> int:
    return int(value.removeprefix("\\x"), 16) if isinstance(value, str) else int.from_bytes(bytes(value), "big")


def _bytes(number: int) -> bytes:
    return number.to_bytes(16, "big")


def _of_quarters(value: Any) -> int:
    return int(Decimal(str(value)) * 4)


def _quarters(number: int) -> Decimal:
    return Decimal(number) / 4


def _word(number: int) -> str:
    return f"k-{number}"


def _of_word(value: Any) -> int:
    return int(str(value).removeprefix("k-"))


def _of_uuid(value: Any) -> int:
    return uuid.UUID(str(value)).int


def _uuid(number: int) -> str:
    return str(uuid.UUID(int=number))


def _of_instant(value: Any) -> int:
    return (datetime.fromisoformat(str(value)) - _START) // _STEP


def _instant(number: int) -> datetime:
    return _START + number * _STEP


KINDS = {
    kind.name: kind
    for kind in (
        KeyKind("integer", "NUMBER(10)", "bigint", int, int),
        KeyKind("numeric", "NUMBER(12,2)", "numeric(12, 2)", _quarters, _of_quarters),
        KeyKind("char", "CHAR(10)", "varchar(10)", _word, _of_word),
        KeyKind("text", "VARCHAR2(36)", "varchar(36)", _uuid, _of_uuid),
        KeyKind("raw", "RAW(16)", "bytea", _bytes, _of_bytes),
        KeyKind("timestamp", "TIMESTAMP(6)", "timestamp(6)", _instant, _of_instant),
    )
}
"""By name; ``integer`` is the plain one."""
PLAIN = KINDS["integer"]
