"""What a conversion can lose without notice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

Lost = Literal["decimals", "digits", "time of day", "date", "fractions", "time zone", "trailing blanks", "spelling"]
"""The words of ``accept``."""


def each_word(value: object) -> object:
    """Return what ``accept`` has for a column as a list; one word may stand alone."""
    return [value] if isinstance(value, str) else value


def written(words: Sequence[Lost]) -> str:
    """Return words as ``accept`` has them: one alone, several as a list."""
    return words[0] if len(words) == 1 else f"[{', '.join(words)}]"


def spoken(words: Sequence[Lost]) -> str:
    """Return words as a sentence has them: ``time zone and fractions``."""
    return " and ".join(words)
