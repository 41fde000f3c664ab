"""The source reader on the stand-in: what is there, what is not, and what is said then."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy import event

from reload_assets.errors import SourceUnavailable
from reload_assets.errors.source import SourceNameUnknown, SourceUnreachable, SourceUnreadable
from reload_assets.local import sales
from reload_assets.local.oracle import OracleColumn, OracleForeignKey, OracleTable, create_schema, create_table
from reload_assets.local.postgres import PostgresServer, free_port
from reload_assets.source.reader import SourceReader, source_url
from reload_assets_tests.integration.throwaway import throwaway_database

DAY = datetime(2025, 1, 2)
WINDOW = (DAY, DAY + timedelta(days=1))


@pytest.fixture(scope="module")
def source(postgres: PostgresServer) -> Iterator[tuple[psycopg.Connection, sa.URL]]:
    """An open connection to a seeded source, and the reader's URL of it; shared by this module's tests."""
    with throwaway_database(postgres, "source") as url, psycopg.connect(url, autocommit=True) as connection:
        sales.create_source(connection)
        sales.seed(connection, first=date(2025, 1, 1), days=2, customers_per_day=20, orders_per_day=1300, seed=1)
        yield connection, sa.make_url(url)


def test_the_reference_tables_are_described(source: tuple[psycopg.Connection, sa.URL]) -> None:
    with SourceReader(source[1], "SALES") as reader:
        for table in sales.TABLES:
            assert [column.name for column in reader.columns(table.name)] == table.column_names
            assert table.primary_key in reader.unique_keys(table.name)
        declared = {column.name: column.declared for column in reader.columns("DOCUMENTS")}
    assert declared == {
        "DOCUMENT_ID": "NUMBER(12,0)",
        "CUSTOMER_ID": "NUMBER(10,0)",
        "TOTAL": "NUMBER",
        "SERIAL_NO": "NUMBER(38,0)",
        "ISSUED_ON": "DATE",
        "SIGNED_AT": "TIMESTAMP(6)",
        "CODE": "CHAR(10)",
        "TITLE": "NVARCHAR2(200)",
        "DIGEST": "RAW(16)",
        "BODY": "CLOB",
        "SCAN": "BLOB",
        "UPDATED_AT": "TIMESTAMP(6)",
    }


def test_virtual_and_hidden_columns_are_left_out(new_database: Callable[[str], str]) -> None:
    table = OracleTable(
        "Mixed Case",
        columns=[
            OracleColumn("ID", "NUMBER(*,0)"),
            OracleColumn("SECRET", "NUMBER(3,1)", invisible=True),
            OracleColumn("DOUBLED", "NUMBER", virtual='"ID" * 2'),
            OracleColumn("order", "VARCHAR2(10 CHAR)", nullable=False),
        ],
    )
    url = new_database("hidden")
    with psycopg.connect(url) as connection:
        create_schema(connection, "SALES")
        create_table(connection, "SALES", table)
        connection.execute("""INSERT INTO "SALES"."Mixed Case" ("ID", "order") VALUES (1, 'x')""")
        connection.commit()
    with SourceReader(sa.make_url(url), "SALES") as reader:
        described = reader.columns("Mixed Case")
        assert [(c.name, c.declared, c.nullable, c.position) for c in described] == [
            ("ID", "NUMBER(*,0)", True, 1),
            ("order", "VARCHAR2(10)", False, 3),
        ]
        assert reader.unique_keys("Mixed Case") == []
        assert list(reader.rows_as_text("Mixed Case", ["order"], ["ID"], [[1]])) == [("x",)]
        with pytest.raises(SourceNameUnknown, match="'DOUBLED'"):
            list(reader.rows_as_text("Mixed Case", ["DOUBLED"], ["ID"], [[1]]))


def test_thousands_of_keys_are_looked_up_within_the_limits_of_a_list(
    source: tuple[psycopg.Connection, sa.URL],
) -> None:
    connection, url = source
    ids = [row[0] for row in connection.execute('SELECT "ORDER_ID" FROM "SALES"."ORDERS"')]
    lists: list[int] = []
    with SourceReader(url, "SALES") as reader:

        @event.listens_for(reader._engine, "before_cursor_execute")
        def note(_c: object, _cursor: object, statement: str, *_rest: object) -> None:
            if "IN (" in statement:
                lists.append(statement.count("%("))

        found = list(reader.rows_as_text("ORDERS", ["ORDER_ID"], ["ORDER_ID"], [[i] for i in ids], batch=100_000))
        assert {row[0] for row in found} == {str(number) for number in ids}
        assert lists == [1000, 1000, 600]
        lists.clear()
        rows = connection.execute('SELECT "ORDER_ID", "LINE_NO" FROM "SALES"."ORDER_ITEMS" LIMIT 1100').fetchall()
        lines = reader.rows_as_text("ORDER_ITEMS", ["ORDER_ID", "LINE_NO"], ["ORDER_ID", "LINE_NO"], rows)
        assert set(lines) == {(str(order), str(line)) for order, line in rows}
        assert lists == [1000, 1000, 200]
        assert list(reader.rows_as_text("ORDERS", ["ORDER_ID"], ["ORDER_ID"], [])) == []


def test_contents_are_streamed_in_lists(source: tuple[psycopg.Connection, sa.URL]) -> None:
    connection, url = source
    with SourceReader(url, "SALES") as reader:
        lists = list(
            reader.contents("ORDERS", ["ORDER_ID"], "UPDATED_AT", ["ORDER_ID"], "UPDATED_AT", [WINDOW], batch=500)
        )
        assert reader.count("ORDERS", "UPDATED_AT", *WINDOW) == 1300
    assert [len(rows) for rows in lists] == [500, 500, 300]
    expected = connection.execute(
        """SELECT "ORDER_ID"::text, to_char("UPDATED_AT", 'YYYY-MM-DD HH24:MI:SS.US'), md5("ORDER_ID"::text)
        FROM "SALES"."ORDERS"
        WHERE "UPDATED_AT" >= %s AND "UPDATED_AT" < %s""",
        WINDOW,
    ).fetchall()
    assert sorted(row for rows in lists for row in rows) == sorted(expected)


def test_a_reader_that_is_left_in_the_middle_of_a_stream_keeps_no_connection(
    source: tuple[psycopg.Connection, sa.URL],
) -> None:
    connection, url = source
    with SourceReader(url, "SALES") as reader:
        stream = reader.contents("ORDERS", ["ORDER_ID"], "UPDATED_AT", ["ORDER_ID"], "UPDATED_AT", [WINDOW], batch=10)
        assert len(next(stream)) == 10
        # Other questions are answered meanwhile.
        assert reader.count("ORDERS", "UPDATED_AT", *WINDOW) == 1300
        del stream
    # A server process ends a moment after its client has hung up.
    others = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
        "AND backend_type = 'client backend'"
    )
    deadline = time.monotonic() + 10
    while connection.execute(others).fetchone() != (0,):
        assert time.monotonic() < deadline, "a connection was left open"
        time.sleep(0.02)


def test_what_is_not_there_is_named_with_what_was_meant(source: tuple[psycopg.Connection, sa.URL]) -> None:
    url = source[1]
    place = f"The source postgresql 127.0.0.1:{url.port}/{url.database} as user postgres"
    with SourceReader(url, "SALES") as reader:
        with pytest.raises(SourceUnavailable) as failure:
            reader.columns("orders")
        assert failure.value.sentence == (
            f"{place} has no table SALES.orders that this user may read (did you mean 'ORDERS'?); create it, run "
            'GRANT SELECT ON "SALES"."orders" TO postgres, or fix the name.'
        )
        with pytest.raises(SourceNameUnknown, match=r"has no table SALES\.ODERS that .*did you mean 'ORDERS'"):
            reader.count("ODERS", "UPDATED_AT", *WINDOW)
        with pytest.raises(SourceNameUnknown, match=r"SALES\.ORDERS has no column 'UPDATD_AT' .*'UPDATED_AT'"):
            reader.count("ORDERS", "UPDATD_AT", *WINDOW)
    with SourceReader(url, "sales") as reader:
        with pytest.raises(SourceUnavailable) as failure:
            reader.check()
        assert failure.value.sentence == (
            f"{place} has no schema 'sales' (did you mean 'SALES'?); fix the name, which Oracle keeps in upper case."
        )


def test_a_table_that_the_login_may_not_read_is_not_there(
    source: tuple[psycopg.Connection, sa.URL], postgres: PostgresServer
) -> None:
    connection, url = source
    connection.execute("CREATE ROLE source_reader LOGIN PASSWORD 'pw-source_reader'")
    connection.execute('GRANT USAGE ON SCHEMA "SALES" TO source_reader')
    connection.execute('GRANT SELECT ON "SALES"."ORDERS" TO source_reader')
    try:
        with SourceReader(url.set(username="source_reader", password="pw-source_reader"), "SALES") as reader:
            reader.check()
            assert reader.count("ORDERS", "UPDATED_AT", *WINDOW) == 1300
            with pytest.raises(SourceNameUnknown, match=r"has no table SALES\.CUSTOMERS that this user may read"):
                reader.count("CUSTOMERS", "UPDATED_AT", *WINDOW)
    finally:
        connection.execute("DROP OWNED BY source_reader")
        connection.execute("DROP ROLE source_reader")


def test_a_column_that_disappears_is_reported_in_one_sentence(new_database: Callable[[str], str]) -> None:
    url = new_database("disappearing")
    with psycopg.connect(url, autocommit=True) as connection:
        sales.create_source(connection)
        with SourceReader(sa.make_url(url), "SALES") as reader:
            reader.columns("ORDERS")
            connection.execute('ALTER TABLE "SALES"."ORDERS" DROP COLUMN "AMOUNT"')
            with pytest.raises(SourceUnreadable, match=r"could not be read .*AMOUNT does not exist") as failure:
                list(reader.rows_as_text("ORDERS", ["AMOUNT"], ["ORDER_ID"], [[4711]]))
    # Neither the statement's values nor SQLAlchemy's links.
    assert "4711" not in str(failure.value)
    assert "sqlalche.me" not in str(failure.value)


def test_a_wrong_password_is_refused_without_being_told(postgres: PostgresServer) -> None:
    url = source_url(
        "postgresql", host="127.0.0.1", port=postgres.port, database="postgres", user="postgres", password="wr0ng/pass"
    )
    with SourceReader(url, "SALES") as reader, pytest.raises(SourceUnavailable) as failure:
        reader.check()
    sentence = failure.value.sentence
    assert sentence.startswith(
        f"The source postgresql 127.0.0.1:{postgres.port}/postgres as user postgres cannot be reached ("
    )
    assert "password authentication failed" in sentence
    assert sentence.endswith("; check the address, the login and its password.")
    assert "wr0ng" not in sentence
    assert failure.value.__suppress_context__


def test_a_server_that_is_down_is_told() -> None:
    closed = source_url(
        "postgresql", host="127.0.0.1", port=free_port(), database="sales", user="reader", password="pw"
    )
    with (
        SourceReader(closed, "SALES") as reader,
        pytest.raises(SourceUnreachable, match=r"cannot be reached \(.*refused"),
    ):
        reader.check()


def test_a_connection_that_the_server_ended_is_replaced(source: tuple[psycopg.Connection, sa.URL]) -> None:
    connection, url = source
    with SourceReader(url, "SALES") as reader:
        reader.check()
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        reader.check()


def test_a_database_without_the_dictionary_is_no_source(new_database: Callable[[str], str]) -> None:
    with (
        SourceReader(sa.make_url(new_database("empty")), "SALES") as reader,
        pytest.raises(SourceUnreadable, match=r'could not be read .*"ALL_USERS" does not exist'),
    ):
        reader.check()


def test_the_stand_in_answers_as_oracles_dictionary_does(source: tuple[psycopg.Connection, sa.URL]) -> None:
    connection, _ = source
    create_schema(connection, "SALES")  # again: nothing changes
    constraints = connection.execute(
        """SELECT "TABLE_NAME", "CONSTRAINT_NAME", "CONSTRAINT_TYPE", "R_OWNER", "R_CONSTRAINT_NAME"
        FROM "ALL_CONSTRAINTS" WHERE "OWNER" = 'SALES' AND "CONSTRAINT_TYPE" IN ('P', 'R') ORDER BY 1, 2"""
    ).fetchall()
    assert constraints == [
        ("CUSTOMERS", "PK_CUSTOMERS", "P", None, None),
        ("DOCUMENTS", "PK_DOCUMENTS", "P", None, None),
        ("ORDERS", "FK_ORDERS_CUSTOMERS", "R", "SALES", "PK_CUSTOMERS"),
        ("ORDERS", "PK_ORDERS", "P", None, None),
        ("ORDER_ITEMS", "FK_ORDER_ITEMS_ORDERS", "R", "SALES", "PK_ORDERS"),
        ("ORDER_ITEMS", "PK_ORDER_ITEMS", "P", None, None),
    ]
    lengths = connection.execute(
        """SELECT "COLUMN_NAME", "DATA_TYPE", "DATA_LENGTH", "CHAR_LENGTH", "DATA_PRECISION", "DATA_SCALE", "COLUMN_ID"
        FROM "ALL_TAB_COLUMNS" WHERE "TABLE_NAME" = 'DOCUMENTS' AND "COLUMN_ID" IN (3, 4, 6, 8, 9) ORDER BY 7"""
    ).fetchall()
    assert lengths == [
        ("TOTAL", "NUMBER", 22, 0, None, None, 3),
        ("SERIAL_NO", "NUMBER", 22, 0, 38, 0, 4),
        ("SIGNED_AT", "TIMESTAMP(6)", 11, 0, None, 6, 6),
        ("TITLE", "NVARCHAR2", 400, 200, None, None, 8),
        ("DIGEST", "RAW", 16, 0, None, None, 9),
    ]


def test_the_stand_in_has_no_empty_text_and_no_unknown_type(source: tuple[psycopg.Connection, sa.URL]) -> None:
    connection, _ = source
    with pytest.raises(psycopg.errors.CheckViolation), connection.transaction():
        connection.execute("""UPDATE "SALES"."CUSTOMERS" SET "NAME" = ''""")
    odd = OracleTable("ODD", [OracleColumn("X", "SDO_GEOMETRY")], foreign_keys=[OracleForeignKey(["X"], "ORDERS")])
    with pytest.raises(ValueError, match="nothing for the Oracle type 'SDO_GEOMETRY'"):
        create_table(connection, "SALES", odd)
