"""Waiting for DMS: growing intervals with jitter, limits, and sleeps short enough to be interrupted.

botocore's own waiters poll for 15 minutes at most, and take a load that has not begun yet, or is already over, for a
failure.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

_GROWTH = 1.5
_JITTER = 0.2
# An interrupt that is only looked at between two sleeps comes through after this many seconds.
_SLICE = 0.5


@dataclass(frozen=True)
class PollLimits:
    """How patiently to wait; all but ``call_attempts`` are seconds.

    Polls start ``interval`` apart and end up ``max_interval`` apart. ``ready_timeout`` limits each wait for a new task
    or a connection test (DMS takes about 20 s), ``load_timeout`` a load as seen by one wait, ``remove_timeout`` the
    stopping and deleting of a task (DMS takes about 6 minutes). A throttled or unanswered call is tried
    ``call_attempts`` times.
    """

    interval: float
    max_interval: float
    ready_timeout: float
    load_timeout: float
    remove_timeout: float
    call_attempts: int


def pause(seconds: float, sleep: Callable[[float], None] = time.sleep) -> None:
    """Sleep in slices of at most half a second."""
    remaining = seconds
    while remaining > 0:
        sleep(min(remaining, _SLICE))
        remaining -= _SLICE


def jittered(seconds: float) -> float:
    """The seconds, a little more or less, so that many waits do not call DMS in step."""
    return seconds * random.uniform(1 - _JITTER, 1 + _JITTER)


class Poll:
    """One wait: how long it has lasted, whether its time is up, and the pauses between its looks."""

    def __init__(self, limits: PollLimits, timeout: float, sleep: Callable[[float], None] = time.sleep) -> None:
        self._max_interval = limits.max_interval
        self._interval = limits.interval
        self._timeout = timeout
        self._sleep = sleep
        self._began = time.monotonic()

    @property
    def elapsed(self) -> float:
        """Seconds since the wait began."""
        return time.monotonic() - self._began

    @property
    def expired(self) -> bool:
        return self.elapsed >= self._timeout

    def wait(self) -> None:
        """Pause until the next look, but not beyond the end of the wait."""
        pause(max(0.0, min(jittered(self._interval), self._timeout - self.elapsed)), self._sleep)
        self._interval = min(self._interval * _GROWTH, self._max_interval)
