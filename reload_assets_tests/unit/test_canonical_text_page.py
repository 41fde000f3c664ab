"""``docs/canonical-text.md`` shows the rules that the code has."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import sqlalchemy as sa
from sqlalchemy.dialects import oracle, postgresql

from reload_assets.canonical.oracle_types import BARE_SCALE, Kind, SourceColumn
from reload_assets.canonical.postgres import TextRule, own_rule
from reload_assets.canonical.row_hash import Hashed, checksum, row_hash
from reload_assets.canonical.text import canonical_text
from reload_assets.conversions.declared import TIME
from reload_assets.conversions.rules import convert
from reload_assets.conversions.shared_text import shared_rule

PAGE = Path(__file__).parents[2] / "docs" / "canonical-text.md"
X: sa.ColumnElement[Any] = sa.column("x")
HASH: sa.ColumnElement[str] = sa.column("hash")


def table(heading: str) -> list[list[str]]:
    """The cells of the only table of a section, without its head."""
    (section,) = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [
        [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line.strip("|"))] for line in lines[2:]
    ]


def code(cell: str) -> str:
    found = re.fullmatch(r"`(.*)`", cell)
    assert found is not None, cell
    return found[1]


def compiled(element: sa.ColumnElement[Any]) -> list[str]:
    return [str(element.compile(dialect=dialect.dialect())) for dialect in (oracle, postgresql)]


def test_each_rule_is_published_as_it_is() -> None:
    rows = table("Rules")
    kinds: list[Kind] = list(get_args(Kind))
    assert [row[0] for row in rows] == kinds
    for kind, (_, _, on_oracle, on_postgresql) in zip(kinds, rows, strict=True):
        assert [code(on_oracle), code(on_postgresql)] == compiled(
            canonical_text(X, TextRule(kind, 3 if kind == "short time" else BARE_SCALE))
        ), kind


def test_each_rule_names_the_types_that_have_it() -> None:
    for kind, types, *_ in table("Rules"):
        for declared in re.findall(r"`([^`]*)`", types):
            precision, scale = (10, 2) if declared.endswith("(p,s)") else (None, None)
            name = declared.partition("(")[0]
            assert SourceColumn("X", name, None, precision, scale, True, 1).kind == kind, declared


def test_the_hash_of_a_row_is_published_as_it_is() -> None:
    hashed, summed = table("A row")
    name = SourceColumn("x", "VARCHAR2", 10, None, None, True, 1)
    both = [Hashed(X, name, TextRule("text")), Hashed(X, name, TextRule("text"))]
    for cell, sql in zip(hashed[1:], compiled(row_hash(both)), strict=True):
        text = re.search(r"REPLACE\(REPLACE.*(?=, 'AL32UTF8')|(?<=^MD5\().*(?=\)$)", sql)
        assert text is not None
        assert cell.startswith(f"`{sql.replace(text[0], 'x')}`")
    utf8 = str(row_hash(both, to_utf8=True).compile(dialect=postgresql.dialect()))
    assert re.sub(r"CONVERT_TO\(.*, 'UTF8'", "CONVERT_TO(x, 'UTF8'", utf8) in hashed[2]
    assert [code(cell) for cell in summed[1:]] == compiled(checksum(HASH))


def described(declared: str) -> SourceColumn:
    name, *sizes = re.split(r"[(,)]+", declared.rstrip(")"))
    numbers = [int(size) for size in sizes]
    if name == "NUMBER":
        return SourceColumn("X", name, None, numbers[0], numbers[1] if len(numbers) > 1 else 0, True, 1)
    if name == "TIMESTAMP":
        return SourceColumn("X", declared, None, None, numbers[0], True, 1)
    return SourceColumn("X", name, numbers[0], None, None, True, 1)


def test_each_pair_of_other_types_is_published_as_it_is() -> None:
    for source, production, kind, text in table("Other types in production"):
        column, target = described(code(source)), code(production)
        rule = shared_rule(column, target, convert(column, target), "Europe/Zurich")
        assert rule is not None, source
        assert rule.kind == kind, source
        if text.startswith("`"):
            assert compiled(canonical_text(X, rule))[1] == code(text)
        else:
            assert "AT TIME ZONE 'Europe/Zurich'" in rule.template


def test_the_types_of_a_kind_share_its_text() -> None:
    for declared, types in {
        "NUMBER(10,2)": ("smallint", "integer", "bigint", "numeric(12,2)"),
        "VARCHAR2(10)": ("text", "character varying(10)", "citext"),
        "TIMESTAMP(6)": (TIME,),
        "RAW(10)": ("bytea",),
    }.items():
        column = described(declared)
        for name in types:
            found = convert(column, name)
            if found.lost is None:
                assert shared_rule(column, name, found, "UTC") == own_rule(column), (declared, name)
