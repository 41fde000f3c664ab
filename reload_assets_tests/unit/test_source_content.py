"""What is hashed of a row: pieces that fit into an Oracle text, in which no value can be taken for two."""

from __future__ import annotations

import re

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import oracle, postgresql

from reload_assets.canonical.oracle_types import SourceColumn
from reload_assets.canonical.postgres import TextRule, own_rule
from reload_assets.canonical.row_hash import Hashed, row_hash

WIDE = SourceColumn("WIDE", "VARCHAR2", 4000, None, None, True, 1)
NAME = SourceColumn("NAME", "VARCHAR2", 30, None, None, True, 2)
NATIONAL = SourceColumn("NATIONAL", "NVARCHAR2", 20, None, None, True, 3)
CODE = SourceColumn("CODE", "CHAR", 5, None, None, True, 4)
TAG = SourceColumn("TAG", "RAW", 16, None, None, True, 5)
EMPTY = "d41d8cd98f00b204e9800998ecf8427e"


def rule(column: SourceColumn) -> TextRule:
    found = own_rule(column)
    assert found is not None
    return found


def on_oracle(*columns: SourceColumn) -> str:
    made = row_hash([Hashed(sa.column(column.name.lower()), column, rule(column)) for column in columns])
    return str(made.compile(dialect=oracle.dialect()))


def on_postgresql(*columns: SourceColumn, to_utf8: bool = False) -> str:
    made = row_hash(
        [Hashed(sa.column(column.name.lower()), column, rule(column)) for column in columns], to_utf8=to_utf8
    )
    return str(made.compile(dialect=postgresql.dialect()))


def test_a_text_that_fills_a_piece_is_hashed_alone_and_as_it_is() -> None:
    wide = "REPLACE(wide, CHR(0), ' ')"
    short = "LOWER(RAWTOHEX(tag)) || '|' || REPLACE(name, CHR(0), ' ')"
    assert on_oracle(WIDE, NAME, TAG) == (
        "LOWER(RAWTOHEX(STANDARD_HASH(CONVERT("
        f"LOWER(RAWTOHEX(STANDARD_HASH(CONVERT({short}, 'AL32UTF8'), 'MD5'))) || '|' || "
        f"CASE WHEN {wide} IS NULL THEN '{EMPTY}' ELSE "
        f"LOWER(RAWTOHEX(STANDARD_HASH(CONVERT({wide}, 'AL32UTF8'), 'MD5'))) END"
        ", 'AL32UTF8'), 'MD5')))"
    )
    assert on_postgresql(WIDE, NAME, TAG) == (
        "MD5(COALESCE(CAST(MD5(COALESCE(CAST(ENCODE(tag, 'hex') AS TEXT), '') || '|' || "
        "COALESCE(CAST(name AS TEXT), '')) AS TEXT), '') || '|' || "
        "COALESCE(CAST(MD5(COALESCE(CAST(wide AS TEXT), '')) AS TEXT), ''))"
    )


def test_only_texts_are_escaped_and_of_them_not_the_last() -> None:
    assert on_oracle(NAME, CODE, TAG) == (
        "LOWER(RAWTOHEX(STANDARD_HASH(CONVERT(LOWER(RAWTOHEX(tag)) || '|' || "
        "REPLACE(REPLACE(RTRIM(REPLACE(code, CHR(0), ' ')), '~', '~~'), '|', '~|') || '|' || "
        "REPLACE(name, CHR(0), ' '), 'AL32UTF8'), 'MD5')))"
    )


def test_oracle_hashes_national_texts_in_the_character_set_of_the_others() -> None:
    assert "CONVERT(REPLACE(TO_CHAR(national), CHR(0), ' '), 'AL32UTF8')" in on_oracle(NATIONAL)
    assert on_postgresql(NATIONAL) == "MD5(COALESCE(CAST(national AS TEXT), ''))"


def test_a_server_of_another_encoding_hashes_utf8() -> None:
    assert on_postgresql(NATIONAL, to_utf8=True) == "MD5(CONVERT_TO(COALESCE(CAST(national AS TEXT), ''), 'UTF8'))"


@pytest.mark.parametrize("characters", [1, 30, 250, 499, 500, 999, 1000, 4000])
@pytest.mark.parametrize("number", [1, 2, 5, 60])
def test_no_piece_is_longer_than_an_oracle_text(number: int, characters: int) -> None:
    columns = [SourceColumn(f"C{n}X", "VARCHAR2", characters, None, None, True, n) for n in range(number)]
    columns += [SourceColumn(f"N{n}X", "NUMBER", None, 10, 2, True, n) for n in range(number)]
    pieces = re.findall(r"STANDARD_HASH\(CONVERT\((?!LOWER\(RAWTOHEX\(STANDARD)(.*?), 'AL32UTF8'", on_oracle(*columns))
    seen: list[str] = []
    for piece in pieces:
        texts = piece.split(" || '|' || ")
        assert len(texts) == 1 or "CASE WHEN REPLACE" not in piece
        lengths = []
        for text in texts:
            seen.extend(set(re.findall(r"[cn]\d+x", text)))
            plain = 66 if re.search(r"n\d+x", text) else min(4 * characters, 4000)
            lengths.append(plain * (2 if "'~~'" in text else 1))
        assert sum(lengths) + len(texts) - 1 <= 4000
    assert sorted(seen) == sorted(column.name.lower() for column in columns)


WORDS = SourceColumn("WORDS", "NVARCHAR2", 2000, None, None, True, 6)


def test_a_national_text_that_oracle_cannot_convert_as_a_whole_is_hashed_in_parts() -> None:
    """2,000 characters of three bytes would be 6,000 bytes, and a conversion ends at 4,000."""
    first, rest = (f"REPLACE(TO_CHAR(SUBSTR4(words, {bounds})), CHR(0), ' ')" for bounds in ("1, 1000", "1001"))
    made = on_oracle(WORDS)
    assert "TO_CHAR(words)" not in made
    assert made == (
        "LOWER(RAWTOHEX(STANDARD_HASH(CONVERT("
        + " || '|' || ".join(
            f"CASE WHEN {part} IS NULL THEN '{EMPTY}' ELSE LOWER(RAWTOHEX(STANDARD_HASH(CONVERT({part}, 'AL32UTF8'), "
            "'MD5'))) END"
            for part in (first, rest)
        )
        + ", 'AL32UTF8'), 'MD5')))"
    )
    parts = (
        f"MD5(COALESCE(CAST(SUBSTR(CAST(words AS TEXT), {bounds}) AS TEXT), ''))" for bounds in ("1, 1000", "1001")
    )
    assert on_postgresql(WORDS) == "MD5({} || '|' || {})".format(
        *(f"COALESCE(CAST({part} AS TEXT), '')" for part in parts)
    )


@pytest.mark.parametrize("length", [1, 1000, 1001, 16_383])
def test_no_part_of_a_national_text_is_longer_than_oracle_converts(length: int) -> None:
    column = SourceColumn("WORDS", "NVARCHAR2", length, None, None, True, 1)
    parts = Hashed(sa.column("words"), column, rule(column)).parts
    starts = [1 if one.part is None else one.part[0] for one in parts]
    # Four bytes each, at the most.
    assert all(4 * (end - start) <= 4000 for start, end in zip(starts, [*starts[1:], length + 1], strict=True))
    assert [one.part is not None and one.part[1] for one in parts] == [True] * (len(parts) - 1) + [False]
