"""What a finder saw wrong in one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from reload_assets.windows import Window

Key = tuple[str, ...]
"""The values of a row's key as text, in the order of the key's columns."""

FinderName = Literal["validation", "skipped", "drift"]


@dataclass(frozen=True)
class Finding:
    """Keys of one table that differ, or a window where the keys are not known (``keys`` is empty then).

    ``table`` is the table's name in the configuration. ``evidence_id`` names the evidence for good, so that it counts
    once for its finder. ``evidence`` is what a person wants to see of it, as JSON: no values of rows other than keys.
    ``seen_at`` is when the evidence was noted where the finder reads it (UTC). ``is_complete`` is False if more rows
    may be wrong than the evidence names, so that the windows that hold the keys are to be reloaded.
    """

    finder: FinderName
    evidence_id: str
    group: str
    table: str
    keys: Sequence[Key]
    window: Window | None
    evidence: Mapping[str, Any]
    seen_at: datetime
    is_complete: bool = True
