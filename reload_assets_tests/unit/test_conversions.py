"""What becomes of the source's values in production's types, pair by pair: kept, refused or changed."""

from __future__ import annotations

import pytest

from reload_assets.canonical.oracle_types import SourceColumn
from reload_assets.conversions.rules import Conversion, convert


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
        (number(10, 0), "character varying(11)"),
        (number(10, 2), "character varying(13)"),
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
        (column("LONG"), "character varying"),
    ],
)
def test_every_value_is_kept(source: SourceColumn, target: str) -> None:
    found = convert(source, target)
    assert (found.lost, found.loss, found.refused) == ((), None, None)


@pytest.mark.parametrize(
    ("source", "target", "refused"),
    [
        (number(5, 0), "smallint", "numbers beyond 32767"),
        (number(10, 0), "integer", "numbers beyond 2147483647"),
        (number(19, 0), "bigint", "numbers beyond 9223372036854775807"),
        (number(8, -2), "integer", "numbers beyond 2147483647"),
        (number(None, 0), "bigint", "numbers beyond 9223372036854775807"),
        (BARE, "bigint", "fractions and numbers beyond 9223372036854775807"),
        (number(1, 0), "boolean", "numbers other than 0 and 1"),
        (number(12, 2), "numeric(10,2)", "numbers of more than 8 digits before the point"),
        (number(10, 0), "numeric(10,2)", "numbers of more than 8 digits before the point"),
        (BARE, "numeric(30,10)", "numbers of more than 20 digits before the point"),
        (number(10, 0), "character varying(10)", "texts of more than 10 characters"),
        (number(2, 5), "character varying(7)", "texts of more than 7 characters"),
        (BARE, "character varying(20)", "texts of more than 20 characters"),
        (column("VARCHAR2", length=4000), "character varying(1000)", "texts of more than 1000 characters"),
        (column("CHAR", length=10), "character(4)", "texts of more than 4 characters"),
        (column("CLOB"), "character varying(4000)", "texts of more than 4000 characters"),
        (column("VARCHAR2", length=36), "uuid", "texts that uuid cannot read"),
        (column("VARCHAR2", length=40), "inet", "texts that inet cannot read"),
        (column("VARCHAR2", length=10), "production.mood", "texts that production.mood cannot read"),
        (column("CHAR", length=1), "boolean", "texts that boolean cannot read"),
        (column("CLOB"), "jsonb", "texts that jsonb cannot read"),
        (column("XMLTYPE"), "xml", "texts that xml cannot read"),
        (column("VARCHAR2", length=80), "name", "texts of more than 63 bytes"),
        (number(10, 2), "money", "amounts that are too large for it"),
        (column("RAW", length=16), "uuid", "values of fewer than 16 bytes"),
        (column("DATE"), "character varying(10)", "texts of more than 10 characters"),
        (column("TIMESTAMP(6) WITH TIME ZONE"), "character varying(20)", "texts of more than 20 characters"),
    ],
)
def test_what_postgresql_refuses_is_named_and_needs_no_consent(source: SourceColumn, target: str, refused: str) -> None:
    found = convert(source, target)
    assert (found.lost, found.loss, found.refused) == ((), None, refused)


@pytest.mark.parametrize(
    ("source", "target", "lost", "loss"),
    [
        (number(12, 4), "numeric(10,2)", "decimals", "decimals beyond 2"),
        (BARE, "numeric(10,2)", "decimals", "decimals beyond 2"),
        (number(10, 2), "bigint", "decimals", "fractions"),
        (column("FLOAT", precision=126), "integer", "decimals", "fractions"),
        (column("BINARY_DOUBLE"), "numeric(10,2)", "decimals", "decimals beyond 2"),
        (number(16, 0), "double precision", "digits", "digits beyond 15"),
        (BARE, "double precision", "digits", "digits beyond 15"),
        (column("FLOAT", precision=126), "real", "digits", "digits beyond 6"),
        (column("BINARY_DOUBLE"), "real", "digits", "digits beyond 6"),
        (column("VARCHAR2", length=10), "character(10)", "trailing blanks", "trailing blanks"),
        (column("VARCHAR2", length=10), "integer", "spelling", "the spelling of a number, such as leading zeros"),
        (column("VARCHAR2", length=10), TIME, "spelling", "the spelling of a time"),
        (column("DATE"), "date", "time of day", "the time of day"),
        (column("TIMESTAMP(6)", scale=6), "date", "time of day", "the time of day"),
        (column("DATE"), "time without time zone", "date", "the date"),
        (
            column("DATE"),
            "timestamp with time zone",
            "time zone",
            "the wall-clock time as it stands in the source; accepted, it is read as a time of source.time_zone",
        ),
        (
            column("TIMESTAMP(6)", scale=6),
            "timestamp(0) without time zone",
            "fractions",
            "fractions of a second beyond 0 digits",
        ),
        (column("TIMESTAMP(6) WITH TIME ZONE"), TIME, "time zone", "the time zone"),
        (
            column("TIMESTAMP(6) WITH TIME ZONE"),
            "timestamp(3) without time zone",
            "time zone and fractions",
            "fractions of a second beyond 3 digits and the time zone",
        ),
        (
            column("TIMESTAMP(6) WITH TIME ZONE"),
            "timestamp(0) with time zone",
            "fractions",
            "fractions of a second beyond 0 digits",
        ),
        (
            column("TIMESTAMP(3)", scale=3),
            "time(0) without time zone",
            "date and fractions",
            "fractions of a second beyond 0 digits and the date",
        ),
        (column("INTERVAL DAY(2) TO SECOND(6)"), "interval(3)", "fractions", "fractions of a second beyond 3 digits"),
        (number(12, 4), "money", "decimals", "decimals beyond 2"),
    ],
)
def test_hazard_23_what_is_changed_without_notice_is_named(
    source: SourceColumn, target: str, lost: str, loss: str
) -> None:
    found = convert(source, target)
    assert (found.lost, found.loss) == (tuple(lost.split(" and ")), loss)


@pytest.mark.parametrize(
    ("source", "target", "loss"),
    [
        (number(5, 0), TIME, "the number, which is not converted into timestamp without time zone"),
        (column("VARCHAR2", length=10), "bytea", "the text, which would be read as bytes"),
        (column("INTERVAL DAY(2) TO SECOND(6)"), "integer", "the interval, which is not converted into integer"),
        (column("RAW", length=16), "text", "the bytes themselves"),
        (column("RAW", length=20), "uuid", "the bytes themselves"),
        (column("BLOB"), "text", "the bytes themselves"),
        (column("CLOB"), "bytea", "the text, which would be read as bytes"),
        (column("CLOB"), "integer", "everything of a text but values of type integer"),
    ],
)
def test_what_nobody_can_accept_is_named(source: SourceColumn, target: str, loss: str) -> None:
    found = convert(source, target)
    assert (found.lost, found.loss) == ((), loss)


@pytest.mark.parametrize("name", ["ROWID", "UROWID", "BFILE", "ANYDATA", "SDO_GEOMETRY"])
def test_types_that_dms_does_not_carry_are_lost_wherever_they_go(name: str) -> None:
    why = f"every value, as {name} is not a type that DMS carries; list it in ignored_source_columns"
    assert convert(column(name), "text") == Conversion(loss=why)


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
    found = convert(source, target)
    assert found.loss is None
    assert words in str(found.note)


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
        assert convert(source, target).note is None
