"""What production's types would lose of the source's values, pair by pair."""

from __future__ import annotations

import pytest

from reload_assets.canonical.oracle_types import SourceColumn
from reload_assets.verify.type_rules import judge, note


def column(
    data_type: str, *, length: int | None = None, precision: int | None = None, scale: int | None = None
) -> SourceColumn:
    return SourceColumn("C", data_type, length, precision, scale, True, 1)


def number(precision: int | None, scale: int | None) -> SourceColumn:
    return column("NUMBER", precision=precision, scale=scale)


BARE = number(None, None)
TIME = "timestamp without time zone"


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (number(10, 2), "numeric(10,2)"),
        (number(10, 2), "numeric(12,2)"),
        (number(10, 2), "numeric"),
        (number(38, 0), "numeric(38,0)"),
        (number(4, 0), "smallint"),
        (number(9, 0), "integer"),
        (number(18, 0), "bigint"),
        (number(3, -2), "integer"),
        (number(3, -2), "numeric(5,0)"),
        (number(2, 5), "numeric(5,5)"),
        (number(None, 0), "numeric(38,0)"),
        (number(15, 0), "double precision"),
        (number(6, 2), "real"),
        (BARE, "numeric"),
        (BARE, "numeric(38,10)"),
        (BARE, "text"),
        (column("FLOAT", precision=126), "double precision"),
        (column("FLOAT", precision=24), "real"),
        (column("BINARY_FLOAT"), "real"),
        (column("BINARY_DOUBLE"), "double precision"),
        (column("BINARY_DOUBLE"), "numeric"),
        (column("VARCHAR2", length=100), "character varying(100)"),
        (column("VARCHAR2", length=100), "character varying"),
        (column("VARCHAR2", length=100), "text"),
        (column("NVARCHAR2", length=100), "citext"),
        (column("CHAR", length=10), "character(10)"),
        (column("CHAR", length=10), "character varying(10)"),
        (column("NCHAR", length=10), "bpchar"),
        (column("VARCHAR2", length=36), "uuid"),
        (column("VARCHAR2", length=10), "production.mood"),
        (column("CHAR", length=1), "boolean"),
        (column("DATE"), TIME),
        (column("DATE"), "timestamp(0) without time zone"),
        (column("DATE"), "text"),
        (column("TIMESTAMP(6)", scale=6), TIME),
        (column("TIMESTAMP(6)", scale=6), "timestamp(6) without time zone"),
        (column("TIMESTAMP(3)", scale=3), "timestamp(3) without time zone"),
        (column("TIMESTAMP(9)", scale=9), TIME),
        (column("TIMESTAMP(6) WITH TIME ZONE"), "text"),
        (column("TIMESTAMP(6) WITH TIME ZONE"), "timestamp with time zone"),
        (column("TIMESTAMP(6) WITH LOCAL TIME ZONE"), "character varying(64)"),
        (column("INTERVAL DAY(2) TO SECOND(6)"), "interval"),
        (column("INTERVAL YEAR(2) TO MONTH"), "text"),
        (column("RAW", length=16), "bytea"),
        (column("BLOB"), "bytea"),
        (column("LONG RAW"), "bytea"),
        (column("CLOB"), "text"),
        (column("NCLOB"), "text"),
        (column("CLOB"), "jsonb"),
        (column("XMLTYPE"), "xml"),
        (column("LONG"), "character varying"),
    ],
)
def test_nothing_is_lost(source: SourceColumn, target: str) -> None:
    assert judge(source, target) is None


