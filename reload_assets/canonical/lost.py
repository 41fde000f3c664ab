"""What a conversion can lose without notice."""

from __future__ import annotations

from typing import Literal

Lost = Literal["decimals", "digits", "time of day", "date", "fractions", "time zone", "trailing blanks", "spelling"]
"""The words of ``accept``."""
