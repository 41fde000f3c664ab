"""The stand-in's CDC task delivers names and values as a full load does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from psycopg import sql

from reload_assets.local.dms.catalog import SourceColumn
from reload_assets.local.oracle import OracleColumn, OracleTable, create_schema, create_table, log_all_columns
from reload_assets.local.postgres import PostgresServer
from reload_assets_tests.integration.standin_bench import Bench, mapping, selection, transformation
from reload_assets_tests.integration.standin_cdc_bench import RULES, CdcBench, opened, prepare, quick

pytestmark = pytest.mark.thorough

MakeCdc = Callable[..., CdcBench]


@pytest.fixture(scope="module")
def connection(postgres: PostgresServer) -> Iterator[psycopg.Connection]:
    with psycopg.connect(postgres.url(), autocommit=True) as made:
        yield made


@pytest.fixture
def cdc_bench(databases: tuple[str, str]) -> Iterator[Bench]:
    prepare(databases)
    with quick() as dms, opened(dms, databases) as made:
        yield made


@pytest.fixture
def make_cdc(cdc_bench: Bench) -> Iterator[MakeCdc]:
    """Makes a task over ITEMS and more tables, not started."""
    made: list[CdcBench] = []

    def make(*tables: str, **options: Any) -> CdcBench:
        made.append(CdcBench(cdc_bench, *tables, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_names_are_mapped_as_for_a_load(cdc_bench: Bench) -> None:
    rules = mapping(
        selection(1, "ITEMS"),
        transformation(2, "schema", "rename", value="production"),
        transformation(3, "table", "rename", table="ITEMS", value="things"),
        transformation(4, "column", "rename", column="AMOUNT", value="total"),
        transformation(5, "column", "convert-lowercase"),
        transformation(6, "column", "remove-column", column="NOTE"),
        transformation(7, "column", "add-column", value="origin", expression="'dms'", data_type={"type": "string"}),
    )
    status = {"ControlTablesSettings": {"ControlSchema": "dmslogs", "StatusTableEnabled": True}}
    cdc_bench.rows("CREATE TABLE production.things (item_id integer PRIMARY KEY, total float, code text, origin text)")
    arn = cdc_bench.create(rules, status, MigrationType="cdc")
    cdc_bench.start(arn)
    cdc_bench.wait(arn, "running")
    cdc_bench.rows("""INSERT INTO "SALES"."ITEMS" VALUES (1, 1, 'n', 'c'), (2, 2, 'n', NULL)""", on_source=True)
    cdc_bench.rows("""UPDATE "SALES"."ITEMS" SET "AMOUNT" = 3, "ITEM_ID" = 4 WHERE "ITEM_ID" = 2""", on_source=True)
    deadline = time.monotonic() + 10
    expected = [(1, 1.0, "c", "dms"), (4, 3.0, None, "dms")]
    while cdc_bench.rows("SELECT * FROM production.things ORDER BY 1") != expected:
        assert time.monotonic() < deadline
        time.sleep(0.01)


VALUES = OracleTable(
    "VALUES",
    columns=[
        OracleColumn("ID", "NUMBER(10)", nullable=False),
        OracleColumn("BARE", "NUMBER"),
        OracleColumn("FIXED", "CHAR(6)"),
        OracleColumn("NAME", "VARCHAR2(20)"),
        OracleColumn("DAY", "DATE"),
        OracleColumn("STAMP", "TIMESTAMP(6)"),
        OracleColumn("ZONED", "TIMESTAMP(6) WITH TIME ZONE"),
        OracleColumn("REAL8", "BINARY_DOUBLE"),
        OracleColumn("DIGEST", "RAW(8)"),
        OracleColumn("BODY", "CLOB"),
        OracleColumn("SCAN", "BLOB"),
    ],
    primary_key=["ID"],
)
ROWS = r"""
INSERT INTO "SALES"."VALUES" VALUES
(1, 1.12345678905, 'ab', E'tab\tquote''"\\', '2025-01-01 10:00', '2025-01-01 10:00:00.123456',
    '2025-01-01 12:00+02', 0.1, '\x00ff', '', '\x'),