@pytest.mark.parametrize(
    ("source", "target", "lost"),
    [
        (number(12, 4), "numeric(10,2)", "decimals beyond 2"),
        (number(12, 2), "numeric(10,2)", "numbers of more than 8 digits before the point"),
        (number(10, 0), "numeric(10,2)", "numbers of more than 8 digits before the point"),
        (number(10, 2), "bigint", "fractions"),
        (number(5, 0), "smallint", "numbers of more than 4 digits"),
        (number(10, 0), "integer", "numbers of more than 9 digits"),
        (number(19, 0), "bigint", "numbers of more than 18 digits"),
        (number(8, -2), "integer", "numbers of more than 9 digits"),
        (number(None, 0), "bigint", "numbers of more than 18 digits"),
        (number(1, 0), "boolean", "every number but 0 and 1"),
        (number(16, 0), "double precision", "digits beyond 15"),
        (number(5, 0), "timestamp without time zone", "the number"),
        (BARE, "integer", "fractions"),
        (BARE, "numeric(10,2)", "decimals beyond 2"),
        (BARE, "numeric(30,10)", "numbers of more than 20 digits before the point"),
        (BARE, "double precision", "digits beyond 15"),
        (column("FLOAT", precision=126), "real", "digits beyond 6"),
        (column("FLOAT", precision=126), "integer", "fractions"),
        (column("BINARY_DOUBLE"), "real", "digits beyond 6"),
        (column("BINARY_DOUBLE"), "numeric(10,2)", "decimals beyond 2 and large numbers"),
        (column("VARCHAR2", length=100), "character varying(50)", "characters beyond 50"),
        (column("VARCHAR2", length=10), "character(10)", "trailing blanks"),
        (column("CHAR", length=10), "character(4)", "characters beyond 4"),
        (column("VARCHAR2", length=10), "integer", "everything of a text but a number"),
        (column("VARCHAR2", length=10), TIME, "everything of a text but a time"),
        (column("VARCHAR2", length=10), "bytea", "the text, which would be read as bytes"),
        (column("DATE"), "date", "the time of day"),
        (column("DATE"), "character varying(10)", "characters beyond 10"),
        (column("DATE"), "time without time zone", "the date"),
        (
            column("DATE"),
            "timestamp with time zone",
            "the wall-clock time, which would be read in the time zone of whoever loads it",
        ),
        (
            column("TIMESTAMP(6)", scale=6),
            "timestamp(0) without time zone",
            "fractions of a second beyond 0 digits",
        ),
        (column("TIMESTAMP(6)", scale=6), "date", "the time of day"),
        (column("TIMESTAMP(6) WITH TIME ZONE"), TIME, "the time zone"),
        (column("TIMESTAMP(6) WITH TIME ZONE"), "character varying(20)", "characters beyond 20"),
        (column("INTERVAL DAY(2) TO SECOND(6)"), "integer", "the interval"),
        (column("RAW", length=16), "text", "the bytes themselves"),
        (column("BLOB"), "text", "the bytes themselves"),
        (column("CLOB"), "character varying(4000)", "characters beyond 4000"),
        (column("CLOB"), "bytea", "the text, which would be read as bytes"),
        (column("CLOB"), "integer", "everything of a text but values of type integer"),
    ],
)
def test_hazard_23_what_is_lost_is_named(source: SourceColumn, target: str, lost: str) -> None:
    assert judge(source, target) == lost


@pytest.mark.parametrize("name", ["ROWID", "UROWID", "BFILE", "ANYDATA", "SDO_GEOMETRY"])
def test_types_that_dms_does_not_carry_are_lost_wherever_they_go(name: str) -> None:
    lost = judge(column(name), "text")
    assert lost is not None
    assert lost.startswith(f"every value, as {name} is not a type that DMS carries; list the column in ignored_source")


@pytest.mark.parametrize(
    ("source", "target", "words"),
    [
        (BARE, "numeric", "rounds NUMBER without a precision to 10 decimals"),
        (column("FLOAT", precision=126), "double precision", "8-byte float of 15 digits"),
        (column("TIMESTAMP(9)", scale=9), TIME, "rounds fractions of a second to microseconds"),
        (column("TIMESTAMP(6) WITH TIME ZONE"), "timestamp with time zone", "keeps the instant but not the zone"),
    ],
)
def test_what_is_changed_on_the_way_is_noted(source: SourceColumn, target: str, words: str) -> None:
    assert judge(source, target) is None
    assert words in str(note(source, target))


def test_nothing_is_noted_of_values_that_arrive_as_they_are() -> None:
    for source, target in (
        (number(10, 2), "numeric(10,2)"),
        (number(None, 0), "numeric"),
        (column("FLOAT", precision=24), "real"),
        (column("TIMESTAMP(6)", scale=6), TIME),
        (column("TIMESTAMP(9)", scale=9), "text"),
        (column("TIMESTAMP(6) WITH TIME ZONE"), "text"),
        (column("VARCHAR2", length=3), "text"),
    ):
        assert note(source, target) is None
