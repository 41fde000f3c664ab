"""Which columns the DMS stand-in carries, under which names and with which values, as the AWS DMS user guide says."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from reload_assets.local.oracle import OracleColumn, OracleTable, create_schema, create_table
from reload_assets_tests.integration.standin_bench import (
    LOWERCASE,
    Bench,
    mapping,
    selection,
    transformation,
)

pytestmark = pytest.mark.thorough

ODD = OracleTable(
    "ODD",
    [
        OracleColumn("ID", "NUMBER(10)", nullable=False),
        OracleColumn("ORDER#", "VARCHAR2(20)"),
        OracleColumn("NET-AMOUNT", "NUMBER(10,2)"),
        OracleColumn("A/B", "VARCHAR2(20)"),
        OracleColumn("A\\B", "VARCHAR2(20)"),
        OracleColumn("A$B", "VARCHAR2(20)"),
        OracleColumn("DOUBLED", "NUMBER(10)", virtual='"ID" * 2'),
        OracleColumn("HIDDEN", "VARCHAR2(20)", invisible=True),
        OracleColumn("NOTE", "CLOB"),
    ],
    ["ID"],
)
INSERT = """
INSERT INTO "SALES"."ODD" ("ID", "ORDER#", "NET-AMOUNT", "A/B", "A\\B", "A$B", "HIDDEN", "NOTE")
VALUES ({}, 'C6BGJ566669K', 12.5, 'slash', 'back', 'dollar', 'hidden', 'note')
"""
COLUMNS = "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'staging.odd'::regclass"
SPECIAL = ["ORDER#", "NET-AMOUNT", "A/B", "A\\B"]


@pytest.fixture
def odd(bench: Bench) -> Iterator[Bench]:
    with psycopg.connect(bench.source_url, autocommit=True) as connection:
        create_schema(connection, "SALES")
        create_table(connection, "SALES", ODD)
        connection.execute(INSERT.format(1).encode())
    yield bench
    bench.rows("DROP TABLE IF EXISTS staging.odd")


def loaded(bench: Bench, *rules: dict[str, Any], **settings: Any) -> dict[str, str]:
    """Load into a table that DMS makes; its columns with their types."""
    task = bench.run(mapping(selection(1, "ODD"), *rules, *LOWERCASE), settings or None)
    assert task["StopReason"] == "Stop Reason FULL_LOAD_ONLY_FINISHED", task
    assert bench.statistics(task["ReplicationTaskArn"])["ODD"]["TableState"] == "Table completed"
    return dict(bench.rows(f"{COLUMNS} AND attnum > 0 ORDER BY attnum"))


def test_columns_with_special_characters_keep_their_names_and_virtual_and_invisible_ones_are_not_carried(
    odd: Bench,
) -> None:
    assert list(loaded(odd)) == ["id", *SPECIAL, "a$b", "note"]
    assert odd.rows("""SELECT "ORDER#", "NET-AMOUNT" FROM staging.odd""") == [("C6BGJ566669K", 12.5)]


RULES: list[tuple[str, dict[str, Any]]] = [
    ("rename", {"value": "renamed"}),
    ("remove-column", {}),
    ("add-prefix", {"value": "p_"}),
    ("change-data-type", {"data_type": {"type": "string", "length": 99}}),
    ("data-masking-digits-mask", {"value": "#"}),
    ("include-column", {}),
]
# A rename of all columns would meet other ones too, and a mask columns that cannot be masked.
OF_ALL = [one for one in RULES if one[0] not in ("rename", "data-masking-digits-mask")]


@pytest.mark.parametrize(
    ("column", "action", "more"),
    [(column, *one) for column in ("ORDER#", "NET-AMOUNT", "A/B", "%") for one in (OF_ALL if column == "%" else RULES)],
)
def test_no_rule_touches_a_column_with_a_special_character(
    odd: Bench, column: str, action: str, more: dict[str, Any]
) -> None:
    found = loaded(odd, transformation(5, "column", action, table="ODD", column=column, **more))
    assert {name: kind for name, kind in found.items() if name in SPECIAL} == {
        "ORDER#": "character varying(20)",
        "NET-AMOUNT": "numeric(10,2)",
        "A/B": "character varying(20)",
        "A\\B": "character varying(20)",
    }
    assert odd.rows("""SELECT "ORDER#" FROM staging.odd""") == [("C6BGJ566669K",)]


def test_a_column_that_is_not_removed_stands_in_the_way_of_those_after_it(odd: Bench) -> None:
    # COPY names no columns: a staging table without the column that "remove-column" was to leave out does not fit.
    odd.rows("""CREATE TABLE staging.odd (id integer, net numeric, ab text, ba text, a_b text, note text)""")
    removal = transformation(5, "column", "remove-column", table="ODD", column="ORDER#")
    task = odd.run(mapping(selection(1, "ODD"), removal, *LOWERCASE))
    assert odd.statistics(task["ReplicationTaskArn"])["ODD"]["TableState"] == "Table error"


def test_a_lob_column_can_be_removed_and_keeps_its_type(odd: Bench) -> None:
    text = {"type": "string", "length": 20}
    assert loaded(odd, transformation(5, "column", "change-data-type", column="NOTE", data_type=text))["NOTE"] == "text"
    odd.rows("DROP TABLE staging.odd")
    assert "note" not in loaded(odd, transformation(5, "column", "remove-column", column="NOTE"))


MASKED = {
    "data-masking-digits-mask": re.compile("d#llar-##"),
    "data-masking-digits-randomize": re.compile("d[0-9]llar-[0-9][0-9]"),
    "data-masking-hash-mask": re.compile(hashlib.sha256(b"d0llar-42").hexdigest().upper()),
}


@pytest.mark.parametrize("action", MASKED)
def test_masking_rules_are_applied_by_loads_and_by_replication(odd: Bench, action: str) -> None:
    odd.rows("""UPDATE "SALES"."ODD" SET "A$B" = 'd0llar-42'""", on_source=True)
    value = {"value": "#"} if action.endswith("digits-mask") else {}
    wide = {"type": "string", "length": 64}
    rules = [
        transformation(5, "column", "change-data-type", table="ODD", column="A$B", data_type=wide),
        transformation(6, "column", action, table="ODD", column="A$B", **value),
    ]
    loaded(odd, *rules)
    assert MASKED[action].fullmatch(odd.rows("""SELECT "A$B" FROM staging.odd""")[0][0])
    odd.rows("TRUNCATE staging.odd")
    arn = odd.create(mapping(selection(1, "ODD"), *rules, *LOWERCASE), MigrationType="cdc")
    odd.start(arn)
    odd.wait(arn, "running")
    odd.rows(INSERT.format(2).replace("'dollar'", "'d0llar-42'"), on_source=True)
    deadline = time.monotonic() + 10
    while not (rows := odd.rows("""SELECT "A$B", "ORDER#" FROM staging.odd""")):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert MASKED[action].fullmatch(rows[0][0])
    assert rows[0][1] == "C6BGJ566669K"
    odd.client.stop_replication_task(ReplicationTaskArn=arn)
    odd.wait(arn, "stopped")


def test_a_number_that_becomes_a_text_first_can_be_masked(odd: Bench) -> None:
    wide = {"type": "string", "length": 64}
    loaded(
        odd,
        transformation(5, "column", "change-data-type", table="ODD", column="ID", data_type=wide),
        transformation(6, "column", "data-masking-hash-mask", table="ODD", column="ID"),
    )
    assert odd.rows("""SELECT "ID" FROM staging.odd""") == [(hashlib.sha256(b"1").hexdigest().upper(),)]


@pytest.mark.parametrize(("policy", "status"), [(None, "failed"), ("SUSPEND_TABLE", "stopped")])
def test_a_column_that_cannot_be_masked_is_an_error_by_its_own_policy(
    odd: Bench, policy: str | None, status: str
) -> None:
    mask = transformation(5, "column", "data-masking-hash-mask", table="ODD", column="ID")
    settings = {"ErrorBehavior": {"DataMaskingErrorPolicy": policy}} if policy else None
    task = odd.run(mapping(selection(1, "ODD"), mask, *LOWERCASE), settings)
    assert task["Status"] == status
    assert odd.statistics(task["ReplicationTaskArn"])["ODD"]["TableState"] == "Table error"


def test_lob_settings_of_a_table_hold_and_none_leaves_them_to_the_task(odd: Bench) -> None:
    odd.rows("""UPDATE "SALES"."ODD" SET "NOTE" = repeat('x', 40000)""", on_source=True)
    rule = {"rule-type": "table-settings", "rule-id": "8", "rule-name": "8"}
    locator = {"schema-name": "SALES", "table-name": "ODD"}
    for lobs, length in (
        ({"mode": "none", "bulk-max-size": "1"}, 32 * 1024),
        ({"bulk-max-size": "1"}, 1024),
        ({"mode": "unlimited", "bulk-max-size": "0"}, 40000),
    ):
        loaded(odd, rule | {"object-locator": locator, "lob-settings": lobs})
        assert odd.rows("SELECT length(note) FROM staging.odd") == [(length,)]
        odd.rows("DROP TABLE staging.odd")
