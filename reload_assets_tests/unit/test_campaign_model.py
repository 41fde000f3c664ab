"""What campaigns do to the source, and to production before: hard enough, fixed by the seed, and within the rules."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from reload_assets_tests.campaigns.damage import KINDS, SHARE, damage
from reload_assets_tests.campaigns.model import Change, Model, Transaction
from reload_assets_tests.campaigns.schema import SPECS, Key, World, in_windows

STEPS = 1500


def kind_of(change: Change) -> str:
    if change.before is None or change.after is None:
        return "insert" if change.before is None else "delete"
    same = change.spec.key_of(change.before) == change.spec.key_of(change.after)
    return "update" if same else "key change"


def drawn(seed: int, steps: int = STEPS) -> tuple[Model, list[Change]]:
    """A model after many transactions, of which some were rolled back, with what the others did."""
    model, rng = Model(random.Random(seed), World()), random.Random(seed)
    model.zombies = damage(model.tables, random.Random(seed), KINDS, World()).zombies
    done = []
    for _ in range(steps):
        transaction = model.begin()
        changes = model.change(transaction)
        if rng.random() < 0.2:
            model.rollback(transaction)
        else:
            model.commit(transaction)
            done += changes
    return model, done


def test_the_seed_decides_everything() -> None:
    assert drawn(1, 200)[1] == drawn(1, 200)[1] != drawn(2, 200)[1]


def test_about_two_fifths_of_the_changes_are_deletes_and_all_kinds_happen() -> None:
    kinds = Counter(kind_of(change) for change in drawn(3)[1])
    total = sum(kinds.values())
    assert 0.35 < kinds["delete"] / total < 0.45
    assert all(kinds[kind] / total > 0.03 for kind in ("insert", "update", "key change"))


def test_the_source_stays_about_half_full_with_rows_in_and_out_of_the_windows() -> None:
    model, _ = drawn(4)
    for name, spec in SPECS.items():
        rows = model.tables[name].values()
        inside = sum(in_windows(spec, row) for row in rows)
        assert 10 < len(rows) < 55
        assert 5 < inside < len(rows)


def test_orders_have_customers_and_logins_are_unique_after_every_step() -> None:
    model = Model(random.Random(5), World())
    for _ in range(400):
        transaction = model.begin()
        model.change(transaction)
        model.commit(transaction)
        customers = {row["customer_id"] for row in model.tables["customers"].values()}
        assert {row["customer_id"] for row in model.tables["orders"].values()} <= customers
        logins = [row["login"] for row in model.tables["accounts"].values() if row["login"]]
        assert len(logins) == len(set(logins))
        for name, spec in SPECS.items():
            assert all(spec.key_of(row) == key for key, row in model.tables[name].items())


def test_a_rollback_leaves_no_trace() -> None:
    model = Model(random.Random(6), World())
    for _ in range(50):
        before = {name: dict(rows) for name, rows in model.tables.items()}
        transaction = model.begin()
        model.change(transaction)
        mark = model.savepoint(transaction)
        middle = {name: dict(rows) for name, rows in model.tables.items()}
        model.change(transaction)
        model.rollback_to(transaction, mark)
        assert model.tables == middle
        model.rollback(transaction)
        assert model.tables == before


def test_what_an_open_transaction_holds_is_left_alone() -> None:
    model = Model(random.Random(7), World())
    held: Transaction = model.begin()
    while len(held.held) < 40:
        model.change(held)
    for _ in range(300):
        transaction = model.begin()
        for change in model.change(transaction):
            rows = [row for row in (change.before, change.after) if row]
            assert not held.held & {(change.spec.name, change.spec.key_of(row)) for row in rows}
            if change.spec.name == "orders" and change.after and not change.before:
                assert ("customers", (change.after["customer_id"],)) not in held.held
            if change.spec.unique and change.after:
                assert change.after["login"] not in held.logins
        model.commit(transaction)


def test_an_order_that_has_left_the_windows_does_not_come_back() -> None:
    left: set[Key] = set()
    spec, departures = SPECS["orders"], 0
    for change in (change for change in drawn(8)[1] if change.spec == spec):
        before, after = change.before, change.after
        key = spec.key_of(before) if before else None
        gone = key in left
        left -= {key} if key else set()
        if after is not None:
            assert not (gone and in_windows(spec, after))
            if gone or (before and in_windows(spec, before) and not in_windows(spec, after)):
                left.add(spec.key_of(after))
                departures += 1
    assert departures > 10


def test_no_key_change_makes_cdc_stumble_over_a_zombie_outside_the_windows() -> None:
    model, changes = drawn(9)
    onto_zombies = 0
    for change in changes:
        if kind_of(change) != "key change" or not change.before or not change.after:
            continue
        if (change.spec.name, change.spec.key_of(change.after)) in model.zombies:
            onto_zombies += 1
            assert in_windows(change.spec, change.before)
            assert not change.spec.unique
    assert onto_zombies


def test_versions_step_back_tie_and_are_null_in_documents_only() -> None:
    updates = [change for change in drawn(10)[1] if change.before and change.after]
    steps: dict[str, Counter[str]] = {name: Counter() for name in SPECS}
    for change in updates:
        assert change.before
        assert change.after
        old, new = change.before[change.spec.version], change.after[change.spec.version]
        if None in (old, new):
            steps[change.spec.name]["null"] += 1
        else:
            steps[change.spec.name]["back" if new < old else "tie" if new == old else "on"] += 1
    assert all(steps["documents"][kind] for kind in ("null", "back", "on"))
    assert not any(steps[name]["null"] + steps[name]["back"] for name in ("customers", "accounts"))


@pytest.mark.parametrize("kinds", [KINDS, ("missing", "stale"), ("zombie",)])
def test_production_is_damaged_in_the_windows_only_and_in_the_ways_asked_for(kinds: tuple[str, ...]) -> None:
    source = Model(random.Random(11), World()).tables
    found = damage(source, random.Random(11), kinds, World())
    done: Counter[str] = Counter()
    inside = 0
    for name, spec in SPECS.items():
        for key in source[name].keys() | found.production[name].keys():
            wanted, present = source[name].get(key), found.production[name].get(key)
            inside += in_windows(spec, wanted)
            if wanted == present:
                continue
            assert in_windows(spec, wanted or present)
            if present is None or wanted is None:
                done["missing" if present is None else "zombie"] += 1
                assert ((name, key) in found.zombies) == (wanted is None)
            else:
                done["corrupted" if present[spec.version] == wanted[spec.version] else "stale"] += 1
    # A row without a version can be no older one.
    assert set(kinds) <= set(done) <= {*kinds, *({"corrupted"} if "stale" in kinds else ())}
    assert SHARE * 0.2 < done.total() / inside < SHARE * 2


def test_a_customer_whose_order_an_open_transaction_has_deleted_is_left_alone() -> None:
    """The delete would wait for that transaction, and the writer with it."""
    model = Model(random.Random(12), World())
    deleted: set[int] = set()
    held = model.begin()
    while len(deleted) < 5:
        deleted |= {
            change.before["customer_id"]
            for change in model.change(held)
            if change.spec.name == "orders" and change.before and not change.after
        }
    for _ in range(300):
        transaction = model.begin()
        for change in model.change(transaction):
            assert not (change.spec.name == "customers" and change.before and change.before["customer_id"] in deleted)
        model.commit(transaction)
