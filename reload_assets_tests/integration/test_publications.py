"""Publications for which PostgreSQL refuses updates or deletes are known before a load, and no others are refused."""

from __future__ import annotations

import psycopg

from reload_assets.errors.tables import PublicationUnsuitable, ReplicaIdentityMissing
from reload_assets_tests.integration.merge_bench import NOON, MakeBench, MergeBench

TABLE = (
    "CREATE TABLE production.customers (id integer {} UNIQUE, name text, code integer NOT NULL, updated_at timestamp);"
    "CREATE UNIQUE INDEX codes ON production.customers (code)"
)
PLAIN = TABLE.format("PRIMARY KEY")
LEAF = (
    "CREATE TABLE production.low PARTITION OF production.customers FOR VALUES FROM (0) TO (9) PARTITION BY HASH (id);"
)
PARTS = (
    "CREATE TABLE production.customers (id integer PRIMARY KEY, name text, code integer, updated_at timestamp) "
    f"PARTITION BY RANGE (id); {LEAF} CREATE TABLE production.lowest PARTITION OF production.low "
    "FOR VALUES WITH (MODULUS 1, REMAINDER 0)"
)
BY_CODE = "ALTER TABLE production.customers REPLICA IDENTITY USING INDEX codes;"
FULL = "ALTER TABLE production.customers REPLICA IDENTITY FULL;"
ONE = "CREATE PUBLICATION odd FOR TABLE production.customers"
SETUPS = {
    "all": (PLAIN, "CREATE PUBLICATION odd FOR ALL TABLES"),
    "filter": (PLAIN, f"{ONE} WHERE (name <> 'x')"),
    "filter by the key": (PLAIN, f"{ONE} WHERE (id <> 0)"),
    "filter of inserts": (PLAIN, f"{ONE} WHERE (name <> 'x') WITH (publish = 'insert')"),
    "filter of a full identity": (PLAIN, f"{FULL} {ONE} WHERE (name <> 'x')"),
    "list": (PLAIN, f"{ONE} (name)"),
    "list with the key": (PLAIN, f"{ONE} (id, name)"),
    "list of a full identity": (PLAIN, f"{FULL} {ONE} (id, name, code, updated_at)"),
    "identity by an index": (PLAIN, f"{BY_CODE} {ONE} (id, name)"),
    "identity by a dropped index": (PLAIN, f"{BY_CODE} DROP INDEX production.codes; {ONE}"),
    "a key that waits": (TABLE.format("PRIMARY KEY DEFERRABLE"), ONE),
    "no identity in a schema": (
        PLAIN,
        "ALTER TABLE production.customers REPLICA IDENTITY NOTHING;"
        "CREATE PUBLICATION odd FOR TABLES IN SCHEMA production",
    ),
    "filter above": (PARTS, f"{ONE} WHERE (name <> 'x') WITH (publish_via_partition_root)"),
    "filter below": (PARTS, "CREATE PUBLICATION odd FOR TABLE production.lowest WHERE (name <> 'x')"),
    "filter below that does not count": (
        PARTS,
        f"{ONE}, production.lowest WHERE (name <> 'x') WITH (publish_via_partition_root)",
    ),
    "list above": (PARTS, f"{ONE} (name) WITH (publish_via_partition_root)"),
    "filter by the key above": (PARTS, f"{ONE} WHERE (id <> 0) WITH (publish_via_partition_root)"),
}


def is_refused(made: MergeBench) -> bool:
    try:
        made.execute("UPDATE production.customers SET name = 'b'")
    except (psycopg.errors.ObjectNotInPrerequisiteState, psycopg.errors.InvalidColumnReference):
        return True
    return False


def is_foreseen(made: MergeBench) -> bool:
    try:
        made.resolve()
    except (PublicationUnsuitable, ReplicaIdentityMissing):
        return True
    return False


def test_what_postgresql_refuses_because_of_a_publication_is_foreseen(make_bench: MakeBench) -> None:
    made = make_bench("SELECT 1", {"customers": {"window_column": "updated_at", "key": ["id"]}})
    foreseen, refused = {}, {}
    for name, (ddl, publication) in SETUPS.items():
        made.execute(f"{ddl}; INSERT INTO production.customers VALUES (1, 'a', 1, '{NOON}'); {publication}")
        foreseen[name], refused[name] = is_foreseen(made), is_refused(made)
        made.execute("DROP PUBLICATION odd; DROP TABLE production.customers")
    assert foreseen == refused
    assert sum(refused.values()) == 10
