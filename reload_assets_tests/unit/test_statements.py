"""Statements are composed as psql would: identifiers quoted, values bound, casts and strings left alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest
from psycopg import sql

from reload_assets.postgres import statements
from reload_assets.postgres.statements import Step, compose, script, sections, steps, text


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    files: dict[str, str] = {}
    monkeypatch.setattr(statements, "text", files.__getitem__)
    return files


def test_identifiers_are_quoted_and_values_are_bound(written: dict[str, str]) -> None:
    written["q"] = """SELECT :columns FROM :"schema".:"table" WHERE a = :'a'::int AND b LIKE '%:x' -- :'no' 50%"""
    composed = compose("q", {"schema": "s", "table": 'we"ird%', "columns": sql.Identifier("100%")})
    assert composed.as_string() == (
        """SELECT "100%%" FROM "s"."we""ird%%" WHERE a = %(a)s::int AND b LIKE '%%:x' -- :'no' 50%%"""
    )


def test_without_values_percent_signs_stay(written: dict[str, str]) -> None:
    written["q"] = """SELECT '%' FROM :"table" WHERE $x$ :'a' $x$ <> ':"b"' /* :c */"""
    assert compose("q", {"table": "t%"}).as_string() == (
        """SELECT '%' FROM "t%" WHERE $x$ :'a' $x$ <> ':"b"' /* :c */"""
    )


def test_a_name_cannot_be_given_where_sql_is_wanted(written: dict[str, str]) -> None:
    written["q"] = "SELECT :columns"
    with pytest.raises(TypeError, match="as a composed piece"):
        compose("q", {"columns": "a; DROP TABLE b"})


def test_a_missing_part_is_an_error(written: dict[str, str]) -> None:
    written["q"] = """SELECT * FROM :"table" """
    with pytest.raises(KeyError):
        compose("q")


@dataclass(frozen=True)
class Pieces:
    schema: str
    columns: sql.Composable


def test_parts_are_fields_too_and_may_be_given_in_turn(written: dict[str, str]) -> None:
    written["q"] = """SELECT :columns FROM :"schema".:"table\""""
    pieces = Pieces("s", sql.Identifier("a"))
    assert compose("q", pieces, {"table": "t"}).as_string() == 'SELECT "a" FROM "s"."t"'
    assert compose("q", pieces, {"table": "t", "columns": sql.Identifier("a")}).as_string().startswith('SELECT "a"')


def test_a_part_has_one_value(written: dict[str, str]) -> None:
    written["q"] = "SELECT :columns"
    pieces = Pieces("s", sql.Identifier("a"))
    for other in ({"schema": "other"}, Pieces("s", sql.Identifier("b")), {"columns": "a"}):
        with pytest.raises(ValueError, match="is given twice, with different values"):
            compose("q", pieces, other)


def test_a_script_sets_its_values_for_psql_and_rolls_back(written: dict[str, str]) -> None:
    written["f/q"] = "-- Why.\nSELECT :columns LIKE 'a%' AND :'a'::int = 1 -- :'no'\n;\n"
    values = {"a": 1, "when": datetime(2025, 1, 2, 3), "some": ["it's", 'a"b', "\\"], "none": [], "so": True}
    made = script("Two\nlines.", ["ANALYZE x;", Step("f/q", [{"columns": sql.Identifier("%")}], {"b": "x\ny"})], values)
    assert made == "\n".join(
        [
            "-- Two",
            "-- lines.",
            r"\set ON_ERROR_STOP on",
            r"\set a '1'",
            r"\set when '2025-01-02 03:00:00'",
            r"""\set some '{it\'s,"a\\"b","\\\\"}'""",
            r"\set none '{}'",
            r"\set so 't'",
            "",
            "BEGIN;",
            "",
            "ANALYZE x;",
            "",
            "-- f/q",
            r"\set b 'x\ny'",
            "-- Why.",
            """SELECT "%" LIKE 'a%' AND :'a'::int = 1 -- :'no'""",
            ";",
            "",
            "ROLLBACK;",
            "",
        ]
    )


def test_a_variable_of_psql_cannot_be_null(written: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="cannot be NULL"):
        script("", [], {"a": None})


def test_a_file_falls_into_its_sections(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    sections.cache_clear()
    (tmp_path / "step.sql").write_text(
        "-- A step.\n\n-- name: first\n-- One.\nSELECT 1;\n\n-- name: second\nSELECT 2;\n", encoding="utf-8"
    )
    (tmp_path / "whole.sql").write_text("-- Whole.\nSELECT 3;\n", encoding="utf-8")
    (tmp_path / "twice.sql").write_text("-- name: a\nSELECT 1;\n-- name: a\nSELECT 2;\n", encoding="utf-8")
    monkeypatch.setattr(statements, "files", lambda package: tmp_path)
    assert list(sections("step")) == ["first", "second"]
    assert text("step:first").strip() == "-- One.\nSELECT 1;"
    assert text("step:second").strip() == "SELECT 2;"
    assert text("whole") == "-- Whole.\nSELECT 3;\n"
    assert [step.name for step in steps(["step", "whole"], {})] == ["step:first", "step:second", "whole"]
    for wrong in ("step:third", "step", "whole:first"):
        with pytest.raises(KeyError):
            text(wrong)
    with pytest.raises(ValueError, match="the section a twice"):
        sections("twice")
