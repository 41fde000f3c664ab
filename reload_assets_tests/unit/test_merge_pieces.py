"""The statements of a merge: the pieces that they name are the fields that there are, and the page shows each."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import fields
from typing import get_type_hints

from psycopg.sql import Composable

from reload_assets.merge import pieces
from reload_assets.postgres.statements import file_names, sections
from reload_assets_tests.roles import SQL

STEPS = file_names("merge")
GROUPS = [group for group in vars(pieces).values() if isinstance(group, type) and group.__module__ == pieces.__name__]
# Without comments, strings and values.
STATEMENTS = [re.sub(r"--[^\n]*|:?'[^']*'", "", text) for step in STEPS for text in sections(step).values()]


def test_the_steps_are_numbered_without_a_gap() -> None:
    assert [name.split("/")[1][0] for name in STEPS] == [str(number) for number in range(1, len(STEPS) + 1)]


def test_the_statements_name_the_fields_that_there_are_and_no_others() -> None:
    found = [pair for text in STATEMENTS for pair in re.findall(r"(?<!:):(?:\"([a-z]\w*)\"|([a-z]\w*))", text)]
    types = {name: kind for group in GROUPS for name, kind in get_type_hints(group).items()}
    assert {name for name, kind in types.items() if kind is str} == {name for name, _ in found if name}
    assert {name for name, kind in types.items() if kind is Composable} == {name for _, name in found if name}


def test_a_field_is_in_one_group() -> None:
    names = Counter(field.name for group in GROUPS for field in fields(group))
    assert [name for name, times in names.items() if times > 1] == []


def test_the_page_about_the_statements_shows_every_piece() -> None:
    page = (SQL / "README.md").read_text(encoding="utf-8")
    composed = {name for group in GROUPS for name, kind in get_type_hints(group).items() if kind is Composable}
    assert {name for name in composed if f"`{name}`" not in page} == set()
