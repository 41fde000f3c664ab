"""The reference group ``sales``: its tables in the source, their counterparts in production, and the first exact copy.

Every function works in a transaction of its own, or in the caller's where one is open.
"""

from __future__ import annotations

from typing import Any

from psycopg import Connection, sql

from reload_assets.local.oracle import OracleColumn, OracleForeignKey, OracleTable, create_schema, create_table
from reload_assets.local.sales_rows import seed

__all__ = ["SCHEMA", "TABLES", "copy_to_production", "create_production", "create_source", "seed"]

SCHEMA = "SALES"

CUSTOMERS = OracleTable(
    "CUSTOMERS",
    columns=[
        OracleColumn("CUSTOMER_ID", "NUMBER(10)", nullable=False),
        OracleColumn("NAME", "VARCHAR2(100)"),
        OracleColumn("EMAIL", "VARCHAR2(100)"),
        OracleColumn("STATUS", "VARCHAR2(20)"),
        OracleColumn("CREATED_AT", "TIMESTAMP(6)"),
        OracleColumn("UPDATED_AT", "TIMESTAMP(6)"),
    ],
    primary_key=["CUSTOMER_ID"],
)
ORDERS = OracleTable(
    "ORDERS",
    columns=[
        OracleColumn("ORDER_ID", "NUMBER(10)", nullable=False),
        OracleColumn("CUSTOMER_ID", "NUMBER(10)", nullable=False),
        OracleColumn("AMOUNT", "NUMBER(10,2)"),
        OracleColumn("ORDER_DATE", "DATE"),
        OracleColumn("UPDATED_AT", "TIMESTAMP(6)"),
    ],
    primary_key=["ORDER_ID"],
    foreign_keys=[OracleForeignKey(["CUSTOMER_ID"], "CUSTOMERS")],
)
ORDER_ITEMS = OracleTable(
    "ORDER_ITEMS",
    columns=[
        OracleColumn("ORDER_ID", "NUMBER(10)", nullable=False),
        OracleColumn("LINE_NO", "NUMBER(5)", nullable=False),
        OracleColumn("PRODUCT", "VARCHAR2(80)"),
        OracleColumn("QUANTITY", "NUMBER(8)"),
        OracleColumn("PRICE", "NUMBER(12,4)"),
        OracleColumn("UPDATED_AT", "TIMESTAMP(6)"),
    ],
    primary_key=["ORDER_ID", "LINE_NO"],
    foreign_keys=[OracleForeignKey(["ORDER_ID"], "ORDERS")],
)
DOCUMENTS = OracleTable(
    "DOCUMENTS",
    columns=[
        OracleColumn("DOCUMENT_ID", "NUMBER(12)", nullable=False),
        OracleColumn("CUSTOMER_ID", "NUMBER(10)"),
        OracleColumn("TOTAL", "NUMBER"),
        OracleColumn("SERIAL_NO", "NUMBER(38,0)"),
        OracleColumn("ISSUED_ON", "DATE"),
        OracleColumn("SIGNED_AT", "TIMESTAMP(6)"),
        OracleColumn("CODE", "CHAR(10)"),
        OracleColumn("TITLE", "NVARCHAR2(200)"),
        OracleColumn("DIGEST", "RAW(16)"),
        OracleColumn("BODY", "CLOB"),
        OracleColumn("SCAN", "BLOB"),
        OracleColumn("UPDATED_AT", "TIMESTAMP(6)"),
    ],
    primary_key=["DOCUMENT_ID"],
)
TABLES = (CUSTOMERS, ORDERS, ORDER_ITEMS, DOCUMENTS)
"""Parents before children. In production the names are the same in lower case."""

_PRODUCTION = """
CREATE SCHEMA IF NOT EXISTS {schema};

CREATE TABLE {schema}.customers (
    customer_id bigint PRIMARY KEY,
    name varchar(100),
    email varchar(100),
    status varchar(20),
    created_at timestamp(6),
    updated_at timestamp(6)
);
CREATE INDEX ON {schema}.customers (updated_at);

CREATE TABLE {schema}.orders (
    order_id bigint PRIMARY KEY,
    customer_id bigint NOT NULL REFERENCES {schema}.customers (customer_id),
    amount numeric(10,2),
    order_date timestamp(0),
    updated_at timestamp(6)
);
CREATE INDEX ON {schema}.orders (customer_id);
CREATE INDEX ON {schema}.orders (updated_at);

CREATE TABLE {schema}.order_items (
    order_id bigint REFERENCES {schema}.orders (order_id),
    line_no integer,
    product varchar(80),
    quantity integer,
    price numeric(12,4),
    updated_at timestamp(6),
    PRIMARY KEY (order_id, line_no)
);
CREATE INDEX ON {schema}.order_items (updated_at);

CREATE TABLE {schema}.documents (
    document_id bigint PRIMARY KEY,
    customer_id bigint,
    total numeric,
    serial_no numeric(38,0),
    issued_on timestamp(0),
    signed_at timestamp(6),
    code char(10),
    title varchar(200),
    digest bytea,
    body text,
    scan bytea,
    updated_at timestamp(6)
);
CREATE INDEX ON {schema}.documents (updated_at);
"""


def create_source(connection: Connection[Any]) -> None:
    """Create the Oracle schema SALES with its empty tables, indexed on UPDATED_AT as AWS advises for filters."""
    with connection.transaction():
        create_schema(connection, SCHEMA)
        for table in TABLES:
            create_table(connection, SCHEMA, table)
            connection.execute(sql.SQL('CREATE INDEX ON {} ("UPDATED_AT")').format(sql.Identifier(SCHEMA, table.name)))


def create_production(connection: Connection[Any], schema: str = "production") -> None:
    """Create the empty production tables."""
    with connection.transaction():
        connection.execute(sql.SQL(_PRODUCTION).format(schema=sql.Identifier(schema)))


def copy_to_production(source: Connection[Any], target: Connection[Any], schema: str = "production") -> dict[str, int]:
    """Copy every row of the source into the empty production tables; the rows copied, by production table."""
    copied = {}
    with source.transaction(), target.transaction():
        for table in TABLES:
            name = table.name.lower()
            written = sql.SQL("COPY {} ({}) FROM STDIN").format(
                sql.Identifier(schema, name),
                sql.SQL(", ").join(sql.Identifier(column.lower()) for column in table.column_names),
            )
            read = sql.SQL("COPY {} ({}) TO STDOUT").format(
                sql.Identifier(SCHEMA, table.name),
                sql.SQL(", ").join(sql.Identifier(column) for column in table.column_names),
            )
            with source.cursor() as reader, target.cursor() as writer:
                with reader.copy(read) as rows, writer.copy(written) as sink:
                    for block in rows:
                        sink.write(block)
                copied[name] = writer.rowcount
            target.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(schema, name)))
    return copied
