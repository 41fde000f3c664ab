"""Names in staging: unique whatever tables and columns are called, and within PostgreSQL's 63 bytes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reload_assets.engines.staging_tables import again_name
from reload_assets.ledger.records import staging_name
from reload_assets.staged_columns import lowered, staged_columns

NAMES = st.lists(st.text(st.sampled_from("aAbß_#%.ü\"' "), min_size=1, max_size=80), unique=True, max_size=8)


def table(name: str) -> Any:
    return SimpleNamespace(name=name)


@pytest.mark.parametrize(("name", "staged"), [("orders", "orders_r7"), ("order_items", "order_items_r7")])
def test_a_plain_name_stays_readable(name: str, staged: str) -> None:
    assert staging_name(table(name), 7) == staged


@given(NAMES, st.integers(1, 10**18))
def test_no_two_tables_of_a_reload_share_a_staging_table(names: list[str], reload_id: int) -> None:
    made = [staging_name(table(name), reload_id) for name in names]
    made += [again_name(name) for name in made]
    assert len(set(made)) == len(made)
    assert all(len(name.encode()) <= 63 and name.isascii() and name == name.lower() for name in made)


def test_names_that_begin_alike_are_told_apart() -> None:
    long = "l" * 60
    assert len({staging_name(table(f"{long}{end}"), 7) for end in ("_one", "_two", "")}) == 3
    assert staging_name(table("Orders"), 7) != staging_name(table("orders"), 7)


def test_columns_are_in_lower_case_unless_dms_leaves_them_as_they_are() -> None:
    assert staged_columns(["ID", "Id", "iD", "ID#", "id#", "A-B", "NOTE"]) == {
        "ID": "id",
        "Id": "id_2",
        "iD": "id_3",
        "ID#": "ID#",
        "id#": "id#",
        "A-B": "A-B",
        "NOTE": "note",
    }
    assert [lowered(name) for name in ("ID", "ID#", "שם")] == ["id", "ID#", "שם"]


@given(NAMES)
def test_no_two_columns_of_a_staging_table_share_a_name(names: list[str]) -> None:
    short = [name for name in names if len(name.encode()) <= 63]
    found = staged_columns(short)
    assert len(set(found.values())) == len(short)
    assert all(len(name.encode()) <= 63 for name in found.values())
