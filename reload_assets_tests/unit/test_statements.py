"""Statements are composed as psql would: identifiers quoted, values bound, casts and strings left alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from psycopg import sql

from reload_assets.postgres import statements
from reload_assets.postgres.statements import compose, sections, text


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
    for wrong in ("step:third", "step", "whole:first"):
        with pytest.raises(KeyError):
            text(wrong)
    with pytest.raises(ValueError, match="the section a twice"):
        sections("twice")
