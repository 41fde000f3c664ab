"""A group is completed from production's catalog and checked against it; each mistake gets one sentence."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from psycopg import Connection

from reload_assets.config import ReloadConfig, parse_config
from reload_assets.errors import ConfigError
from reload_assets.tables import ReloadTable, resolve_group

DDL = """
CREATE SCHEMA production;
CREATE TABLE production.customers (customer_id int PRIMARY KEY, name text, updated_at timestamp);
CREATE TABLE production.orders (
    order_id int PRIMARY KEY, customer_id int REFERENCES production.customers, amount numeric(10, 2),
    doubled numeric GENERATED ALWAYS AS (amount * 2) STORED, updated_at timestamp, seen_at timestamptz
);
CREATE TABLE production.order_items (
    order_id int REFERENCES production.orders, line_no int, updated_at timestamp, PRIMARY KEY (order_id, line_no)
);
CREATE TABLE production.notes (note text, updated_at timestamp);
CREATE TABLE production."Mixed" ("Id" int PRIMARY KEY, "order" text, "updatedAt" timestamp);
CREATE TABLE production.a (id int PRIMARY KEY, b_id int, updated_at timestamp);
CREATE TABLE production.b (id int PRIMARY KEY, a_id int REFERENCES production.a, updated_at timestamp);
ALTER TABLE production.a ADD CONSTRAINT a_b FOREIGN KEY (b_id) REFERENCES production.b (id);
"""

HEAD = """
source: {schema: SALES}
target: {connection: {host: h, port: 1, database: d, user: u, password: {env: P}}}
dms: {replication_instance_arn: a, source_endpoint_arn: b, target_endpoint_arn: c}
windows: {first: 2025-01-01}
groups:
  sales:
    tables:
"""


def config(tables: str) -> ReloadConfig:
    return parse_config(HEAD + "\n".join(f"      {line}" for line in tables.strip().splitlines()))


@pytest.fixture
def production(new_database: Callable[[str], str]) -> Iterator[Connection[Any]]:
    with psycopg.connect(new_database("production"), autocommit=True) as connection:
        connection.execute(DDL)
        yield connection


def resolve(production: Connection[Any], tables: str) -> list[ReloadTable]:
    return resolve_group(config(tables), "sales", production, None)


def test_key_and_columns_come_from_the_catalog_and_parents_come_first(production: Connection[Any]) -> None:
    tables = resolve(
        production,
        "order_items: {window_column: updated_at}\norders: {window_column: updated_at}\n"
        "customers: {window_column: updated_at}",
    )
    assert [table.name for table in tables] == ["customers", "orders", "order_items"]
    orders, items = tables[1], tables[2]
    assert [column.name for column in items.key] == ["order_id", "line_no"]
    assert orders.version == orders.window
    # A generated column is not loaded: DMS copies by position.
    assert "doubled" not in [column.name for column in orders.columns]
    assert [(key.name, parent.name) for key, parent in items.parents(tables)] == [
        ("order_items_order_id_fkey", "orders")
    ]


def test_names_in_mixed_case_and_reserved_words_are_found(production: Connection[Any]) -> None:
    (table,) = resolve(production, "mixed: {target: Mixed, source: MIXED, window_column: updatedAt}")
    assert [(column.source, column.staged, column.name) for column in table.columns] == [
        ("ID", "id", "Id"),
        ("ORDER", "order", "order"),
        ("UPDATEDAT", "updatedat", "updatedAt"),
    ]


@pytest.mark.parametrize(
    ("tables", "sentence"),
    [
        (
            "orders: {window_column: updated_at, version_column: updatd_at}",
            "groups.sales.tables.orders.version_column: 'updatd_at' is not a column of production.orders; "
            "did you mean 'updated_at'?",
        ),
        (
            "ordres: {window_column: updated_at}",
            "groups.sales.tables.ordres.target: there is no table production.ordres",
        ),
        (
            "notes: {window_column: updated_at}",
            "groups.sales.tables.notes.key: production.notes has no primary key",
        ),
        (
            "orders: {window_column: updated_at, key: [customer_id]}",
            "groups.sales.tables.orders.key: production.orders has no unique index on (customer_id)",
        ),
        (
            "orders: {window_column: seen_at}",
            "groups.sales.tables.orders.window_column: 'seen_at' of production.orders is timestamp with time zone",
        ),
        (
            "orders: {window_column: updated_at, columns: [order_id, amont, updated_at]}",
            "groups.sales.tables.orders.columns: 'amont' is not a column of production.orders; did you mean 'amount'?",
        ),
        (
            "orders: {window_column: updated_at, columns: [order_id, amount]}",
            "groups.sales.tables.orders.window_column: 'updated_at' is a column of production.orders only",
        ),
        (
            "a: {window_column: updated_at}\nb: {window_column: updated_at}",
            "form a circle; make one of them DEFERRABLE",
        ),
    ],
)
def test_a_mistake_is_named_with_its_place_and_mend(production: Connection[Any], tables: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        resolve(production, tables)
    assert sentence in str(caught.value)
    assert str(caught.value).startswith("reload.yaml: ")


def test_a_circle_with_a_deferrable_key_is_fine(production: Connection[Any]) -> None:
    production.execute("ALTER TABLE production.a ALTER CONSTRAINT a_b DEFERRABLE")
    tables = resolve(production, "b: {window_column: updated_at}\na: {window_column: updated_at}")
    assert [table.name for table in tables] == ["a", "b"]
