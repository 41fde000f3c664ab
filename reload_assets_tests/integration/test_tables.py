"""A group is completed from production's catalog and checked against it; each mistake gets one sentence."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from psycopg import Connection

from reload_assets.config.model import ReloadConfig, parse_config
from reload_assets.errors import ConfigError
from reload_assets.reload.parts import group_tables
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
CREATE TABLE production.marked (
    id int PRIMARY KEY, flag boolean NOT NULL, at timestamp DEFAULT now(), never timestamp NOT NULL, name text,
    made boolean GENERATED ALWAYS AS (id > 0) STORED, gone boolean, updated_at timestamp
);
CREATE TABLE production.by_day (id int, updated_at timestamp, PRIMARY KEY (id, updated_at))
PARTITION BY RANGE (updated_at);
CREATE TABLE production.by_day_1 PARTITION OF production.by_day DEFAULT;
CREATE TABLE production.by_state (id int, state text, updated_at timestamp, PRIMARY KEY (id, state))
PARTITION BY LIST (state);
CREATE TABLE production.by_hash (id int PRIMARY KEY, updated_at timestamp) PARTITION BY HASH (id);
CREATE TABLE production.by_version (id int, v int, updated_at timestamp, PRIMARY KEY (id, v));
CREATE TABLE production.raws (id bytea PRIMARY KEY, updated_at timestamp);
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
    return resolve_group(group_tables(config(tables), "sales"), production, None)


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
            "by_day: {window_column: updated_at}",
            "groups.sales.tables.by_day.key: whether (id, updated_at) of production.by_day is a key of the source is "
            "not known, and updated_at may change there",
        ),
        (
            "by_state: {window_column: updated_at}",
            "groups.sales.tables.by_state.key: whether (id, state) of production.by_state is a key of the source is "
            "not known, and state may change there",
        ),
        (
            "by_version: {window_column: updated_at, version_column: v}",
            "groups.sales.tables.by_version.key: whether (id, v) of production.by_version is a key of the source is",
        ),
        (
            "raws: {window_column: updated_at}",
            "groups.sales.tables.raws.key: rows of production.raws are read again by a DMS filter on their key without "
            "source.connection, and it finds none by a key of such types (id is bytea)",
        ),
        (
            "by_day: {window_column: updated_at, key: [id, updated_at]}\nby_day_1: {window_column: updated_at}",
            "groups.sales.tables.by_day_1.target: production.by_day_1 is a part of production.by_day, which is the "
            "production table of groups.sales.tables.by_day",
        ),
        *(
            (
                f"marked: {{window_column: updated_at, orphans: soft_delete, soft_delete_column: {name}{more}}}",
                f"groups.sales.tables.marked.soft_delete_column: {sentence}",
            )
            for name, more, sentence in (
                ("gon", "", "'gon' is not a column of production.marked; did you mean 'gone'?"),
                ("name", "", "'name' of production.marked is text; name a column of type boolean or timestamp"),
                ("made", "", "'made' of production.marked is generated, so that nothing can be written there"),
                ("gone", ", columns: [id, gone, updated_at]", "'gone' of production.marked is loaded from the source"),
                ("at", "", "'at' of production.marked has a default, but a row that is not deleted has no such time"),
                ("never", "", "'never' of production.marked is NOT NULL, but a row that is not deleted has no such"),
                ("flag", "", "'flag' of production.marked is NOT NULL without a default, so that no row can be"),
            )
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


def test_a_key_that_its_user_vouches_for_is_taken(production: Connection[Any]) -> None:
    (table,) = resolve(production, "by_state: {window_column: updated_at, key: [id, state]}")
    assert [column.name for column in table.key] == ["id", "state"]
    (table,) = resolve(production, "by_hash: {window_column: updated_at}")
    assert table.production.partition_columns == ["id"]


def test_the_column_that_marks_rows_as_deleted_is_not_loaded(production: Connection[Any]) -> None:
    (table,) = resolve(
        production, "marked: {window_column: updated_at, orphans: soft_delete, soft_delete_column: gone}"
    )
    assert "gone" not in [column.name for column in table.columns]
