"""One policy for what is tried again and waited for: its pauses, its ends, and what interrupts it."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from reload_assets import retries
from reload_assets.retries import (
    AFTER_CONTENTION,
    WAITING_FOR_CDC,
    NotYet,
    Pauses,
    calling_dms,
    pause,
    try_again,
    wait_for,
    watching_dms,
)

PACKAGE = Path(retries.__file__).parent
BY_HAND = re.compile(r"\btime\.sleep\(|\brandom\.uniform\(|^import random$|^from random import", re.MULTILINE)


class Busy(Exception):
    """What is tried again here."""


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The sleeps of a test, which take no time."""
    slices: list[float] = []
    monkeypatch.setattr("reload_assets.retries.time.sleep", slices.append)
    return slices


def pauses_of(policy: Pauses, attempts: int) -> list[float]:
    found: list[float] = []

    def fail() -> None:
        raise Busy

    with pytest.raises(Busy):
        try_again(fail, Busy, policy, attempts, sleep=found.append)
    return found


@pytest.mark.parametrize(
    ("policy", "shortest", "longest"),
    [
        (AFTER_CONTENTION, 0.05, 7.5),
        (WAITING_FOR_CDC, 0.05, 2.0),
        (watching_dms(10, 60), 8.0, 72.0),
        (calling_dms(10, 60), 8.0, 72.0),
    ],
)
def test_pauses_grow_within_their_bounds(policy: Pauses, shortest: float, longest: float) -> None:
    found = pauses_of(policy, 3_000)
    assert len(found) == 2_999
    assert all(shortest <= seconds <= longest for seconds in found)
    assert policy.first * (1 - policy.jitter) <= found[0] <= policy.first * (1 + policy.jitter)
    assert max(found[-20:]) > policy.longest * 0.8
    assert (len(set(found[-20:])) > 1) is (policy.jitter > 0)


def test_without_jitter_each_pause_is_the_one_before_times_the_growth() -> None:
    assert pauses_of(Pauses(1, 10, growth=2), 6) == [1, 2, 4, 8, 10]


def test_what_succeeds_is_not_tried_again() -> None:
    outcomes = iter([Busy("once"), Busy("twice"), "done"])
    reported: list[tuple[int, str]] = []

    def work() -> str:
        outcome = next(outcomes)
        if isinstance(outcome, Exception):
            raise outcome
        return str(outcome)

    assert (
        try_again(
            work,
            Busy,
            AFTER_CONTENTION,
            3,
            before_pause=lambda attempt, error: reported.append((attempt, str(error))),
            sleep=lambda seconds: None,
        )
        == "done"
    )
    assert reported == [(1, "once"), (2, "twice")]


def test_the_last_error_comes_out_with_its_cause() -> None:
    cause = ValueError("why")

    def work() -> None:
        raise Busy("last") from cause

    with pytest.raises(Busy, match="last") as raised:
        try_again(work, Busy, AFTER_CONTENTION, 2, sleep=lambda seconds: None)
    assert raised.value.__cause__ is cause


@pytest.mark.parametrize("error", [ValueError("other"), KeyboardInterrupt()])
def test_what_is_not_named_is_not_tried_again(error: BaseException, slept: list[float]) -> None:
    def work() -> None:
        raise error

    with pytest.raises(type(error)):
        try_again(work, Busy, AFTER_CONTENTION, 5)
    assert slept == []


def test_an_interrupt_of_a_pause_comes_through() -> None:
    def work() -> None:
        raise Busy

    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        try_again(work, Busy, AFTER_CONTENTION, 5, sleep=interrupted)


def test_pauses_are_slept_in_slices_that_an_interrupt_can_fall_between(slept: list[float]) -> None:
    pause(1.7)
    assert max(slept) <= 0.5
    assert sum(slept) == pytest.approx(1.7)


def test_a_wait_returns_what_the_look_found(slept: list[float]) -> None:
    found = iter([None, None, 7])

    def look() -> int:
        seen = next(found)
        if seen is None:
            raise NotYet(lambda seconds: AssertionError("there was time"))
        return seen

    assert wait_for(look, WAITING_FOR_CDC, 60) == 7
    assert slept == pytest.approx([0.05, 0.075])


def test_a_wait_ends_with_its_time_and_says_how_long_it_took() -> None:
    looks = 0

    def look() -> None:
        nonlocal looks
        looks += 1
        raise NotYet(lambda seconds: Busy(f"after {seconds:.1f} s"))

    began = time.monotonic()
    with pytest.raises(Busy, match=r"^after 0\.[2-9] s$") as raised:
        wait_for(look, Pauses(60, 60, growth=1), 0.2)
    assert time.monotonic() - began < 2
    # It is looked once more at the very end.
    assert looks == 2
    assert raised.value.__suppress_context__


def test_nobody_pauses_by_hand() -> None:
    files = [path for path in PACKAGE.rglob("*.py") if path.relative_to(PACKAGE).parts[0] not in ("local", "sql")]
    by_hand = {path.name for path in files if BY_HAND.search(path.read_text(encoding="utf-8"))}
    assert by_hand == {"retries.py"}
