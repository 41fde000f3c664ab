"""Production tables that a reload cannot write, or not as they are: each is named before the load, or done right."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
import yaml
from psycopg.errors import QueryCanceled

from reload_assets.config.model import parse_config
from reload_assets.errors import ConfigError
from reload_assets.errors.merge import ParentMissing, PartitionMissing
from reload_assets.errors.windows import WindowWithoutPartition
from reload_assets.preflight.foreseen import foreseen, require_partitions
from reload_assets.tables import ReloadTable
from reload_assets_tests.integration.merge_bench import (
    CUSTOMERS,
    NOON,
    UPDATED_AT,
    MakeBench,
    MergeBench,
    bench_document,
)

ORDERS = (
    "CREATE TABLE production.orders (id integer PRIMARY KEY, customer integer REFERENCES production.customers, "
    "updated_at timestamp)"
)
BY_DAY = CUSTOMERS.replace("PRIMARY KEY", "NOT NULL").replace(
    "updated_at timestamp", "updated_at timestamp, PRIMARY KEY (id, updated_at)"
)
PARTITIONED = f"{BY_DAY} PARTITION BY RANGE (updated_at)"
KEYED: dict[str, Any] = {"customers": {**UPDATED_AT, "key": ["id", "updated_at"]}}
SERVER = """DROP FOREIGN DATA WRAPPER IF EXISTS nothing CASCADE; CREATE FOREIGN DATA WRAPPER nothing;
    CREATE SERVER nowhere FOREIGN DATA WRAPPER nothing;"""
START, END = datetime(2025, 1, 3), datetime(2025, 1, 4)


def part(name: str, start: str, end: str) -> str:
    return f"; CREATE TABLE production.{name} PARTITION OF production.customers FOR VALUES FROM ({start}) TO ({end})"


@pytest.mark.parametrize(
    ("ddl", "sentence"),
    [
        (
            f"{CUSTOMERS.replace('customers', 'everyone')}; "
            "CREATE VIEW production.customers AS SELECT * FROM production.everyone",
            "production.customers is a view, and only a table's rows can be locked and written by a merge; reload the "
            "table behind it (production.everyone)",
        ),
        (
            f"{CUSTOMERS.replace('customers', 'everyone')}; "
            "CREATE MATERIALIZED VIEW production.customers AS SELECT * FROM production.everyone",
            "production.customers is a materialized view, and only a table's rows",
        ),
        (
            f"{SERVER} CREATE FOREIGN TABLE production.customers (id integer, updated_at timestamp) SERVER nowhere",
            "production.customers is a foreign table, and only a table's rows can be locked and written by a merge; "
            "reload the database that has it",
        ),
        ("CREATE SEQUENCE production.customers", "production.customers is not a table, and only a table's rows"),
        (
            f"{CUSTOMERS.replace('id integer PRIMARY KEY', 'id integer')} PARTITION BY RANGE (id); {SERVER}"
            "CREATE FOREIGN TABLE production.far PARTITION OF production.customers FOR VALUES FROM (0) TO (9) "
            "SERVER nowhere",
            "production.customers has foreign tables as partitions (production.far), whose rows a merge can neither",
        ),
    ],
    ids=["view", "materialized view", "foreign table", "sequence", "foreign partition"],
)
def test_what_is_no_plain_table_is_named_as_what_it_is(make_bench: MakeBench, ddl: str, sentence: str) -> None:
    made = make_bench(ddl)
    with pytest.raises(ConfigError) as caught:
        made.resolve()
    assert f"reload.yaml: groups.sales.tables.customers.target: {sentence}" in str(caught.value)


def table_of(made: MergeBench) -> ReloadTable:
    (table,) = made.resolve()
    return table


@pytest.mark.parametrize(
    ("parts", "missing"),
    [
        ("", None),
        (part("later", "'2025-01-04'", "MAXVALUE"), None),
        (
            part("morning", "'2025-01-03'", "'2025-01-03 09:00:00.5'"),
            "[2025-01-03 09:00:00.5,2025-01-04 00:00:00)",
        ),
        (part("before", "MINVALUE", "'2025-01-03 12:00'"), "[2025-01-03 12:00:00,2025-01-04 00:00:00)"),
        (part("all", "MINVALUE", "MAXVALUE"), ""),
        (part("half", "'2025-01-01'", "'2025-01-03 12:00'") + part("rest", "'2025-01-03 12:00'", "'2025-02-01'"), ""),
        (
            part("half", "'2025-01-03 12:00'", "MAXVALUE") + "; CREATE TABLE production.others PARTITION OF "
            "production.customers DEFAULT",
            "",
        ),
    ],
)
def test_a_window_without_a_partition_is_refused_before_the_load(
    make_bench: MakeBench, parts: str, missing: str | None
) -> None:
    made = make_bench(PARTITIONED + parts, KEYED)
    if missing is None:
        with pytest.raises(
            WindowWithoutPartition, match="production.customers has no partition for rows whose updated_at"
        ):
            require_partitions(made.connection, table_of(made), (START, END))
        # What the sentence says helps.
        made.execute(
            "CREATE TABLE production.made PARTITION OF production.customers FOR VALUES FROM ('2025-01-03') "
            "TO ('2025-01-04')"
        )
        missing = ""
    found = require_partitions(made.connection, table_of(made), (START, END))
    assert [one.text.partition(" is in ")[2].partition("; such")[0] for one in found] == ([missing] if missing else [])


def test_a_partition_that_is_being_detached_has_no_rows_of_a_window(make_bench: MakeBench) -> None:
    made = make_bench(PARTITIONED + part("day", "'2025-01-03'", "'2025-01-04'"), KEYED)
    table = table_of(made)
    assert require_partitions(made.connection, table, (START, END)) == []
    with made.target.connect() as reader:
        reader.execute("SELECT id FROM production.customers")
        made.execute("SET statement_timeout = '300ms'")
        with pytest.raises(QueryCanceled):
            made.execute("ALTER TABLE production.customers DETACH PARTITION production.day CONCURRENTLY")
        made.execute("SET statement_timeout = 0")
    with pytest.raises(WindowWithoutPartition):
        require_partitions(made.connection, table, (START, END))


@pytest.mark.parametrize("how", ["LIST (updated_at)", "HASH (id)", "RANGE (updated_at, id)", "RANGE (id)"])
def test_only_ranges_of_the_window_column_say_which_rows_have_a_partition(make_bench: MakeBench, how: str) -> None:
    made = make_bench(f"{BY_DAY} PARTITION BY {how}", KEYED)
    assert require_partitions(made.connection, table_of(made), (START, END)) == []


def test_a_row_without_a_partition_is_refused_with_what_helps(make_bench: MakeBench) -> None:
    made = make_bench(CUSTOMERS + " PARTITION BY RANGE (id)")
    reload = made.stage({"customers": [(3, "a", NOON)]})
    with pytest.raises(PartitionMissing) as caught:
        made.merge(reload)
    assert "production.customers has no partition for a staged row: 'no partition of relation" in str(caught.value)
    assert "create a partition for it, then materialize production of the window again. [" in str(caught.value)
    made.execute(part("low", "0", "10")[2:])
    assert made.merge(reload).outcomes["customers"].inserted == 1


def test_a_key_that_holds_the_window_column_is_remarked(make_bench: MakeBench) -> None:
    made = make_bench(PARTITIONED, KEYED)
    (remark,) = foreseen(table_of(made))
    assert remark.text.startswith(
        "production.customers: the key holds updated_at, so a row that moves to another window"
    )


def test_a_parent_that_another_group_reloads_is_named_with_its_group(make_bench: MakeBench) -> None:
    made = make_bench(f"{CUSTOMERS}; {ORDERS}", {"orders": dict(UPDATED_AT)})
    document = bench_document({"orders": dict(UPDATED_AT)})
    document["groups"]["crm"] = {"tables": {"customers": dict(UPDATED_AT)}}
    made.config = parse_config(yaml.safe_dump(document))
    with pytest.raises(ParentMissing, match=r"\(10\) wants \(id\)=\(1\); group crm reloads that table: reload the "):
        made.reload([(10, 1, NOON)])
    made.execute(f"INSERT INTO production.customers VALUES (1, 'a', '{NOON}')")
    assert made.reload([(10, 1, NOON)]).inserted == 1


@pytest.mark.parametrize(
    "default",
    [
        "nextval('production.numbers')",
        "nextval('production.numbers'::text)",
        "nextval('production.numbers')::integer",
        "nextval('production.\"Num''s\"')",
    ],
)
def test_a_sequence_that_no_column_owns_is_advanced_past_the_loaded_keys(make_bench: MakeBench, default: str) -> None:
    made = make_bench(
        'CREATE SEQUENCE production.numbers; CREATE SEQUENCE production."Num\'s";'
        f"{CUSTOMERS.replace('id integer', f'id integer DEFAULT {default}')}"
    )
    assert made.reload([(500, "a", NOON)]).inserted == 1
    assert made.rows("INSERT INTO production.customers (name) VALUES ('next') RETURNING id") == [(501,)]


def test_a_default_that_only_begins_with_a_sequence_is_left_alone(make_bench: MakeBench) -> None:
    made = make_bench(
        "CREATE SEQUENCE production.numbers; "
        + CUSTOMERS.replace("id integer", "id integer DEFAULT nextval('production.numbers') * 10")
    )
    assert made.reload([(500, "a", NOON)]).inserted == 1
    assert made.rows("SELECT nextval('production.numbers')") == [(1,)]
