"""The one policy for trying again and for waiting, on top of tenacity.

A caller says after which errors it tries again, and for how long; this module defines the pauses. Dagster's RetryPolicy
is not used, because Dagster follows it even when a run is cancelled.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn, TypeVar

from tenacity import RetryCallState, Retrying
from tenacity.retry import retry_if_exception_type
from tenacity.stop import stop_after_attempt, stop_after_delay
from tenacity.wait import wait_exponential

# An interrupt is noticed only between two sleeps, so no sleep is longer than this many seconds.
_SLICE_SECONDS = 0.5

T = TypeVar("T")


@dataclass(frozen=True)
class Pauses:
    """The pauses between tries, in seconds: the ``first``; each next one is ``growth`` times longer, up to ``longest``.

    ``jitter`` is the share by which a pause is lengthened or shortened at random, so that many waiters do not all try
    again at the same moment.
    """

    first: float
    longest: float
    growth: float
    jitter: float = 0.0

    def __call__(self, state: RetryCallState) -> float:
        """Return the pause after a try; tenacity calls this."""
        grown = wait_exponential(multiplier=self.first, max=self.longest, exp_base=self.growth)(state)
        return grown * random.uniform(1 - self.jitter, 1 + self.jitter)


# The other transaction may be a retry as well: a wide jitter keeps the two from meeting again.
AFTER_CONTENTION = Pauses(first=0.1, longest=5.0, growth=2.0, jitter=0.5)
# Reading awsdms_status is one cheap query, and CDC is usually only moments behind.
WAITING_FOR_CDC = Pauses(first=0.05, longest=2.0, growth=1.5)


def watching_dms(first: float, longest: float) -> Pauses:
    """Return the pauses between polls of a DMS task. They grow: AWS limits calls per account, and many reloads poll."""
    return Pauses(first, longest, growth=1.5, jitter=0.2)


def calling_dms(first: float, longest: float) -> Pauses:
    """Return the pauses before a call that DMS throttled or left unanswered is sent again."""
    return Pauses(first, longest, growth=2.0, jitter=0.2)


def pause(seconds: float) -> None:
    """Sleep in slices, so that an interrupt takes effect within half a second."""
    remaining = seconds
    while remaining > 0:
        time.sleep(min(remaining, _SLICE_SECONDS))
        remaining -= _SLICE_SECONDS


class NotYet(Exception):
    """Raised by the function that ``wait_for`` calls, if what it waits for has not happened yet.

    ``too_late`` makes the error to raise when no time is left, from the seconds that the wait took.
    """

    def __init__(self, too_late: Callable[[float], Exception]) -> None:
        super().__init__()
        self.too_late = too_late


def wait_for(look: Callable[[], T], pauses: Pauses, seconds: float) -> T:
    """Call ``look`` until it does not raise NotYet, and return its result. Raises NotYet's error after ``seconds``."""

    def bounded(state: RetryCallState) -> float:
        # Do not sleep beyond the end of the wait, when ``look`` is called for the last time.
        return max(0.0, min(pauses(state), seconds - (time.monotonic() - state.start_time)))

    def give_up(state: RetryCallState) -> NoReturn:
        last = _raised(state)
        assert isinstance(last, NotYet)
        raise last.too_late(time.monotonic() - state.start_time) from None

    return Retrying(
        retry=retry_if_exception_type(NotYet),
        stop=stop_after_delay(seconds),
        wait=bounded,
        sleep=pause,
        retry_error_callback=give_up,
    )(look)


def try_again(
    work: Callable[[], T],
    on: type[Exception],
    pauses: Pauses,
    attempts: int,
    *,
    before_pause: Callable[[int, BaseException], None] = lambda attempt, error: None,
    sleep: Callable[[float], None] = pause,
) -> T:
    """Do some work, and try again while it raises ``on``, up to ``attempts`` times in all. Raises the last error.

    Before each pause, ``before_pause`` is called with the number of the failed attempt and its error.
    """
    return Retrying(
        retry=retry_if_exception_type(on),
        stop=stop_after_attempt(attempts),
        wait=pauses,
        sleep=sleep,
        before_sleep=lambda state: before_pause(state.attempt_number, _raised(state)),
        reraise=True,
    )(work)


def _raised(state: RetryCallState) -> BaseException:
    error = state.outcome.exception() if state.outcome else None
    assert error is not None
    return error
