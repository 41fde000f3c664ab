"""What the catalog tells of foreign keys and triggers that reach a table by its partitions, its parent or its heirs."""

from __future__ import annotations

import pytest

from reload_assets.postgres.catalog import CatalogTable, read_table
from reload_assets_tests.integration.merge_bench import CUSTOMERS, MakeBench, MergeBench

DDL = f"""
{CUSTOMERS} PARTITION BY RANGE (id);
CREATE TABLE production.low PARTITION OF production.customers FOR VALUES FROM (0) TO (100);
CREATE TABLE production.high PARTITION OF production.customers FOR VALUES FROM (100) TO (200);
DROP SCHEMA IF EXISTS elsewhere CASCADE;
CREATE SCHEMA elsewhere;
CREATE TABLE elsewhere.orders (customer integer REFERENCES production.customers ON DELETE CASCADE ON UPDATE SET NULL)
PARTITION BY HASH (customer);
CREATE TABLE elsewhere.orders_0 PARTITION OF elsewhere.orders FOR VALUES WITH (MODULUS 1, REMAINDER 0);
CREATE TABLE elsewhere.visits (low integer CONSTRAINT of_low REFERENCES production.low ON DELETE SET DEFAULT);
CREATE TABLE production.old (PRIMARY KEY (id)) INHERITS (production.plain);
CREATE TABLE production.notes (old integer CONSTRAINT of_old REFERENCES production.old ON DELETE CASCADE);
CREATE FUNCTION production.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER everywhere BEFORE INSERT ON production.customers FOR EACH ROW EXECUTE FUNCTION production.f();
CREATE TRIGGER in_low AFTER DELETE ON production.low FOR EACH ROW EXECUTE FUNCTION production.f();
CREATE TRIGGER off BEFORE INSERT ON production.low FOR EACH ROW EXECUTE FUNCTION production.f();
ALTER TABLE production.low DISABLE TRIGGER off;
CREATE TRIGGER of_heir BEFORE UPDATE ON production.old FOR EACH ROW EXECUTE FUNCTION production.f();
"""


@pytest.fixture
def made(make_bench: MakeBench) -> MergeBench:
    plain = CUSTOMERS.replace("customers", "plain")
    return make_bench(f"{plain}; {DDL}", {"customers": {"window_column": "updated_at"}})


def described(made: MergeBench, name: str) -> CatalogTable:
    return read_table(made.connection, "production", name)


@pytest.mark.parametrize(
    ("table", "references"),
    [
        (
            "customers",
            [
                ("of_low", "elsewhere.visits", "d", "a", False),
                ("orders_customer_fkey", "elsewhere.orders", "c", "n", True),
            ],
        ),
        (
            "low",
            [
                ("of_low", "elsewhere.visits", "d", "a", False),
                ("orders_customer_fkey", "elsewhere.orders", "c", "n", True),
            ],
        ),
        ("high", [("orders_customer_fkey", "elsewhere.orders", "c", "n", True)]),
        ("plain", [("of_old", "production.notes", "c", "a", False)]),
    ],
)
def test_every_key_that_reaches_a_table_is_told_once(
    made: MergeBench, table: str, references: list[tuple[str, str, str, str, bool]]
) -> None:
    found = described(made, table).referenced_by
    assert [(r.name, r.child, r.on_delete, r.on_update, r.child_is_partitioned) for r in found] == references
    assert all(r.parent_columns == ["id"] and len(r.columns) == 1 and r.child_readable for r in found)


@pytest.mark.parametrize(
    ("table", "triggers"),
    [
        ("customers", [("everywhere", True, True), ("in_low", False, False)]),
        ("low", [("everywhere", True, True), ("in_low", False, False)]),
        ("plain", [("of_heir", False, True)]),
    ],
)
def test_every_trigger_that_fires_is_told_once(
    made: MergeBench, table: str, triggers: list[tuple[str, bool, bool]]
) -> None:
    found = described(made, table).triggers
    assert sorted((t.name, t.on_insert, t.turns_away) for t in found) == triggers


def test_the_key_that_a_partition_has_from_its_parent_is_its_own(made: MergeBench) -> None:
    for schema, table in (("elsewhere", "orders"), ("elsewhere", "orders_0")):
        (key,) = read_table(made.connection, schema, table).foreign_keys
        assert (key.name, key.parent_table, key.parent_columns) == ("orders_customer_fkey", "customers", ["id"])


def test_a_child_that_this_role_cannot_read_is_told(made: MergeBench) -> None:
    made.execute(
        "DROP ROLE IF EXISTS blind; CREATE ROLE blind; GRANT USAGE ON SCHEMA elsewhere, production TO blind;"
        "SET ROLE blind"
    )
    try:
        assert [r.child_readable for r in described(made, "customers").referenced_by] == [False, False]
    finally:
        made.execute("RESET ROLE; REVOKE ALL ON SCHEMA elsewhere, production FROM blind; DROP ROLE blind")
