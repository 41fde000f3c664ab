"""The judge of the campaigns sees every kind of fault, and none where there is none."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pytest

from reload_assets_tests.campaigns.judge import Audited, Made, judge_audit, judge_lists, judge_rows
from reload_assets_tests.campaigns.schema import AFTER, BOUNDS, SPECS, STEP, Key, Place, Row, Tables

INSIDE = BOUNDS[0][0]
OUTSIDE = AFTER[0]
VERSION = datetime(2025, 2, 1)


def customer(name: str, at: datetime = INSIDE) -> Row:
    return {"customer_id": 1, "name": name, "created_at": at, "updated_at": VERSION}


def tables(row: Row | None) -> Tables:
    """A side whose only row is that of customer 1."""
    return {**{name: {} for name in SPECS}, "customers": {(1,): row} if row else {}}


def verdict(source: Row | None, production: Row | None, shadow: Row | None) -> list[tuple[str, bool]]:
    faults = judge_rows(SPECS, tables(source), tables(production), tables(shadow))
    assert all((fault.table, fault.key) == ("customers", (1,)) for fault in faults)
    return [(fault.kind, fault.outside) for fault in faults]


@pytest.mark.parametrize(
    ("source", "production", "shadow", "faults"),
    [
        (customer("a"), customer("a"), None, []),
        (None, None, customer("a"), []),
        (None, customer("a"), None, [("zombie", False)]),
        (customer("b"), customer("a"), customer("b"), [("stale", False)]),
        (customer("a"), None, customer("a"), [("lost", False)]),
        # Within a window it does not matter that CDC alone would have left it so.
        (customer("b"), customer("a"), customer("a"), [("stale", False)]),
        (None, customer("a"), customer("a"), [("zombie", False)]),
    ],
)
def test_a_row_of_a_window_has_to_equal_the_source(
    source: Row | None, production: Row | None, shadow: Row | None, faults: list[tuple[str, bool]]
) -> None:
    assert verdict(source, production, shadow) == faults


@pytest.mark.parametrize(
    ("source", "production"),
    [(customer("a"), customer("a", OUTSIDE)), (customer("a", OUTSIDE), customer("a", BOUNDS[1][1] - STEP))],
)
def test_a_row_that_lies_in_a_window_on_one_side_only_is_wrong(source: Row, production: Row) -> None:
    assert verdict(source, production, production) == [("stale", False)]


@pytest.mark.parametrize(
    ("source", "production", "shadow", "faults"),
    [
        (customer("b", OUTSIDE), customer("a", OUTSIDE), customer("a", OUTSIDE), []),
        (customer("a", OUTSIDE), customer("a", OUTSIDE), None, []),
        (customer("a", OUTSIDE), None, None, []),
        (customer("b", OUTSIDE), customer("a", OUTSIDE), customer("b", OUTSIDE), [("stale", True)]),
        (customer("a", OUTSIDE), None, customer("a", OUTSIDE), [("lost", True)]),
        (None, customer("a", OUTSIDE), None, [("zombie", True)]),
        (customer("a", OUTSIDE), None, customer("zombie"), [("lost", True)]),
    ],
)
def test_a_row_outside_has_to_be_what_the_source_or_cdc_alone_made_it(
    source: Row | None, production: Row | None, shadow: Row | None, faults: list[tuple[str, bool]]
) -> None:
    assert verdict(source, production, shadow) == faults


@pytest.mark.parametrize(
    ("at", "windows", "listed", "faults"),
    [
        (OUTSIDE, True, {("customers", (1,))}, [("stale", False)]),
        (OUTSIDE, True, {("customers", (2,)), ("orders", (1,))}, []),
        (INSIDE, False, {("customers", (1,))}, [("stale", False)]),
        (INSIDE, False, set(), []),
    ],
)
def test_a_listed_row_has_to_equal_the_source_wherever_it_lies(
    at: datetime, windows: bool, listed: set[Place], faults: list[tuple[str, bool]]
) -> None:
    wrong = tables(customer("a", at))
    found = judge_rows(SPECS, tables(customer("b", at)), wrong, wrong, windows=windows, listed=listed)
    assert [(fault.kind, fault.outside) for fault in found] == faults
    (fault,) = judge_rows(SPECS, tables(customer("b", at)), wrong, tables(customer("b", at)), windows=False)
    assert fault.outside, "a reload has harmed a row that was not in its list"


def test_a_merge_writes_nothing_that_is_not_in_its_list() -> None:
    listed = [(1, "documents", ("7", "2")), (2, "documents", ("7", "3"))]
    merged = [(1, "documents", {"document_id": 7, "part_no": 2})]
    assert judge_lists(SPECS, merged, listed) == []
    merged.append((1, "documents", {"document_id": 7, "part_no": 3}))
    assert judge_lists(SPECS, merged, listed) == ["reload 1 merged documents (7, 3), which is not in its list"]


@pytest.mark.parametrize("column", ["name", "created_at", "updated_at"])
def test_every_column_counts(column: str) -> None:
    other = {**customer("a"), column: None if column == "name" else INSIDE + STEP}
    assert verdict(customer("a"), other, customer("a")) == [("stale", False)]


def image(key: int, name: str) -> Mapping[str, Any]:
    return {"customer_id": key, "name": name}


def made(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None, transaction: int = 1) -> Made:
    return Made(transaction, "customers", before, after)


def audited(operation: str, before: Mapping[str, Any] | None, key: int = 1) -> Audited:
    return Audited("customers", operation, {"customer_id": key}, before)


INSERT, UPDATE = made(None, image(1, "a")), made(image(1, "a"), image(1, "b"))
DELETE = made(image(1, "b"), None)


@pytest.mark.parametrize(
    ("changes", "audit"),
    [
        ([INSERT], [audited("inserted", None)]),
        ([UPDATE], [audited("updated", image(1, "a"))]),
        ([UPDATE], [audited("repaired", image(1, "a"))]),
        ([DELETE], [audited("deleted", image(1, "b"))]),
        # One transaction parks a value, or recreates a row, on the way.
        ([UPDATE, made(image(1, "b"), image(1, "c"))], [audited("updated", image(1, "a"))]),
        ([made(image(1, "a"), None), made(None, image(1, "c"))], [audited("repaired", image(1, "a"))]),
        ([INSERT, made(image(1, "a"), None)], []),
        # Several transactions are several changes.
        ([INSERT, made(image(1, "a"), None, 2)], [audited("inserted", None), audited("deleted", image(1, "a"))]),
    ],
)
def test_an_audit_that_is_whole_is_taken_for_whole(changes: list[Made], audit: list[Audited]) -> None:
    assert judge_audit(SPECS, changes, audit) == []


@pytest.mark.parametrize(
    ("changes", "audit", "faults"),
    [
        ([INSERT], [], ["not in the audit: insert of customers"]),
        (
            [UPDATE],
            [audited("updated", image(1, "x"))],
            ["not in the audit: update", "in the audit, but not done"],
        ),
        ([UPDATE], [audited("inserted", None)], ["not in the audit: update", "in the audit, but not done: insert"]),
        ([DELETE], [audited("deleted", image(1, "b"), 2)], ["not in the audit: delete", "in the audit, but not done"]),
        ([], [audited("deleted", image(1, "b"))], ["in the audit, but not done: delete of customers"]),
        ([INSERT], [audited("inserted", None)] * 2, ["in the audit, but not done: insert"]),
        ([INSERT, made(None, image(1, "a"), 2)], [audited("inserted", None)], ["not in the audit: insert"]),
        # A change of a key is a delete and an insert.
        ([made(image(1, "a"), image(2, "a"))], [audited("deleted", image(1, "a"))], ["not in the audit: insert"]),
    ],
)
def test_a_change_has_to_be_in_the_audit_exactly_once(
    changes: list[Made], audit: list[Audited], faults: list[str]
) -> None:
    found = [fault.said for fault in judge_audit(SPECS, changes, audit)]
    assert len(found) == len(faults)
    for said, wanted in zip(sorted(found), sorted(faults), strict=True):
        assert said.startswith(wanted)


def test_keys_of_several_columns_are_told_apart() -> None:
    row = {"document_id": 1, "part_no": 2, "body": "a", "issued_at": INSIDE, "revised_at": None}
    key: Key = (1, 2)
    source: Tables = {**tables(None), "documents": {key: row}}
    production: Tables = {**tables(None), "documents": {(1, 3): {**row, "part_no": 3}}}
    faults = judge_rows(SPECS, source, production, source)
    assert [(fault.kind, fault.key) for fault in faults] == [("lost", (1, 2)), ("zombie", (1, 3))]
