"""One body of tests for both databases: what the reader gives is the same on the stand-in and on a real Oracle."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any, get_args

import psycopg
import pytest
import sqlalchemy as sa
from psycopg import sql

from reload_assets.canonical.oracle_types import Kind
from reload_assets.canonical.postgres import TextRule, production_text
from reload_assets.local.oracle import OracleColumn, OracleTable, create_schema, create_table
from reload_assets.local.postgres import PostgresServer
from reload_assets.source.dictionary import named
from reload_assets.source.reader import SourceReader
from reload_assets_tests.unit.test_canonical_text_page import table as page_table

TABLE = OracleTable(
    "RELOAD_TEST",
    columns=[
        OracleColumn("ID", "NUMBER(38,0)", nullable=False),
        OracleColumn("CODE", "CHAR(5)", nullable=False),
        OracleColumn("PLAIN", "NUMBER"),
        OracleColumn("MONEY", "NUMBER(10,2)"),
        OracleColumn("ROUGH", "NUMBER(8,-2)"),
        OracleColumn("TAG", "RAW(4)"),
        OracleColumn("TITLE", "NVARCHAR2(40)"),
        OracleColumn("WORDS", "NVARCHAR2(2000)"),
        OracleColumn("DAY", "DATE"),
        OracleColumn("STAMP", "TIMESTAMP(6)"),
        OracleColumn("BODY", "CLOB"),
        OracleColumn("SCAN", "BLOB"),
    ],
    primary_key=["ID", "CODE"],
)
START, END = datetime(2025, 3, 1), datetime(2025, 3, 2)
LAST = datetime(2025, 3, 1, 23, 59, 59, 999999)
HUGE = Decimal("99999999999999999999999999999999999999")
FULL = {
    "ID": HUGE,
    "CODE": "ab",
    "PLAIN": Decimal("-0.0000000001"),
    "MONEY": Decimal("12.50"),
    "ROUGH": Decimal("1200"),
    "TAG": b"\x00\xff\x0a",
    "TITLE": "Größe 四角",
    # 5,700 bytes in UTF-8, and a character that UTF-16 writes in two halves where it is cut.
    "WORDS": "四" * 999 + "😀" + "角" * 900,
    "DAY": datetime(2025, 2, 28, 13, 14, 15),
    "STAMP": START,
    "BODY": "ä" * 70_000,
    "SCAN": b"\x00\xff" * 40_000,
}
EMPTY: dict[str, Any] = {**dict.fromkeys(FULL), "ID": Decimal(7), "CODE": "x", "STAMP": LAST}
OUTSIDE: dict[str, Any] = {**dict.fromkeys(FULL), "ID": Decimal(8), "CODE": "x", "STAMP": END}
_BINDS: dict[str, Any] = {
    **dict.fromkeys(("ID", "PLAIN", "MONEY", "ROUGH"), sa.Numeric()),
    "CODE": sa.CHAR(),
    "TAG": sa.LargeBinary(),
    "TITLE": sa.String().with_variant(sa.NVARCHAR(), "oracle"),
    "WORDS": sa.String().with_variant(sa.NVARCHAR(), "oracle"),
    "DAY": sa.DateTime(),
    "STAMP": sa.TIMESTAMP(),
    "BODY": sa.Text(),
    "SCAN": sa.LargeBinary(),
}


def insert(engine: sa.Engine, schema: str) -> None:
    table = sa.table(
        named(TABLE.name), *(sa.column(named(name), type_) for name, type_ in _BINDS.items()), schema=named(schema)
    )
    with engine.begin() as connection:
        for row in (FULL, EMPTY, OUTSIDE):
            connection.execute(sa.insert(table).values(row))


@pytest.fixture(params=["stand_in", pytest.param("oracle", marks=pytest.mark.oracle)])
def reader(request: pytest.FixtureRequest) -> Iterator[SourceReader]:
    """A reader of a schema with the test table filled: on the stand-in, or on the Oracle of RELOAD_TEST_ORACLE_URL.

    The URL's user must be allowed to create a table in its own schema.
    """
    if request.param == "stand_in":
        new_database: Callable[[str], str] = request.getfixturevalue("new_database")
        url = sa.make_url(new_database("canonical")).set(drivername="postgresql+psycopg")
        with psycopg.connect(url.set(drivername="postgresql").render_as_string(hide_password=False)) as connection:
            create_schema(connection, "SALES")
            create_table(connection, "SALES", TABLE)
        engine = sa.create_engine(url)
        insert(engine, "SALES")
        engine.dispose()
        with SourceReader(url, "SALES") as opened:
            yield opened
        return
    if "RELOAD_TEST_ORACLE_URL" not in os.environ:
        pytest.skip("needs a real Oracle: set RELOAD_TEST_ORACLE_URL")
    url = sa.make_url(os.environ["RELOAD_TEST_ORACLE_URL"])
    schema = (url.username or "").upper()
    engine = sa.create_engine(url)
    columns = ", ".join(f'"{c.name}" {c.type}{"" if c.nullable else " NOT NULL"}' for c in TABLE.columns)
    with engine.begin() as oracle:
        oracle.exec_driver_sql(f'CREATE TABLE "{TABLE.name}" ({columns}, PRIMARY KEY ("ID", "CODE"))')
    try:
        insert(engine, schema)
        with SourceReader(url, schema) as opened:
            yield opened
    finally:
        with engine.begin() as oracle:
            oracle.exec_driver_sql(f'DROP TABLE "{TABLE.name}" PURGE')
        engine.dispose()


def texts(reader: SourceReader, *columns: str) -> set[tuple[str | None, ...]]:
    *key, version = columns
    lists = reader.contents(TABLE.name, key, version, columns, "STAMP", [(START, END)])
    return {row[:-1] for rows in lists for row in rows}


def test_columns_are_declared_as_they_were_created(reader: SourceReader) -> None:
    reader.check()
    assert [(c.name, c.declared, c.nullable) for c in reader.columns(TABLE.name)] == [
        (column.name, column.type, column.nullable) for column in TABLE.columns
    ]
    assert ["ID", "CODE"] in reader.unique_keys(TABLE.name)


def test_hazard_03_a_window_is_half_open_to_the_microsecond(reader: SourceReader) -> None:
    assert reader.count(TABLE.name, "STAMP", START, END) == 2
    assert reader.count(TABLE.name, "STAMP", START, LAST) == 1
    assert reader.count(TABLE.name, "STAMP", LAST, END) == 1
    assert reader.count(TABLE.name, "STAMP", END, datetime(2025, 3, 3)) == 1
    assert reader.count(TABLE.name, "STAMP", END, END) == 0


def test_a_window_of_a_date_column_takes_fractions_of_seconds_as_they_are(reader: SourceReader) -> None:
    day = datetime(2025, 2, 28, 13, 14, 15)
    assert reader.count(TABLE.name, "DAY", day, day.replace(second=16)) == 1
    assert reader.count(TABLE.name, "DAY", day.replace(microsecond=1), day.replace(second=16)) == 0
    assert reader.count(TABLE.name, "DAY", day.replace(second=14), day) == 0
    assert reader.count(TABLE.name, "DAY", day.replace(second=14), day.replace(microsecond=1)) == 1


def test_hazard_22_values_have_one_canonical_text(reader: SourceReader) -> None:
    assert texts(reader, "ID", "CODE", "PLAIN", "MONEY", "ROUGH", "TAG", "TITLE", "DAY", "STAMP") == {
        (
            "99999999999999999999999999999999999999",
            "ab",
            "-0.0000000001",
            "12.5",
            "1200",
            "00ff0a",
            "Größe 四角",
            "2025-02-28 13:14:15.000000",
            "2025-03-01 00:00:00.000000",
        ),
        ("7", "x", None, None, None, None, None, None, "2025-03-01 23:59:59.999999"),
    }


def test_rows_are_found_by_the_values_of_keys_and_by_their_text(reader: SourceReader) -> None:
    for key in ([HUGE, "ab   "], [int(HUGE), "ab"], [str(HUGE), "ab"]):
        ((number, code, body),) = reader.rows_as_text(TABLE.name, ["ID", "CODE", "BODY"], ["ID", "CODE"], [key])
        assert (number, code, body) == (str(HUGE), "ab", FULL["BODY"])
    assert list(reader.rows_as_text(TABLE.name, ["ID"], ["CODE"], [["ab"]])) == [(str(HUGE),)]
    assert list(reader.rows_as_text(TABLE.name, ["ID"], ["TITLE"], [["Größe 四角"]])) == [(str(HUGE),)]
    assert list(reader.rows_as_text(TABLE.name, ["ID"], ["TAG"], [["00ff0a"]])) == [(str(HUGE),)]
    assert list(reader.rows_as_text(TABLE.name, ["ID"], ["STAMP"], [[LAST]])) == [("7",)]
    assert list(reader.rows_as_text(TABLE.name, ["ID"], ["DAY"], [["2025-02-28 13:14:15.000000"]])) == [(str(HUGE),)]
    assert list(reader.rows_as_text(TABLE.name, ["ID"], ["ID", "CODE"], [[9, "x"], [7, "y"]])) == []


def test_the_examples_of_the_page_are_what_the_rules_give(postgres: PostgresServer) -> None:
    kinds: dict[str, Kind] = {kind: kind for kind in get_args(Kind)}
    with psycopg.connect(postgres.url()) as connection:
        for kind, value, text in page_table("Examples"):
            rule = production_text("p", "x", TextRule(kinds[kind]))
            query = sql.SQL("SELECT {} FROM (SELECT {}) AS p (x)").format(rule, sql.SQL(value.strip("`")))
            assert connection.execute(query).fetchone() == (None if text == "NULL" else text.strip("`"),), value


def test_hazard_25_times_before_christ_have_a_text_of_their_own_that_is_read_back(postgres: PostgresServer) -> None:
    with psycopg.connect(postgres.url()) as connection:
        for value in ("0044-03-15 12:00:00.999999 BC", "0044-03-15 12:00:00.999999", "infinity"):
            query = sql.SQL("SELECT {0}, ({0})::timestamp = x FROM (SELECT {1}::timestamp) AS p (x)").format(
                production_text("p", "x", TextRule("timestamp")), sql.Literal(value)
            )
            assert connection.execute(query).fetchone() == (value, True)


def test_the_content_of_rows_is_the_same_on_both_databases(reader: SourceReader) -> None:
    columns = ["ID", "CODE", "PLAIN", "MONEY", "ROUGH", "TAG", "TITLE", "DAY", "STAMP"]
    full, empty = (
        hashlib.md5(text.encode()).hexdigest()
        for text in (
            "99999999999999999999999999999999999999|-0.0000000001|12.5|1200|00ff0a|2025-02-28 13:14:15.000000|"
            "2025-03-01 00:00:00.000000|ab|Größe 四角",
            "7||||||2025-03-01 23:59:59.999999|x|",
        )
    )
    lists = reader.contents(TABLE.name, ["ID"], "STAMP", columns, "STAMP", [(START, END)])
    assert {row[0]: row[-1] for rows in lists for row in rows} == {str(HUGE): full, "7": empty}
    assert {row[0]: row[-1] for row in reader.contents_by_key(TABLE.name, ["ID"], "STAMP", columns, [["7"]])} == {
        "7": empty
    }
    sums = [int(digits[:15], 16) for digits in (full, empty)]
    assert sorted(reader.segments(TABLE.name, columns, "STAMP", START, END, 13)) == [
        ("2025-03-01 00", 1, str(sums[0])),
        ("2025-03-01 23", 1, str(sums[1])),
    ]
    assert list(reader.segments(TABLE.name, columns, "STAMP", START, END, 10)) == [("2025-03-01", 2, str(sum(sums)))]


def test_a_long_national_text_is_hashed_in_parts_on_both_databases(reader: SourceReader) -> None:
    words = str(FULL["WORDS"])
    parts = "|".join(hashlib.md5(part.encode()).hexdigest() for part in (words[:1000], words[1000:]))
    (row,) = reader.contents_by_key(TABLE.name, ["ID"], "STAMP", ["WORDS"], [[str(HUGE)]])
    assert row[-1] == hashlib.md5(parts.encode()).hexdigest()
