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


@dataclass(frozen=True)
class DeclaredType:
    """A declared type taken apart: ``numeric(10,2)`` is numeric, 10, 2."""

    base: str
    size: int | None
    scale: int | None

    @property
    def is_time(self) -> bool:
        """Whether its values are times, dates or intervals."""
        return re.match(r"date|time|interval", self.base) is not None


def parse_type(declared: str) -> DeclaredType:
    """Take a type apart that is spelled as by format_type."""
    sizes = re.search(r"\((\d+)(?:,(-?\d+))?\)", declared)
    base = re.sub(r"\(.*?\)", "", declared)
    if sizes is None:
        return DeclaredType(base, 1 if base in ("character", "bit") else None, None)
    return DeclaredType(base, int(sizes[1]), int(sizes[2]) if sizes[2] else 0 if base == "numeric" else None)