(2, -0.00000000001, '', NULL, NULL, 'infinity', NULL, 'NaN', '\x', repeat('é', 600), decode(repeat('ab', 1100), 'hex')),
(3, 1234567890123456789.5, '      ', ' ', NULL, '0044-03-15 BC', NULL, 1e300, NULL, repeat('x', 5000), NULL),
(4, 'NaN', NULL, 'ünï', NULL, NULL, NULL, NULL, NULL, NULL, NULL)
"""


def test_changes_bring_the_values_that_a_full_load_brings(make_cdc: MakeCdc) -> None:
    cdc = make_cdc("VALUES")
    with psycopg.connect(cdc.bench.source_url) as source:
        create_schema(source, "SALES")
        create_table(source, "SALES", VALUES)
    cdc.start()
    cdc.apply(ROWS)
    read = "SELECT t::text FROM {} AS t ORDER BY id"
    loaded = cdc.bench.run(
        mapping(
            selection(1, "VALUES"),
            transformation(2, "table", "rename", table="VALUES", value="loaded"),
            *RULES,
        )
    )
    assert loaded["ReplicationTaskStats"]["TablesErrored"] == 0
    by_load = cdc.ask(read.format("production.loaded"))
    assert len(by_load) == 4
    assert cdc.ask(read.format("production.values")) == by_load
    cdc.apply("""UPDATE "SALES"."VALUES" SET "FIXED" = '', "BARE" = 2.00, "BODY" = 'b', "SCAN" = '' WHERE "ID" = 1""")
    row = cdc.ask("SELECT fixed, bare, body, scan FROM production.values WHERE id = 1")
    assert row == [(None, Decimal(2), "b", None)]
    assert str(row[0][1]) == "2.0000000000", "the type of a table that the task made itself"


def test_a_table_without_a_key_is_found_by_its_whole_row(make_cdc: MakeCdc) -> None:
    cdc = make_cdc("KEYLESS")
    table = OracleTable("KEYLESS", [OracleColumn("A", "NUMBER"), OracleColumn("B", "VARCHAR2(9)")])
    with psycopg.connect(cdc.bench.source_url) as source:
        create_schema(source, "SALES")
        create_table(source, "SALES", table)
    cdc.start()
    cdc.write("""INSERT INTO "SALES"."KEYLESS" VALUES (1, 'x'), (1, NULL), (2, NULL)""")
    cdc.apply("""UPDATE "SALES"."KEYLESS" SET "A" = 3 WHERE "A" = 1 AND "B" IS NULL""")
    cdc.apply("""DELETE FROM "SALES"."KEYLESS" WHERE "A" = 2""")
    assert cdc.ask("SELECT a, b FROM production.keyless ORDER BY a") == [(1, "x"), (3, None)]


def test_an_update_leaves_a_long_value_alone_that_the_log_does_not_carry(make_cdc: MakeCdc) -> None:
    cdc = make_cdc("DOCS")
    cdc.write(
        """CREATE TABLE "SALES"."DOCS" ("ID" integer PRIMARY KEY, "TITLE" varchar(20), "BODY" text)""",
        """ALTER TABLE "SALES"."DOCS" ALTER "BODY" SET STORAGE EXTERNAL""",
        """COMMENT ON COLUMN "SALES"."DOCS"."BODY" IS 'CLOB'""",
    )
    cdc.start()
    cdc.apply("""INSERT INTO "SALES"."DOCS" VALUES (1, 'a', repeat('x', 9000))""")
    cdc.ask("UPDATE production.docs SET body = 'kept'")
    cdc.apply("""UPDATE "SALES"."DOCS" SET "TITLE" = 'b'""")
    assert cdc.ask("SELECT title, body FROM production.docs") == [("b", "kept")]
    cdc.apply("""UPDATE "SALES"."DOCS" SET "BODY" = repeat('y', 9000)""")
    assert cdc.ask("SELECT title, left(body, 3), length(body) FROM production.docs") == [("b", "yyy", 9000)]


@pytest.mark.parametrize(
    ("pg_type", "oracle_type", "texts"),
    [
        (
            "numeric",
            "NUMBER",
            ["0", "-0.00000000004", "0.00000000005", "1.10", "1e20", "-7.00000000015", "NaN", "1000"],
        ),
        ("numeric(12,2)", "NUMBER(12,2)", ["1.50", "0.00", "-3"]),
        ("character(6)", "CHAR(6)", ["", "ab", "  a b ", "      "]),
        ("character(6)", "", ["", "ab", "      "]),
        ("character varying(9)", "VARCHAR2(9)", ["", " ", "a "]),
        ("text", "CLOB", ["", " ", "abcdefgh", "abcdefgé", "abcdeé€x", "😀😀😀", "é" * 9]),
        ("bytea", "BLOB", ["", r"\x00", r"\x" + "ab" * 9]),
        ("bytea", "RAW(9)", ["", r"\x00", r"\x" + "ab" * 9]),
        ("text", "ROWID", ["AAA"]),
        ("timestamp without time zone", "TIMESTAMP(6)", ["2025-01-01 00:00:00.1", "infinity"]),
    ],
)
@pytest.mark.parametrize("limit", [None, 8, 5])
def test_a_value_of_the_log_is_what_a_load_selects(
    connection: psycopg.Connection, pg_type: str, oracle_type: str, texts: list[str], limit: int | None
) -> None:
    column = SourceColumn("C", pg_type, oracle_type, False)
    for text in texts:
        query = sql.SQL('SELECT "C"::text, ({})::text FROM (SELECT {}::{} AS "C") AS t').format(
            column.value(limit), sql.Literal(text), sql.SQL(pg_type)
        )
        row = connection.execute(query).fetchone()
        assert row is not None
        assert column.delivered(row[0], limit) == row[1], text


PARTS = OracleTable(
    "PARTS",
    columns=[
        OracleColumn("ID", "NUMBER(10)", nullable=False),
        OracleColumn("NAME", "VARCHAR2(20)"),
        OracleColumn("PRICE", "NUMBER(10)"),
        OracleColumn("BODY", "CLOB"),
        OracleColumn("SCAN", "BLOB"),
    ],
    primary_key=["ID"],
)


@pytest.mark.parametrize("all_columns", [False, True])
def test_an_update_carries_what_supplemental_logging_logs(make_cdc: MakeCdc, *, all_columns: bool) -> None:
    """Production's row was altered before, so that each column that travels shows."""
    cdc = make_cdc("PARTS")
    with psycopg.connect(cdc.bench.source_url) as source:
        create_schema(source, "SALES")
        create_table(source, "SALES", replace(PARTS, logs_all_columns=all_columns))
    cdc.start()

    def arrives(change: str, row: tuple[Any, ...]) -> None:
        cdc.ask("DELETE FROM production.parts")
        cdc.ask("INSERT INTO production.parts VALUES (1, 'theirs', -1, 'theirs', 'theirs')")
        cdc.apply(f"""UPDATE "SALES"."PARTS" SET {change} WHERE "ID" IN (1, 2)""")
        assert cdc.ask("SELECT id, name, price, body, scan FROM production.parts") == [row]
        assert cdc.exceptions() == []

    cdc.apply("""INSERT INTO "SALES"."PARTS" VALUES (1, 'a', 5, 'b', 'c')""")
    assert cdc.ask("SELECT id, name, price, body, scan FROM production.parts") == [(1, "a", 5, "b", b"c")]
    name = "a" if all_columns else "theirs"
    price = 5 if all_columns else -1
    arrives(""" "PRICE" = 6""", (1, name, 6, "theirs", b"theirs"))
    arrives(""" "BODY" = 'x', "PRICE" = 5""", (1, name, 5, "x", b"theirs"))
    arrives(""" "SCAN" = NULL""", (1, name, price, "theirs", None))
    # Nothing but the key travels where nothing changed.
    arrives(""" "NAME" = "NAME" """, (1, name, price, "theirs", b"theirs"))
    arrives(""" "ID" = 2""", (2, name, price, "theirs", b"theirs"))


