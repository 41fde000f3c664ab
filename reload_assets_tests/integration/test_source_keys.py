"""A key of production is a key of the source, by the source's own dictionary."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from reload_assets.errors import ConfigError
from reload_assets.local.oracle import OracleColumn, OracleTable, create_schema, create_table
from reload_assets.local.postgres import PostgresServer
from reload_assets.reload.parts import group_tables
from reload_assets.source.reader import SourceReader, source_url
from reload_assets.tables import resolve_group
from reload_assets_tests.integration.staged import config
from reload_assets_tests.integration.throwaway import throwaway_database

COLUMNS = [
    OracleColumn("ID", "NUMBER(9)", nullable=False),
    OracleColumn("STATE", "VARCHAR2(10)", nullable=False),
    OracleColumn("CODE", "VARCHAR2(10)", nullable=False),
    OracleColumn("UPDATED_AT", "TIMESTAMP(6)", nullable=False),
]
SOURCE = """
ALTER TABLE "SALES"."CODED" ADD CONSTRAINT "CODED_CODE" UNIQUE ("CODE");
CREATE UNIQUE INDEX "INDEXED_ID" ON "SALES"."INDEXED" ("ID");
CREATE UNIQUE INDEX "EXPRESSED_CODE" ON "SALES"."EXPRESSED" (upper("CODE"));
CREATE UNIQUE INDEX "PARTIAL_ID" ON "SALES"."EXPRESSED" ("ID") WHERE "ID" > 0;
"""
PRODUCTION = """
CREATE SCHEMA production;
CREATE TABLE production.by_day (id int, state text, code text, updated_at timestamp, PRIMARY KEY (id, updated_at))
PARTITION BY RANGE (updated_at);
CREATE TABLE production.by_state (id int, state text, code text, updated_at timestamp, PRIMARY KEY (id, state))
PARTITION BY LIST (state);
CREATE TABLE production.both (
    id int NOT NULL UNIQUE, state text, code text, updated_at timestamp, PRIMARY KEY (id, state)
);
CREATE TABLE production.narrow (id int PRIMARY KEY, state text, code text, updated_at timestamp);
CREATE TABLE production.coded (code text PRIMARY KEY, id int, state text, updated_at timestamp);
CREATE TABLE production.indexed (id int PRIMARY KEY, state text, code text, updated_at timestamp);
CREATE TABLE production.expressed (id int PRIMARY KEY, state text, code text, updated_at timestamp);
"""
KEYS: dict[str, list[str]] = {
    "BY_DAY": ["ID"],
    "BY_STATE": ["ID"],
    "BOTH": ["ID"],
    "NARROW": ["ID", "STATE"],
    "CODED": ["ID"],
    "INDEXED": [],
    "EXPRESSED": [],
}


@pytest.fixture(scope="module")
def sides(postgres: PostgresServer) -> Iterator[tuple[psycopg.Connection[Any], SourceReader]]:
    with (
        throwaway_database(postgres, "keys_source") as source_place,
        throwaway_database(postgres, "keys_target") as target_place,
        psycopg.connect(source_place, autocommit=True) as source,
        psycopg.connect(target_place, autocommit=True) as target,
    ):
        create_schema(source, "SALES")
        for name, key in KEYS.items():
            create_table(source, "SALES", OracleTable(name, COLUMNS, key))
        source.execute(SOURCE)
        target.execute(PRODUCTION)
        info = source.info
        url = source_url(
            "postgresql", host=info.host, port=info.port, database=info.dbname, user=info.user, password=info.password
        )
        with SourceReader(url, "SALES") as reader:
            yield target, reader


@pytest.mark.parametrize(
    ("table", "more", "sentence"),
    [
        (
            "by_day",
            "",
            "(id, updated_at) of production.by_day is not a key of SALES.BY_DAY, whose key is (ID): a row whose",
        ),
        # Not even where its user vouches for it: the dictionary knows better.
        (
            "by_day",
            ", key: [id, updated_at]",
            "a row whose updated_at changes would be in production twice; give production a unique index on the",
        ),
        ("by_state", "", "a row whose state changes would be in production twice; give production a unique index"),
        ("both", "", "write key: [id], on which production.both has a unique index"),
        (
            "narrow",
            "",
            "(id) of production.narrow is not a key of SALES.NARROW, whose key is (ID, STATE): several of the",
        ),
        ("expressed", "", "SALES.EXPRESSED has neither a primary key nor a unique index that holds for all rows"),
    ],
)
def test_a_key_that_is_not_the_sources_is_refused(
    sides: tuple[psycopg.Connection[Any], SourceReader], table: str, more: str, sentence: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        resolve_group(group_tables(config(f"{table}: {{window_column: updated_at{more}}}"), "sales"), *sides)
    assert f"groups.sales.tables.{table}.key: " in str(caught.value)
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("table", "more", "key"),
    [
        ("both", ", key: [id]", ["id"]),
        # By a unique constraint, by a unique index, and by the word of the user where the source declares none.
        ("coded", "", ["code"]),
        ("indexed", "", ["id"]),
        ("expressed", ", key: [id]", ["id"]),
    ],
)
def test_a_key_of_the_source_is_taken(
    sides: tuple[psycopg.Connection[Any], SourceReader], table: str, more: str, key: list[str]
) -> None:
    (found,) = resolve_group(group_tables(config(f"{table}: {{window_column: updated_at{more}}}"), "sales"), *sides)
    assert [column.name for column in found.key] == key
