"""A source that cannot finish long reads: what is read in parts is the same as what is read at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from reload_assets.errors.source import SourceCallTimedOut, SourceSnapshotTooOld
from reload_assets.local.oracle import OracleColumn, OracleTable, create_schema, create_table
from reload_assets.source.reader import SourceReader
from reload_assets.source.session import SourceSession

ROWS = 300
# A row every five minutes.
WINDOW = (datetime(2025, 1, 2), datetime(2025, 1, 3, 1))
ORDERS = OracleTable(
    "ORDERS",
    [
        OracleColumn("ID", "NUMBER(10)", nullable=False),
        OracleColumn("NAME", "VARCHAR2(40)"),
        OracleColumn("UPDATED_AT", "TIMESTAMP(6)"),
    ],
    ["ID"],
)
# In front of the table stands a view. A statement that reads more rows of it than that fails in the middle.
UNDO = """
CREATE FUNCTION "SALES".undo(allowed integer) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    statement text := statement_timestamp()::text;
    done integer := 1;
BEGIN
    IF current_setting('undo.statement', true) = statement THEN
        done := current_setting('undo.rows')::integer + 1;
    END IF;
    PERFORM set_config('undo.statement', statement, false), set_config('undo.rows', done::text, false);
    IF done > allowed THEN RAISE EXCEPTION 'ORA-01555: snapshot too old: rollback segment too small'; END IF;
    RETURN true;
END $$;
ALTER TABLE "SALES"."ORDERS" RENAME TO "ORDERS_KEPT";
CREATE VIEW "SALES"."ORDERS" AS
SELECT o.* FROM "SALES"."ORDERS_KEPT" AS o WHERE o."UPDATED_AT" IS NULL OR "SALES".undo({allowed});
"""


class Rig:
    """A source with rows, and a reader that knows its columns."""

    def __init__(self, connection: psycopg.Connection[Any], reader: SourceReader) -> None:
        self.connection, self.reader = connection, reader

    def keeps(self, rows: int) -> None:
        """From now on a read of more rows than these fails, as in an Oracle with little undo."""
        self.connection.execute(UNDO.format(allowed=rows).encode())

    def read(self) -> list[Any]:
        """The window as every kind of read has it."""
        columns = ["ID", "NAME"]
        contents = self.reader.contents("ORDERS", ["ID"], "UPDATED_AT", columns, "UPDATED_AT", [WINDOW], batch=20)
        return [
            self.reader.count("ORDERS", "UPDATED_AT", *WINDOW),
            sorted(self.reader.segments("ORDERS", columns, "UPDATED_AT", *WINDOW, 10)),
            sorted(row for rows in contents for row in rows),
            sorted(self.reader.rows_in_window("ORDERS", columns, "UPDATED_AT", *WINDOW, batch=20)),
        ]


@pytest.fixture
def rig(new_database: Callable[[str], str]) -> Iterator[Rig]:
    url = new_database("ranges")
    with psycopg.connect(url, autocommit=True) as connection:
        create_schema(connection, "SALES")
        create_table(connection, "SALES", ORDERS)
        for number in range(ROWS):
            values = (number, f"n{number}", WINDOW[0] + timedelta(minutes=5 * number))
            connection.execute('INSERT INTO "SALES"."ORDERS" VALUES (%s, %s, %s)', values)
        with SourceReader(sa.make_url(url), "SALES", session=SourceSession(call_timeout_seconds=2)) as reader:
            reader.columns("ORDERS")
            yield Rig(connection, reader)


def test_long_reads_that_oracle_cannot_finish_are_done_in_parts(rig: Rig) -> None:
    whole = rig.read()
    assert whole[0] == len(whole[2]) == len(whole[3]) == ROWS
    assert [(name, rows) for name, rows, _ in whole[1]] == [("2025-01-02", 288), ("2025-01-03", 12)]
    rig.keeps(70)
    assert rig.read() == whole


def test_what_cannot_be_cut_any_further_is_said(rig: Rig) -> None:
    rig.keeps(70)
    rig.connection.execute('UPDATE "SALES"."ORDERS_KEPT" SET "UPDATED_AT" = %s', (WINDOW[0],))
    contents = rig.reader.contents("ORDERS", ["ID"], "UPDATED_AT", ["NAME"], "UPDATED_AT", [WINDOW])
    with pytest.raises(SourceSnapshotTooOld, match=r"ORA-01555.*let it keep more undo"):
        list(contents)


def test_a_call_that_takes_too_long_ends(rig: Rig) -> None:
    rig.connection.execute('ALTER TABLE "SALES"."ORDERS" RENAME TO "ORDERS_KEPT"')
    rig.connection.execute(
        'CREATE VIEW "SALES"."ORDERS" AS SELECT * FROM "SALES"."ORDERS_KEPT", (SELECT pg_sleep(60)::text) AS asleep'
    )
    with pytest.raises(SourceCallTimedOut, match="raise call_timeout_seconds in source.connection"):
        rig.reader.count("ORDERS", "UPDATED_AT", *WINDOW)
