"""How anything here is tried again or waited for: one policy, carried out by tenacity.

A place says what it tries again on and for how long; the pauses in between are said here. Dagster's RetryPolicy serves
nowhere: Dagster follows it when a run is cancelled, too.
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

# An interrupt that is only looked at between two sleeps comes through after this many seconds.
_SLICE_SECONDS = 0.5

T = TypeVar("T")


@dataclass(frozen=True)
class Pauses:
    """The pauses between tries, in seconds: the ``first``, and how each grows on the one before, up to the ``longest``.

    ``jitter``: by which share of itself a pause is longer or shorter at random, so that many do not return in step.
    """

    first: float
    longest: float
    growth: float
    jitter: float = 0.0

    def __call__(self, state: RetryCallState) -> float:
        """Return the pause after a try; tenacity asks."""
        grown = wait_exponential(multiplier=self.first, max=self.longest, exp_base=self.growth)(state)
        return grown * random.uniform(1 - self.jitter, 1 + self.jitter)


# The other transaction may be a retry as well: a wide jitter parts the two.
AFTER_CONTENTION = Pauses(first=0.1, longest=5.0, growth=2.0, jitter=0.5)
# A look at awsdms_status is one cheap query, and CDC is behind by moments most of the time.
WAITING_FOR_CDC = Pauses(first=0.05, longest=2.0, growth=1.5)


def watching_dms(first: float, longest: float) -> Pauses:
    """Return the pauses between looks at a DMS task: an account's calls are limited, and many reloads watch."""
    return Pauses(first, longest, growth=1.5, jitter=0.2)


def calling_dms(first: float, longest: float) -> Pauses:
    """Return the pauses between sendings of a call that DMS throttled or left unanswered."""
    return Pauses(first, longest, growth=2.0, jitter=0.2)


def pause(seconds: float) -> None:
    """Sleep in slices, so that an interrupt comes through within half a second."""
    remaining = seconds
    while remaining > 0:
        time.sleep(min(remaining, _SLICE_SECONDS))
        remaining -= _SLICE_SECONDS


class NotYet(Exception):
    """Raised by a look that did not find what is waited for.

    ``too_late`` makes the error to raise if there is no time left, from the seconds that the wait took.
    """

    def __init__(self, too_late: Callable[[float], Exception]) -> None:
        super().__init__()
        self.too_late = too_late


def wait_for(look: Callable[[], T], pauses: Pauses, seconds: float) -> T:
    """Look until that does not raise NotYet, and return what it found. Raises its error after ``seconds``."""

    def bounded(state: RetryCallState) -> float:
        # Not beyond the end of the wait, when it is looked for the last time.
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
    """Do some work, and again while it raises ``on``, for as many ``attempts`` in all. Raises the last error.

    ``before_pause`` is called with the number of the failed attempt and its error if another one follows.
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
