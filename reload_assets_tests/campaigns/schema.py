"""The tables of a campaign, its two neighbouring windows, and rows as Python values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from psycopg import Connection, sql

from reload_assets.local.oracle import OracleColumn, OracleForeignKey, OracleTable, create_schema, create_table
from reload_assets.windows import Window

SOURCE_SCHEMA = "SALES"
GROUP = "sales"
KEYS = 60
"""Keys of each table; a key is a number from 1 to this."""

Key = tuple[int, ...]
Row = Mapping[str, Any]
"""Values by production's column names."""
Tables = dict[str, dict[Key, Row]]
"""Rows by table and key: the state of one side."""


@dataclass(frozen=True)
class TableSpec:
    """One table: its Oracle side, and which columns are what (by production's names)."""

    oracle: OracleTable
    production: str
    window: str
    version: str
    content: tuple[str, ...]
    """Columns that carry nothing but content."""
    unique: str | None = None
    """A column with a unique index of its own."""
    parent: str | None = None
    """The table that the column of the parent's key refers to."""

    @property
    def name(self) -> str:
        """The table's name in production."""
        return self.oracle.name.lower()

    @property
    def columns(self) -> tuple[str, ...]:
        """Production's columns, in the source's order."""
        return tuple(column.lower() for column in self.oracle.column_names)

    @property
    def key(self) -> tuple[str, ...]:
        """The key columns."""
        return tuple(column.lower() for column in self.oracle.primary_key)

    def key_of(self, row: Row) -> Key:
        """A row's key, as plain numbers whatever the database gave."""
        return tuple(int(row[column]) for column in self.key)


CUSTOMERS = TableSpec(
    OracleTable(
        "CUSTOMERS",
        columns=[
            OracleColumn("CUSTOMER_ID", "NUMBER(10)", nullable=False),
            OracleColumn("NAME", "VARCHAR2(40)"),
            OracleColumn("CREATED_AT", "TIMESTAMP(6)", nullable=False),
            OracleColumn("UPDATED_AT", "TIMESTAMP(6)", nullable=False),
        ],
        primary_key=["CUSTOMER_ID"],
    ),
    production="customer_id bigint PRIMARY KEY, name varchar(40), created_at timestamp(6) NOT NULL, "
    "updated_at timestamp(6) NOT NULL",
    window="created_at",
    version="updated_at",
    content=("name",),
)
ORDERS = TableSpec(
    OracleTable(
        "ORDERS",
        columns=[
            OracleColumn("ORDER_ID", "NUMBER(10)", nullable=False),
            OracleColumn("CUSTOMER_ID", "NUMBER(10)", nullable=False),
            OracleColumn("AMOUNT", "NUMBER(10,2)"),
            OracleColumn("UPDATED_AT", "TIMESTAMP(6)", nullable=False),
        ],
        primary_key=["ORDER_ID"],
        foreign_keys=[OracleForeignKey(["CUSTOMER_ID"], "CUSTOMERS")],
    ),
    production="order_id bigint PRIMARY KEY, customer_id bigint NOT NULL REFERENCES production.customers, "
    "amount numeric(10, 2), updated_at timestamp(6) NOT NULL",
    window="updated_at",
    version="updated_at",
    content=("amount",),
    parent="customers",
)
DOCUMENTS = TableSpec(
    OracleTable(
        "DOCUMENTS",
        columns=[
            OracleColumn("DOCUMENT_ID", "NUMBER(10)", nullable=False),
            OracleColumn("PART_NO", "NUMBER(3)", nullable=False),
            OracleColumn("BODY", "VARCHAR2(40)"),
            OracleColumn("ISSUED_AT", "TIMESTAMP(6)", nullable=False),
            OracleColumn("REVISED_AT", "TIMESTAMP(6)"),
        ],
        primary_key=["DOCUMENT_ID", "PART_NO"],
    ),
    production="document_id bigint, part_no integer, body varchar(40), issued_at timestamp(6) NOT NULL, "
    "revised_at timestamp(6), PRIMARY KEY (document_id, part_no)",
    window="issued_at",
    version="revised_at",
    content=("body",),
)
ACCOUNTS = TableSpec(
    OracleTable(
        "ACCOUNTS",
        columns=[
            OracleColumn("ACCOUNT_ID", "NUMBER(10)", nullable=False),
            OracleColumn("LOGIN", "VARCHAR2(40)"),
            OracleColumn("BALANCE", "NUMBER(10,2)"),
            OracleColumn("OPENED_AT", "TIMESTAMP(6)", nullable=False),
            OracleColumn("UPDATED_AT", "TIMESTAMP(6)", nullable=False),
        ],
        primary_key=["ACCOUNT_ID"],
    ),
    production="account_id bigint PRIMARY KEY, login varchar(40) UNIQUE, balance numeric(10, 2), "
    "opened_at timestamp(6) NOT NULL, updated_at timestamp(6) NOT NULL",
    window="opened_at",
    version="updated_at",
    content=("balance",),
    unique="login",
)
SPECS = {spec.name: spec for spec in (CUSTOMERS, ORDERS, DOCUMENTS, ACCOUNTS)}
"""Parents before children."""

_START = datetime(2025, 1, 3, 4)
_HOUR = timedelta(hours=1)
BOUNDS = ((_START, _START + _HOUR), (_START + _HOUR, _START + 2 * _HOUR))
"""The two neighbours that are reloaded, as wall-clock values of the source, whose zone is UTC."""
WINDOWS = tuple(Window(start.replace(tzinfo=timezone.utc), end.replace(tzinfo=timezone.utc)) for start, end in BOUNDS)
"""The same as windows."""
STEP = timedelta(microseconds=1)
BEFORE = (_START - 2 * _HOUR, _START)
AFTER = (BOUNDS[-1][1], BOUNDS[-1][1] + 2 * _HOUR)


def all_keys(spec: TableSpec) -> list[Key]:
    """Every key that a table can have."""
    if len(spec.key) == 1:
        return [(number,) for number in range(1, KEYS + 1)]
    return [(number, part) for number in range(1, KEYS // 3 + 1) for part in (1, 2, 3)]


def in_windows(spec: TableSpec, row: Row | None) -> bool:
    """Whether there is a row and it lies in one of the windows."""
    return row is not None and any(start <= row[spec.window] < end for start, end in BOUNDS)


def create_source(connection: Connection[Any]) -> None:
    """The source's tables, as an Oracle user's schema."""
    create_schema(connection, SOURCE_SCHEMA)
    for spec in SPECS.values():
        create_table(connection, SOURCE_SCHEMA, spec.oracle)
        if spec.unique:
            connection.execute(
                sql.SQL("ALTER TABLE {} ADD UNIQUE ({})").format(
                    sql.Identifier(SOURCE_SCHEMA, spec.oracle.name), sql.Identifier(spec.unique.upper())
                )
            )


def create_production(connection: Connection[Any]) -> None:
    """The schema ``production`` with its tables."""
    connection.execute("CREATE SCHEMA production")
    for spec in SPECS.values():
        connection.execute(f"CREATE TABLE production.{spec.name} ({spec.production})".encode())
        connection.execute(f"CREATE INDEX ON production.{spec.name} ({spec.window})".encode())
