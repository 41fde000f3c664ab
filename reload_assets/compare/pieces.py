"""The pieces of SQL with which a window of production is compared (``sql/verify/5_window.sql``).

p: a row of production. r: a row of the source; w: a row of production's ranges; both have keys as canonical text.
"""

from __future__ import annotations

from dataclasses import dataclass

from psycopg.sql import Composable


@dataclass(frozen=True, kw_only=True)
class WindowTable:
    """Production's table, and the column that cuts its window into ranges."""

    schema: str
    table: str
    range_column: str
    p_is_alive: Composable


@dataclass(frozen=True, kw_only=True)
class SegmentPieces:
    """The segment in which a row lies, and what the row adds to the segment's sum."""

    p_segment: Composable
    p_checksum: Composable


@dataclass(frozen=True, kw_only=True)
class RangePieces:
    """How rows of both sides are read, paired and ordered by version."""

    p_key_texts: Composable
    p_version: Composable
    p_content: Composable
    p_is_r: Composable
    r_is_w: Composable
    either_key: Composable
    source_bounds: str
    p_is_in_range: Composable
    """Whether a row of production is in a range, or has a key, of the table ``source_bounds`` (bounds)."""
    production_is_later: Composable
    is_same_version: Composable
    """What a row must have besides equal content to count as the same."""


@dataclass(frozen=True, kw_only=True)
class NewerPieces:
    """More columns of a row that is newer in production."""

    r_key: Composable
    p_rest: Composable


@dataclass(frozen=True, kw_only=True)
class ReadingPieces:
    """The temporary tables of two readings, and how their rows meet (``sql/finders/drift.sql``)."""

    reading: str
    reading_before: str
    either_key_named: Composable
    n_is_b: Composable
    n_key: Composable


@dataclass(frozen=True, kw_only=True)
class KeyPieces:
    """The keys of some rows, and what is read of these (``finders/drift:list_by_key``)."""

    r_key: Composable
    key_columns: Composable
    p_values: Composable
