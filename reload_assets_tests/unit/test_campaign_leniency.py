"""What the judge of the campaigns excuses, and what it does not; and which worlds are drawn."""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pytest

from reload_assets_tests.campaigns.judge import judge_rows
from reload_assets_tests.campaigns.keys import KINDS
from reload_assets_tests.campaigns.leniency import (
    Compared,
    Leniency,
    ReloadedKeys,
    leniency,
    unreported,
    unreported_lists,
)
from reload_assets_tests.campaigns.model import Change
from reload_assets_tests.campaigns.schema import AFTER, BOUNDS, SPECS, Place, Row, Tables, World
from reload_assets_tests.campaigns.settings import OURS, POLICIES, Job
from reload_assets_tests.campaigns.worlds import world_of

ACCOUNTS = SPECS["accounts"]
INSIDE, OTHER, OUTSIDE = BOUNDS[0][0], BOUNDS[1][0], AFTER[0]
PLACE: Place = ("accounts", (1,))
COMPARED = Compared({("accounts", 0): 10.0, ("accounts", 1): 20.0})


def account(login: str = "a", balance: int = 1, at: datetime = INSIDE, key: int = 1) -> Row:
    return {"account_id": key, "login": login, "balance": balance, "opened_at": at, "updated_at": datetime(2025, 2, 1)}


def tables(row: Row | None) -> Tables:
    return {**{name: {} for name in SPECS}, "accounts": {(1,): row} if row else {}}


def faults(
    source: Row | None,
    production: Row | None,
    shadow: Row | None,
    changes: Sequence[tuple[float, Change]] = (),
    *,
    damaged: Sequence[Place] = (),
    **world: Any,
) -> list[str]:
    sides = tables(source), tables(production), tables(shadow)
    excused = leniency(World(**world), damaged, changes, COMPARED, sides[0], sides[1])
    return [fault.kind for fault in judge_rows(SPECS, *sides, excused)]


def change(at: float, before: Row | None, after: Row | None) -> tuple[float, Change]:
    return at, Change(ACCOUNTS, before, after)


def test_a_row_that_came_into_the_window_after_the_comparison_is_the_next_reloads() -> None:
    came = account(balance=2)
    moves = [(account(balance=2, at=OUTSIDE), came), (account(balance=2, key=3), came), (None, came)]
    for before, after in moves:
        assert faults(came, account(balance=9), account(balance=9), [change(11, before, after)]) == []
        assert faults(came, None, None, [change(11, before, after)]) == []
        # Before the comparison, or in a window that was compared later.
        assert faults(came, account(balance=9), account(balance=9), [change(9, before, after)]) == ["stale"]
        assert faults(came, None, None, [change(9, before, after)]) == ["lost"]
    came = account(balance=2, at=OTHER)
    assert faults(came, None, None, [change(19, None, came)]) == ["lost"]


def test_a_late_row_has_to_be_as_the_shadow_has_it() -> None:
    came = account(balance=2)
    late = [change(11, None, came)]
    assert faults(came, account(balance=9), account(balance=8), late) == ["stale"]
    assert faults(came, None, account(balance=8), late) == ["lost"]
    assert faults(came, account(balance=9), None, late) == ["stale"]
    assert faults(came, account(balance=9), came, late) == ["stale"]


def test_what_was_wrong_already_when_it_was_compared_stays_a_fault() -> None:
    before, after = account("a", 1), account("a", 2)
    late = [change(11, before, after)]
    assert faults(after, account("a", 1), account("a", 1), late) == [], "the update itself came later"
    assert faults(after, account("x", 2), account("x", 2), late) == ["stale"]
    assert faults(after, None, None, late) == ["lost"]
    again = [change(11, before, None), change(12, None, after)]
    assert faults(after, None, None, again) == []


def test_a_row_whose_late_delete_cdc_could_not_make_is_no_fault() -> None:
    assert faults(None, account(), account(), [change(11, account(), None)]) == []
    assert faults(None, account(), account(), [change(9, account(), None)]) == ["zombie"]
    assert faults(None, account(), None, [change(11, account(), None)]) == ["zombie"]


def test_without_a_comparison_nothing_is_late() -> None:
    came = account()
    excused = leniency(World(), (), [change(11, None, came)], Compared(), tables(came), tables(None))
    assert excused.late == {}


def test_a_listed_row_is_late_from_the_comparison_of_its_list_on() -> None:
    """Whichever came last: a list's comparison or a window's; a list's finds it in any window."""
    before, after = account("a", 1, OUTSIDE), account("a", 2, OUTSIDE)
    listed = Compared(dict(COMPARED.windows), {PLACE: 15.0})

    def left(at: float, source: Row, production: Row, old: Row) -> list[str]:
        sides = tables(source), tables(production), tables(production)
        excused = leniency(World(), (), [change(at, old, source)], listed, sides[0], sides[1])
        return [fault.kind for fault in judge_rows(SPECS, *sides, excused, listed=listed.keys)]

    assert left(16, after, before, before) == []
    assert left(14, after, before, before) == ["stale"]
    assert left(16, after, account("x", 2, OUTSIDE), before) == ["stale"], "it was wrong when the list was compared"
    assert left(14, account(balance=2), account(balance=1), account(balance=1)) == ["stale"]
    other = account(balance=2, at=OTHER)
    assert left(16, other, account(balance=1, at=OTHER), account(balance=1, at=OTHER)) == ["stale"]
    listed.note_key(PLACE, 12.0)
    assert listed.at(PLACE, None) == 15, "lists end in another order than they are compared in"


