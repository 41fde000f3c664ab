"""A merged reload of one table with columns of many types, and a source beside it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import psycopg

from reload_assets.local.oracle import OracleColumn, OracleTable
from reload_assets.source.reader import SourceReader
from reload_assets.verify.outcome import CheckOutcome
from reload_assets.verify.production import AFTER_CHECKS, verify_merged
from reload_assets_tests.integration.staged import NOON, StagedReload

PRODUCTION = """
CREATE SCHEMA production;
CREATE TABLE production.customers (customer_id integer PRIMARY KEY, name varchar(20), updated_at timestamp);
CREATE TABLE production.lines (
    order_id numeric, code character(4), customer_id integer, day timestamp, note text, scan bytea,
    updated_at timestamp, PRIMARY KEY (order_id, code),
    FOREIGN KEY (customer_id) REFERENCES production.customers
);
"""
SOURCE = [
    OracleTable(
        "CUSTOMERS",
        [
            OracleColumn("CUSTOMER_ID", "NUMBER(9,0)"),
            OracleColumn("NAME", "VARCHAR2(20 CHAR)"),
            OracleColumn("UPDATED_AT", "TIMESTAMP(6)"),
        ],
        ["CUSTOMER_ID"],
    ),
    OracleTable(
        "LINES",
        [
            OracleColumn("ORDER_ID", "NUMBER"),
            OracleColumn("CODE", "CHAR(4)"),
            OracleColumn("CUSTOMER_ID", "NUMBER(9,0)"),
            OracleColumn("DAY", "DATE"),
            OracleColumn("NOTE", "CLOB"),
            OracleColumn("SCAN", "BLOB"),
            OracleColumn("UPDATED_AT", "TIMESTAMP(6)"),
        ],
        ["ORDER_ID", "CODE"],
    ),
]
TABLES = "customers: {window_column: updated_at}\nlines: {window_column: updated_at}"
ORDERS = ["1", "2.50", "3", "12345678901234567890.5"]
LATER = NOON + timedelta(microseconds=1)


INSERT_SOURCE = f'INSERT INTO "SALES"."LINES" VALUES ({", ".join(["%s"] * 7)})'


def line(number: str, **columns: Any) -> list[Any]:
    """One row of lines, the same everywhere unless columns are given."""
    row = {
        "order_id": number,
        "code": "a",
        "customer_id": 1,
        "day": NOON,
        "note": "text",
        "scan": b"scan",
        "updated_at": NOON,
    }
    return list({**row, **columns}.values())


@dataclass
class Merged:
    """A reload whose rows are in the source, in staging and in production, as a merge would have left them."""

    staged: StagedReload
    source: psycopg.Connection
    reader: SourceReader

    def produce(self, statement: str, *values: Any) -> None:
        """Change production."""
        self.staged.execute(statement, *values)

    def verify(
        self, table: str = "lines", *, reader: bool = True, confirm_status: str = "confirmed"
    ) -> dict[str, CheckOutcome]:
        """The outcomes of all checks after the merge, and after a confirm that ended in this way."""
        outcomes = verify_merged(
            self.staged.target,
            self.staged.config.source.zone,
            replace(self.staged.reload, confirm_status=confirm_status, confirm_passes=2, confirm_detail="2 passes."),
            self.staged.table(table),
            self.staged.staged(table),
            self.reader if reader else None,
        )
        assert [outcome.check_name for outcome in outcomes] == list(AFTER_CHECKS)
        assert not any(outcome.blocking for outcome in outcomes)
        return {outcome.check_name: outcome for outcome in outcomes}
