"""A task that validates compares production as the configuration has it: other names, other schemas."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import pytest

from reload_assets.dms.tasks import LoadTasks
from reload_assets.errors.validation import ValidationFailed
from reload_assets.local.oracle import OracleColumn, OracleTable
from reload_assets.reload.steps import Steps
from reload_assets.reload.validation import Validation
from reload_assets_tests.integration.reload_bench import LIMITS, ReloadBench, reload_bench

CHANGED = OracleColumn("UPDATED_AT", "TIMESTAMP(6)")
ID = OracleColumn("ID", "NUMBER(10)", nullable=False)
TABLES = [
    OracleTable(
        "BIG_CUSTOMERS",
        [ID, OracleColumn("CUST_NM", "VARCHAR2(40)"), OracleColumn("OLD", "VARCHAR2(9)"), CHANGED],
        ["ID"],
    ),
    OracleTable("ORDERS", [ID, CHANGED], ["ID"]),
    OracleTable("OTHER", [ID], ["ID"]),
    OracleTable("ODD", [ID, OracleColumn("NO#", "NUMBER(9)"), CHANGED], ["ID"]),
]
DDL = """
CREATE SCHEMA archive;
CREATE TABLE production.clients (id integer PRIMARY KEY, customer_name varchar(40), updated_at timestamp(6));
CREATE TABLE archive.orders (id integer PRIMARY KEY, updated_at timestamp(6));
CREATE TABLE production.other (id integer PRIMARY KEY);
CREATE TABLE production.odd (id integer PRIMARY KEY, number integer, updated_at timestamp(6));
"""
GROUP: dict[str, dict[str, Any]] = {
    "clients": {
        "source": "BIG_CUSTOMERS",
        "window_column": "updated_at",
        "columns": {"customer_name": "CUST_NM"},
        "ignored_source_columns": ["OLD"],
    },
    "orders": {"target": "archive.orders", "window_column": "updated_at"},
    "odd": {"window_column": "updated_at", "columns": {"number": "NO#"}},
}


class Interrupted(BaseException):
    """What an interrupt of a run looks like."""


def validation(bench: ReloadBench) -> Validation:
    return Validation(**{one.name: getattr(bench.load, one.name) for one in fields(Steps)})


def test_tables_are_compared_under_their_names_in_production(new_database: Callable[[str], str]) -> None:
    with reload_bench(new_database, TABLES, DDL, GROUP, replicated=["OTHER"]) as bench:
        for number in (1, 2, 3):
            bench.on_source(
                f"""INSERT INTO "SALES"."BIG_CUSTOMERS" VALUES ({number}, 'n{number}', 'x', '2025-01-03');
                INSERT INTO "SALES"."ORDERS" VALUES ({number}, '2025-01-03')"""
            )
        bench.on_production(
            """INSERT INTO production.clients VALUES (1, 'n1', '2025-01-03'), (2, 'other', '2025-01-03');
            INSERT INTO archive.orders VALUES (1, '2025-01-03'), (2, '2025-01-03'), (4, '2025-01-03')"""
        )
        validated = validation(bench).run("sales", "run")
        assert {name: (one.state, one.failed) for name, one in validated.tables.items()} == {
            "clients": ("Mismatched records", 2),
            "orders": ("Mismatched records", 2),
        }
        found = {(one.table, *one.keys[0], one.evidence["kind"]) for one in validated.found.findings}
        assert found == {
            ("clients", "2", "RECORD_DIFF"),
            ("clients", "3", "MISSING_TARGET"),
            ("orders", "3", "MISSING_TARGET"),
            ("orders", "4", "MISSING_SOURCE"),
        }
        assert validated.found.problems == []
        [said] = validated.not_validated
        assert "did not validate production.odd: DMS cannot rename the columns NO# of SALES.ODD" in said
        assert bench.load.tasks.find_own() == {}, "the tasks are removed"
        # They listed their own failures, so the second run does not find those of the first.
        assert len(validation(bench).run("sales", "run").found.findings) == len(found)

        def interrupted(said: str) -> None:
            if said.startswith("DMS "):
                raise Interrupted

        with pytest.raises(Interrupted):
            replace(validation(bench), say=interrupted).run("sales", "run")
        assert bench.load.tasks.find_own() == {}, "that of an interrupted run too"

        impatient = LoadTasks(bench.account.client, replace(LIMITS, load_timeout=0))
        with pytest.raises(ValidationFailed, match=r"is still \w+ after 0 s \(dms\.polling\.load_timeout_seconds\)"):
            replace(validation(bench), tasks=impatient).run("sales", "run")
        assert bench.load.tasks.find_own() == {}, "and one that takes too long"
