"""Wildcards of object locators."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reload_assets.dms.patterns import escaped, has_underscore_wildcard, is_exact, is_wild, matches, narrower, overlap

NAMES = st.text(alphabet="AB_%[]-", max_size=6)


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("ORDERS", "ORDERS", True),
        ("ORDERS", "orders", False),
        ("ORDERS", "ORDERS2", False),
        ("%", "", True),
        ("%_AT", "UPDATED_AT", True),
        ("%_AT", "FLAT", True),
        ("%[_]AT", "FLAT", False),
        ("%[_]AT", "UPDATED_AT", True),
        ("ORDER_ITEMS", "ORDERXITEMS", True),
        ("ORDER[_]ITEMS", "ORDERXITEMS", False),
        ("T[a-c]", "Tb", True),
        ("T[a-c]", "Td", False),
        ("T[ac]", "Tb", False),
        ("A[B", "A[B", True),
    ],
)
def test_a_pattern_matches_as_dms_documents_it(pattern: str, name: str, expected: bool) -> None:
    assert matches(pattern, name) is expected


@given(NAMES, NAMES)
def test_an_escaped_name_matches_itself_and_nothing_else(name: str, other: str) -> None:
    assert matches(escaped(name), name)
    assert matches(escaped(name), other) is (name == other)


@given(NAMES, NAMES)
def test_overlap_is_symmetric_and_holds_for_what_both_match(one: str, other: str) -> None:
    assert overlap(one, other) is overlap(other, one)
    if matches(one, other.replace("%", "A").replace("_", "A")) and not is_wild(other):
        assert overlap(one, other)


def test_overlap_sees_two_patterns_that_share_a_name() -> None:
    assert overlap("UPD%", "%[_]AT")
    assert not overlap("UPD%", "CRE%")
    assert not overlap("T[a-c]", "T[d-f]")


def test_a_special_case_is_narrower_than_its_pattern() -> None:
    assert narrower("ORDERS", "%")
    assert narrower("ORD%", "%")
    assert not narrower("%", "ORDERS")
    assert not narrower("ORDERS", "ORDERS")


def test_an_underscore_is_told_from_the_other_wildcards() -> None:
    assert has_underscore_wildcard("A_B")
    assert not has_underscore_wildcard("A[_]B")
    assert not is_wild("A_B")
    assert not is_wild("A[_]B")
    assert is_wild("A[_B]")
    assert is_exact("A_B")
    assert not is_exact("A[_]B")
    assert is_wild("A%")


def test_long_names_and_many_wildcards_are_soon_decided() -> None:
    assert matches("%a" * 50, "a" * 2000)
    assert not matches("%a" * 50 + "b", "a" * 2000)
    assert overlap("A" * 5000 + "%", "A" * 5000 + "[ab]")