def test_orphans_stay_where_they_are_only_reported_and_not_where_the_merge_brought_them_back() -> None:
    assert faults(None, account(), account()) == ["zombie"]
    assert faults(None, account(), account(), orphans="report") == []
    assert faults(None, account(), None, orphans="report") == ["zombie"]


def test_a_policy_leaves_damaged_rows_alone_and_no_others() -> None:
    wrong, right = account(balance=9), account(balance=2)
    assert faults(right, wrong, wrong, equal_version="skip") == ["stale"]
    assert faults(right, wrong, wrong, damaged=[PLACE], equal_version="skip") == []
    assert faults(right, wrong, right, damaged=[PLACE], equal_version="skip") == ["stale"]
    assert faults(right, None, None, damaged=[PLACE], equal_version="skip") == ["lost"]
    assert faults(right, wrong, wrong, damaged=[PLACE]) == ["stale"]
    assert faults(right, wrong, wrong, damaged=[PLACE], null_version="report") == ["stale"], (
        "no account lacks a version"
    )
    moved = [change(5, account(balance=2, key=7), right)]
    assert faults(right, wrong, wrong, moved, damaged=[("accounts", (7,))], equal_version="skip") == []


def test_nothing_excuses_a_row_that_would_be_right_without_a_reload() -> None:
    lenient = Leniency([PLACE], orphans_stay=True, late={PLACE: None})
    for source, production in ((account(), account("b")), (None, account()), (account(), None)):
        (fault,) = judge_rows(SPECS, tables(source), tables(production), tables(source), lenient)
        assert fault.worse


def test_outside_each_column_is_the_sources_or_the_shadows() -> None:
    source, shadow = account("a", 1, OUTSIDE), account("b", 2, OUTSIDE)
    sides = tables(source), tables(account("a", 2, OUTSIDE)), tables(shadow)
    assert judge_rows(SPECS, *sides) == []
    assert len(judge_rows(SPECS, sides[0], tables(account("c", 1, OUTSIDE)), sides[2])) == 1


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_keys_are_the_same_numbers_again(kind: Any) -> None:
    numbers = range(1, 61)
    values = [kind.value(number) for number in numbers]
    assert [kind.number(value) for value in values] == list(numbers)
    shown = [f"\\x{value.hex()}" if isinstance(value, bytes) else str(value) for value in values]
    assert [kind.number(value) for value in shown] == list(numbers)
    assert [kind.number(kind.written(number)) for number in numbers] == list(numbers)
    assert pickle.loads(pickle.dumps(kind)) == kind


def test_worlds_are_drawn_by_the_seed_and_everything_is() -> None:
    jobs = [Job(mode, policy, f"s-{number}") for number in range(60) for mode in OURS for policy in POLICIES]
    worlds = [world_of(job) for job in jobs]
    assert worlds == [world_of(job) for job in jobs]
    for name in vars(World()):
        assert len(Counter(str(getattr(world, name)) for world in worlds)) > 1, name
    assert World() in worlds
    assert all(world.all_columns for world, job in zip(worlds, jobs, strict=True) if job.policy == "idempotent")


def test_a_world_can_be_named() -> None:
    job = Job("confirm", "default", "s", "lob=CLOB,key_kind=raw,partitions=3")
    assert world_of(job) == World(lob="CLOB", key_kind=KINDS["raw"], partitions=3)
    with pytest.raises(ValueError, match="no 'log'"):
        world_of(Job("confirm", "default", "s", "log=yes"))
    with pytest.raises(ValueError, match="keys of a world is one of none, instead, beside"):
        world_of(Job("confirm", "default", "s", "keys=yes"))


@pytest.mark.parametrize(("reported", "faulty"), [(0, True), (1, False)])
def test_a_row_that_a_policy_leaves_has_to_be_reported(reported: int, faulty: bool) -> None:
    counts = {("accounts", 0): reported, ("accounts", 1): 0}
    left, none = tables(account()), tables(None)
    assert bool(unreported(World(orphans="report"), [], COMPARED, none, left, counts)) == faulty
    # It was deleted after the comparison, or the source has it.
    assert unreported(World(), [change(21, account(), None)], COMPARED, none, left, counts) == []
    assert unreported(World(), [], COMPARED, left, left, counts) == []


@pytest.mark.parametrize(("reported", "faulty"), [(0, True), (1, False)])
def test_a_listed_row_that_a_policy_leaves_has_to_be_reported(reported: int, faulty: bool) -> None:
    lists = [ReloadedKeys(3, {"accounts": [(1,), (2,)]}, {"accounts": 10.0})]
    left, none, counts = tables(account()), tables(None), {(3, "accounts"): reported}
    assert bool(unreported_lists([], lists, none, left, counts)) == faulty
    assert bool(unreported_lists([change(9, account(), None)], lists, none, left, counts)) == faulty
    assert unreported_lists([change(11, account(), None)], lists, none, left, counts) == []
    assert unreported_lists([], lists, left, left, counts) == []


def test_a_row_that_finds_its_key_taken_after_the_comparison_is_the_next_reloads() -> None:
    zombie, came = account("zombie"), account("new", at=OUTSIDE)
    assert faults(came, zombie, zombie, [change(11, None, came)], orphans="report") == []
    assert faults(came, zombie, zombie, [change(9, None, came)], orphans="report") == ["stale"]


def test_a_row_that_finds_its_key_marked_after_the_comparison_is_the_next_reloads() -> None:
    zombie, came = account("zombie"), account("new")
    assert faults(came, None, zombie, [change(11, None, came)], orphans="soft_delete") == []
    assert faults(came, None, zombie, [change(9, None, came)], orphans="soft_delete") == ["lost"]
    # Without any reload it would be right.
    assert faults(came, None, came, [change(11, None, came)], orphans="soft_delete") == ["lost"]
