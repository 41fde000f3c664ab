"""What a search for drift found in a window, and what that cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

Key = tuple[str, ...]

OUTCOMES: Mapping[str, str] = {
    "missing": "missing in production",
    "older": "of an older version in production",
    "content": "of the same version and other content in production",
    "unversioned": "of other content in production, without a version on one side",
    "later": "of a later version in production than the source has",
    "extra": "in production only",
}
"""What is wrong with rows that drifted, in the words of a sentence that counts them."""


@dataclass
class Effort:
    """What a comparison cost. Rows are those that went into a sum, and those that were transferred."""

    source_rows_read: int = 0
    production_rows_read: int = 0
    source_seconds: float = 0.0
    production_seconds: float = 0.0
    waited_seconds: float = 0.0


@dataclass(frozen=True)
class Drift:
    """The rows that drifted, by outcome (``OUTCOMES``), and how they were found.

    ``began_at`` is the source's clock before the first read. ``source_rows`` and ``production_rows`` are the rows
    that each side had in what was compared. ``counts`` has all rows of an outcome, and ``keys`` the keys of the
    first ones. ``left`` counts the rows that differ and that the table's policies leave as they are, ``changing``
    those that the source kept changing. ``is_whole`` is False if the time was over before all rows were compared.
    ``left_out`` says why columns were not compared, by their names in the source.
    """

    began_at: datetime
    source_rows: int
    production_rows: int
    segments: int
    segments_differing: int
    counts: Mapping[str, int]
    keys: Mapping[str, Sequence[Key]]
    left: Mapping[str, int]
    changing: int
    is_whole: bool
    left_out: Mapping[str, str]
    effort: Effort
    seconds: float

    @property
    def drifted(self) -> int:
        """How many rows drifted."""
        return sum(self.counts.values())

    @property
    def all_keys(self) -> list[Key]:
        """The known keys of rows that drifted, each once."""
        return list(dict.fromkeys(key for keys in self.keys.values() for key in keys))
