"""A row that production has marked as deleted and that the source has: the merge takes the mark back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from reload_assets.merge import Outcomes
from reload_assets_tests.integration.merge_bench import (
    EARLIER,
    LATER,
    NOON,
    UPDATED_AT,
    InThread,
    MakeBench,
    MergeBench,
)

FLAG = "deleted boolean"
TIME = "deleted timestamp"
MARKS = {FLAG: ("true", "false", False), TIME: (f"timestamp '{NOON}'", "NULL", None)}


def marked_bench(make_bench: MakeBench, column: str, *rows: str, **options: Any) -> MergeBench:
    settings: Mapping[str, Any] = {**UPDATED_AT, "orphans": "soft_delete", "soft_delete_column": "deleted", **options}
    made = make_bench(
        f"CREATE TABLE production.customers (id integer PRIMARY KEY, name text, updated_at timestamp, {column})",
        {"customers": settings},
    )
    for row in rows:
        made.execute(f"INSERT INTO production.customers VALUES {row}")
    return made


def state(made: MergeBench) -> list[tuple[Any, ...]]:
    return made.rows("SELECT id, name, deleted FROM production.customers ORDER BY id")


@pytest.mark.parametrize("column", MARKS)
@pytest.mark.parametrize(
    ("held", "outcome"),
    [
        (f"'one', '{EARLIER}'", Outcomes(updated=1)),
        # Nothing else differs.
        (f"'one', '{NOON}'", Outcomes(repaired=1)),
        (f"'other', '{NOON}'", Outcomes(repaired=1)),
        ("'other', NULL", Outcomes(repaired=1)),
    ],
)
def test_a_staged_row_has_its_mark_taken_back(make_bench: MakeBench, column: str, held: str, outcome: Outcomes) -> None:
    mark, _, unmarked = MARKS[column]
    # Policies that leave differences alone are about rows that are there.
    made = marked_bench(make_bench, column, f"(1, {held}, {mark})", equal_version="skip", null_version="report")
    assert made.reload([(1, "one", NOON)]) == outcome
    assert state(made) == [(1, "one", unmarked)]
    ((operation, key, before),) = made.audit()
    assert (operation, key) == ("updated" if outcome.updated else "repaired", {"id": 1})
    assert before["deleted"] not in (None, False)
    assert made.reload([(1, "one", NOON)]) == Outcomes(identical=1)


@pytest.mark.parametrize("column", MARKS)
def test_a_marked_row_that_is_newer_is_left_to_confirm(make_bench: MakeBench, column: str) -> None:
    made = marked_bench(make_bench, column, f"(1, 'newer', '{LATER}', {MARKS[column][0]})")
    assert made.reload([(1, "one", NOON)]) == Outcomes(refused=1)
    assert made.audit() == []


def test_a_flag_that_was_never_set_stays_as_it_is(make_bench: MakeBench) -> None:
    made = marked_bench(make_bench, FLAG, f"(1, 'x', '{EARLIER}', NULL)", f"(2, 'x', '{EARLIER}', false)")
    assert made.reload([(1, "one", NOON), (2, "two", NOON)]) == Outcomes(updated=2)
    assert state(made) == [(1, "one", None), (2, "two", False)]


def test_a_mark_that_is_set_while_the_merge_waits_is_taken_back(make_bench: MakeBench) -> None:
    made = marked_bench(make_bench, FLAG, f"(1, 'x', '{EARLIER}', false)")
    reload = made.stage({"customers": [(1, "one", NOON)]})

    with made.writer() as writer:
        writer.execute("UPDATE production.customers SET deleted = true")
        merging = InThread(lambda: made.merge(reload, lock_timeout_ms=900))
        made.await_waiting()
        writer.commit()
        assert merging.result().outcomes["customers"] == Outcomes(updated=1)
    assert state(made) == [(1, "one", False)]


def test_rows_that_are_made_anew_lose_the_mark(make_bench: MakeBench) -> None:
    made = make_bench(
        "CREATE TABLE production.customers ("
        "id integer PRIMARY KEY, name text NOT NULL UNIQUE, updated_at timestamp, deleted boolean)",
        {"customers": {**UPDATED_AT, "orphans": "soft_delete", "soft_delete_column": "deleted"}},
    )
    made.execute(f"INSERT INTO production.customers VALUES (1, 'a', '{EARLIER}', true), (2, 'b', '{EARLIER}', NULL)")
    assert made.reload([(1, "b", NOON), (2, "a", NOON)]) == Outcomes(updated=2)
    assert state(made) == [(1, "b", False), (2, "a", None)]


def test_a_table_of_keys_alone_has_its_marks_taken_back(make_bench: MakeBench) -> None:
    made = make_bench(
        "CREATE TABLE production.customers (id integer, updated_at timestamp, deleted boolean, "
        "PRIMARY KEY (id, updated_at))",
        {
            "customers": {
                **UPDATED_AT,
                "key": ["id", "updated_at"],
                "orphans": "soft_delete",
                "soft_delete_column": "deleted",
            }
        },
    )
    made.execute(f"INSERT INTO production.customers VALUES (1, '{NOON}', true), (2, '{NOON}', false)")
    assert made.reload([(1, NOON), (2, NOON)]) == Outcomes(repaired=1, identical=1)
    assert made.rows("SELECT id, deleted FROM production.customers ORDER BY id") == [(1, False), (2, False)]