def test_an_update_that_becomes_an_insert_brings_lobs_but_no_column_that_is_not_logged(make_cdc: MakeCdc) -> None:
    cdc = make_cdc("PARTS", policies={"ApplyErrorUpdatePolicy": "UPDATE_RECORD"})
    with psycopg.connect(cdc.bench.source_url) as source:
        create_schema(source, "SALES")
        create_table(source, "SALES", PARTS)
    cdc.start()
    cdc.apply("""INSERT INTO "SALES"."PARTS" VALUES (1, 'a', 5, 'b', 'c')""")
    cdc.ask("DELETE FROM production.parts")
    cdc.apply("""UPDATE "SALES"."PARTS" SET "PRICE" = 6""")
    assert cdc.ask("SELECT id, name, price, body, scan FROM production.parts") == [(1, None, 6, "b", b"c")]


def test_the_dictionary_tells_what_is_logged(cdc_bench: Bench) -> None:
    with psycopg.connect(cdc_bench.source_url) as source:
        create_schema(source, "SALES")
        create_table(source, "SALES", PARTS)
        query = """SELECT "LOG_GROUP_TYPE" FROM "ALL_LOG_GROUPS" WHERE "OWNER" = 'SALES' AND "TABLE_NAME" = 'PARTS'"""
        assert source.execute(query).fetchall() == [("PRIMARY KEY LOGGING",)]
        log_all_columns(source, "SALES", "PARTS")
        assert source.execute(query).fetchall() == [("ALL COLUMN LOGGING",)]
