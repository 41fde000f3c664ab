"""The lists of keys that campaigns reload: wrong rows, right ones and none, some in two lists."""

from __future__ import annotations

import random
from datetime import datetime

from reload_assets_tests.campaigns.damage import KINDS, damage
from reload_assets_tests.campaigns.lists import differing, drawn_lists, halves, list_of, parents
from reload_assets_tests.campaigns.model import Model
from reload_assets_tests.campaigns.schema import SPECS, Row, Tables, World

MODEL = Model(random.Random(1), World())
DAMAGED = damage(MODEL.tables, random.Random(1), KINDS, World()).production
WRONG = differing(SPECS, MODEL.tables, DAMAGED)


def test_what_differs_is_missing_or_other_or_too_much() -> None:
    sides = [(key in MODEL.tables[table], key in DAMAGED[table]) for table, key in WRONG]
    assert {(True, False), (True, True), (False, True)} == set(sides)
    assert differing(SPECS, MODEL.tables, MODEL.tables) == set()


def test_lists_instead_of_windows_have_every_wrong_row_and_others_besides() -> None:
    lists = drawn_lists(SPECS, WRONG, random.Random(2), all_wrong=True)
    listed = [place for one in lists for place in one.places]
    assert len({one.name for one in lists}) == len(lists) > 1
    assert set(listed) > WRONG
    assert len(listed) > len(set(listed)), "some keys are in two lists"
    others = set(listed) - WRONG
    assert {key in MODEL.tables[table] for table, key in others} == {True, False}


def test_lists_beside_windows_have_some_of_the_wrong_rows() -> None:
    listed = {place for one in drawn_lists(SPECS, WRONG, random.Random(2), all_wrong=False) for place in one.places}
    assert 0.3 < len(listed & WRONG) / len(WRONG) < 0.7


def test_halves_have_everything_between_them() -> None:
    one, other = halves(WRONG, "last", random.Random(3), SPECS)
    assert one.places | other.places == WRONG
    assert one.places & other.places
    assert halves(set(), "last", random.Random(3), SPECS) == []


def test_the_parents_that_production_lacks_are_named() -> None:
    def order(number: int, customer: int) -> Row:
        return {"order_id": number, "customer_id": customer, "amount": 1, "updated_at": datetime(2025, 1, 3)}

    none: Tables = {name: {} for name in SPECS}
    customers: dict[tuple[int, ...], Row] = {(key,): {"customer_id": key} for key in (1, 2, 3)}
    orders: dict[tuple[int, ...], Row] = {(7,): order(7, 1), (8,): order(8, 2), (9,): order(9, 3)}
    source: Tables = {**none, "customers": customers, "orders": orders}
    production: Tables = {**none, "customers": {(2,): customers[2,]}}
    selected = list_of("list", {("orders", (7,)), ("orders", (8,)), ("orders", (5,)), ("documents", (1, 1))}, SPECS)
    assert parents(selected, SPECS, source, production) == {("customers", (1,))}
