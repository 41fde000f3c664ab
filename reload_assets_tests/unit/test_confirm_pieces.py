"""The statements of a confirm: their pieces, and the words that they write into the tables of keys."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import get_type_hints

from psycopg.sql import Composable

from reload_assets.confirm import pieces
from reload_assets.confirm.pieces import ConfirmPieces, NamedOutside, TextPieces
from reload_assets.confirm.verdicts import CORRECTED, FINISHED, GONE, LOCKED, REMOVED, WRITTEN, Correction, Verdict
from reload_assets.postgres.statements import file_names, sections
from reload_assets_tests.roles import SQL

STEPS = [name for name in file_names("confirm") if re.match(r"confirm/\d_", name)]
GROUPS = [group for group in vars(pieces).values() if isinstance(group, type) and group.__module__ == pieces.__name__]
STATEMENTS = {f"{step}:{section}": text for step in STEPS for section, text in sections(step).items()}


def without_comments(text: str) -> str:
    return re.sub(r"--[^\n]*", "", text)


def test_the_steps_are_numbered_without_a_gap() -> None:
    assert [name.split("/")[1][0] for name in STEPS] == [str(number) for number in range(1, len(STEPS) + 1)]


def test_every_word_that_a_statement_compares_or_writes_is_a_verdict_or_a_state_of_a_correction() -> None:
    verdicts, corrections = set(), set()
    for text in map(without_comments, STATEMENTS.values()):
        verdicts |= compared(text, "verdict")
        corrections |= compared(text, "correction")
    judged = without_comments(STATEMENTS["confirm/2_pass:judge_keys"])
    verdicts |= set(re.findall(r"(?:THEN|ELSE) '(\w+)'", judged))
    assert verdicts >= {"same", "overtaken", "left", "patch", "delete"}
    assert verdicts - {verdict.value for verdict in Verdict} == set()
    assert corrections == {correction.value for correction in Correction}


def compared(text: str, column: str) -> set[str]:
    """The words that a statement compares a column with, or sets it to."""
    listed = re.findall(rf"\b{column} (?:NOT )?IN \(([^)]*)\)", text)
    return {*re.findall(rf"\b{column} = '(\w+)'", text), *(word for one in listed for word in words(one))}


def words(listed: str) -> list[str]:
    return re.findall(r"'(\w+)'", listed)


def test_a_verdict_stands_in_the_lists_that_its_sentence_says() -> None:
    assert set(CORRECTED) == {*WRITTEN, *REMOVED}
    assert set(LOCKED) == set(CORRECTED) - {Verdict.INSERT}
    assert set(GONE) & set(FINISHED) == {Verdict.ORPHAN, Verdict.ABSENT}
    assert all(re.match(r"[A-Z].*\.$", word.meaning) for word in (*Verdict, *Correction))


def test_every_piece_is_one_that_a_statement_names() -> None:
    named = {
        name
        for text in map(without_comments, STATEMENTS.values())
        for name in re.findall(r"(?<!:):(?:\"(\w+)\"|(\w+))", text)
    }
    flat = {name for pair in named for name in pair if name}
    assert ConfirmPieces in GROUPS
    assert {field.name for group in GROUPS for field in fields(group)} - flat == set()


def test_every_column_of_the_keys_has_a_sentence() -> None:
    body = STATEMENTS["confirm/1_keys:create_keys"].split("FROM :")[0]
    columns = re.findall(r"^    (--.*\n)?    \S+ (?:\[\] )?AS (\w+)", body, re.MULTILINE)
    assert len(columns) >= 19
    assert [name for comment, name in columns if not comment] == []


def test_what_is_given_besides_the_pieces_of_a_table_has_other_names() -> None:
    common = {field.name for field in fields(ConfirmPieces)}
    # These two are given alone.
    beside = [group for group in GROUPS if group not in (ConfirmPieces, TextPieces, NamedOutside)]
    assert beside
    assert [field.name for group in beside for field in fields(group) if field.name in common] == []


def test_the_examples_have_the_lists_of_verdicts_that_there_are() -> None:
    page = (SQL / "example.psql").read_text(encoding="utf-8")
    lists = {"corrected": CORRECTED, "written": WRITTEN, "locked": LOCKED, "gone": GONE, "finished": FINISHED}
    for name, verdicts in lists.items():
        found = re.search(rf"^\\set {name} (.*)$", page, re.MULTILINE)
        assert found is not None
        assert words(found[1].replace("''", "'")) == [verdict.value for verdict in verdicts]


def test_the_page_about_the_statements_shows_every_piece() -> None:
    page = (SQL / "README.md").read_text(encoding="utf-8")
    composed = {name for group in GROUPS for name, kind in get_type_hints(group).items() if kind is Composable}
    assert {name for name in composed if f"`{name}`" not in page} == set()
