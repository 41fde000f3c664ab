"""The orders on both sides, the same rows in the source and in production."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import psycopg
import yaml
from psycopg import Connection

from benchmarks.orders import GROUP, TABLE
from benchmarks.statements import run
from reload_assets.config.model import ReloadConfig, parse_config
from reload_assets.local.oracle import OracleColumn, OracleTable, create_schema, create_table
from reload_assets.local.postgres import PostgresServer
from reload_assets.source.reader import SourceReader, source_url

SCHEMA = "SALES"
START = datetime(2025, 1, 1)
"""The window column of the first row."""
STEP = timedelta(milliseconds=80)
"""Between two rows, as they are filled in."""
ORDERS = OracleTable(
    "ORDERS",
    [
        OracleColumn("ORDER_ID", "NUMBER(12,0)", nullable=False),
        OracleColumn("CUSTOMER_ID", "NUMBER(9,0)"),
        OracleColumn("STATUS", "VARCHAR2(20)"),
        OracleColumn("AMOUNT", "NUMBER(12,2)"),
        OracleColumn("NOTE", "VARCHAR2(100)"),
        OracleColumn("CREATED_AT", "DATE"),
        OracleColumn("UPDATED_AT", "TIMESTAMP(6)"),
    ],
    ("ORDER_ID",),
)
_LOGIN = {"host": "h", "port": 1, "database": "d", "user": "u", "password": {"env": "UNUSED"}}


def configuration(**sections: Mapping[str, Any]) -> ReloadConfig:
    """Return a configuration of the one table, with other sections. The logins in it are not read."""
    document: dict[str, Any] = {
        "source": {"schema": SCHEMA, "connection": {"dialect": "postgresql", **_LOGIN}},
        "target": {"connection": _LOGIN},
        "dms": {"replication_instance_arn": "a", "source_endpoint_arn": "b", "target_endpoint_arn": "c"},
        "windows": {"first": "2025-01-01"},
        "groups": {GROUP: {"tables": {TABLE: {"window_column": "updated_at"}}}},
    }
    return parse_config(yaml.safe_dump({**document, **sections}))


class BothSides:
    """The databases ``source`` and ``target`` of a server, filled and analysed; a connection to each, in autocommit."""

    def __init__(self, server: PostgresServer, rows: int) -> None:
        self._server = server
        with psycopg.connect(server.url(), autocommit=True) as admin:
            admin.execute("CREATE DATABASE source")
            admin.execute("CREATE DATABASE target")
        self.source: Connection[Any] = psycopg.connect(server.url("source"), autocommit=True)
        self.target: Connection[Any] = psycopg.connect(server.url("target"), autocommit=True)
        create_schema(self.source, SCHEMA)
        create_table(self.source, SCHEMA, ORDERS)
        run(
            self.source,
            "fill_window",
            {"schema": SCHEMA, "table": ORDERS.name, "window_column": "UPDATED_AT"},
            rows=rows,
        )
        run(self.target, "create_production")
        run(
            self.target,
            "fill_window",
            {"schema": "production", "table": TABLE, "window_column": "updated_at"},
            rows=rows,
        )
        for connection in (self.source, self.target):
            connection.execute("VACUUM ANALYZE")

    def reader(self) -> SourceReader:
        """Return a new reader of the source."""
        url = source_url(
            "postgresql",
            host="127.0.0.1",
            port=self._server.port,
            database="source",
            user=self._server.superuser,
            password=self._server.password,
        )
        return SourceReader(url, SCHEMA)

    def close(self) -> None:
        """End both sessions."""
        self.source.close()
        self.target.close()


def until(rows: int) -> datetime:
    """Return the end of the window that begins at ``START`` and has so many rows."""
    return START + (rows + 1) * STEP
