"""Declared PostgreSQL types, taken apart."""

from __future__ import annotations

import re
from dataclasses import dataclass

INTEGERS = {"smallint": 15, "integer": 31, "bigint": 63}
"""The integer types, each with the bits of its largest value."""
FLOATS = {"real": 6, "double precision": 15}
"""The binary floats, each with the decimal digits of every number that it holds exactly."""
TEXTS = ("text", "character varying", "citext")
"""The text types that keep every character."""
PADDED = ("character", "bpchar")
"""The text types in which trailing blanks do not count."""
TIME = "timestamp without time zone"
INSTANT = "timestamp with time zone"
TIME_OF_DAY = "time without time zone"
NUMERICS = ("numeric", "money")
"""The decimal types."""
CUT = {"name": 63, '"char"': 1}
"""The types that cut a longer text without notice, with the bytes that they keep."""
WRITTEN_TIMES = {
    "date": "a day such as 2025-01-03",
    TIME: "a time without a zone such as 2025-01-03 10:00:00",
    INSTANT: "a time with its zone such as 2025-01-03 10:00:00+01:00",
    TIME_OF_DAY: "a time of day such as 10:00:00",
    "time with time zone": "a time of day with its zone such as 10:00:00+01:00",
    "interval": "an interval such as 1 day 10:00:00",
}
"""How a text has to be written, so that it is the same time whatever a session's DateStyle and zone are."""


@dataclass(frozen=True)
class DeclaredType:
    """A declared type taken apart: ``numeric(10,2)`` is numeric, 10, 2."""

    base: str
    size: int | None
    scale: int | None

    @property
    def is_time(self) -> bool:
        """Whether its values are times, dates or intervals."""
        return self.base in WRITTEN_TIMES or self.base.startswith("interval ")


MONEY = DeclaredType("numeric", 19, 2)
"""What money keeps of a number."""


def parse_type(declared: str) -> DeclaredType:
    """Take a type apart that is spelled as by format_type."""
    sizes = re.search(r"\((\d+)(?:,(-?\d+))?\)", declared)
    base = re.sub(r"\(.*?\)", "", declared)
    if sizes is None:
        return DeclaredType(base, 1 if base in ("character", "bit") else None, None)
    return DeclaredType(base, int(sizes[1]), int(sizes[2]) if sizes[2] else 0 if base == "numeric" else None)
