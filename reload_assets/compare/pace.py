"""Bounds what reading costs: rows per second on average, and the time of the whole."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

# A read of so many seconds' worth of rows: pauses are between reads, and so is the stop at the end of the time.
_SECONDS_PER_READ = 5


@dataclass
class Pace:
    """Pauses after reads, so that they come to ``rows_per_second``. After ``seconds``, nothing more is to be read."""

    rows_per_second: float
    seconds: float
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    _began: float = field(init=False)

    def __post_init__(self) -> None:
        self._began = self.clock()

    @property
    def rows_per_read(self) -> int:
        """How many rows a read should have at most."""
        return max(1, round(self.rows_per_second * _SECONDS_PER_READ))

    @property
    def elapsed(self) -> float:
        """Seconds since the beginning, pauses included."""
        return self.clock() - self._began

    def is_over(self, share: float = 1.0) -> bool:
        """Return whether the time, or a share of it, is over."""
        return self.elapsed >= self.seconds * share

    def pause(self, rows: int, took: float) -> None:
        """Pause after a read of so many rows that took so many seconds; not beyond the end of the time."""
        left = min(rows / self.rows_per_second - took, self.seconds - self.elapsed)
        if left > 0:
            self.sleep(left)
