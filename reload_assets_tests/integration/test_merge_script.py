"""The script of a table's merge does in psql what the merge does, in the same order, and takes it back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from psycopg import Connection

from reload_assets.ledger.records import Reload
from reload_assets.local.postgres import PostgresServer
from reload_assets.merge import preconditions, side_effects, statements
from reload_assets.merge.script import merge_script
from reload_assets.merge.statements import MergeStatements, merge_statements
from reload_assets.postgres.statements import run
from reload_assets_tests.integration.merge_bench import (
    CUSTOMERS,
    EARLIER,
    LATER,
    NOON,
    UPDATED_AT,
    MakeBench,
    MergeBench,
    Rows,
)
from reload_assets_tests.roles import psql

ORDERS = """
    CREATE TABLE production.orders (
        id serial PRIMARY KEY, customer integer REFERENCES production.customers {}, note text, updated_at timestamp
    )
"""
TURNS_AWAY = """
    CREATE FUNCTION production.pass() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
    CREATE TRIGGER pass BEFORE INSERT ON production.customers FOR EACH ROW EXECUTE FUNCTION production.pass()
"""


@dataclass(frozen=True)
class Case:
    """Production, what is staged for the last of its tables, and the options of that table."""

    ddl: str
    staged: Rows
    table: str = "customers"
    options: Mapping[str, Any] = field(default_factory=dict)

    def tables(self) -> dict[str, dict[str, Any]]:
        """The group."""
        return {self.table: {**UPDATED_AT, **self.options}}


def filled(rows: str, ddl: str = CUSTOMERS, table: str = "customers") -> str:
    return f"{ddl}; INSERT INTO production.{table} VALUES {rows}"


MIXED = [(1, "new", NOON), (2, "new", NOON), (3, "repaired", NOON), (4, "same", NOON), (5, "stale", EARLIER)]
MIXED_ROWS = f"(2, 'old', '{EARLIER}'), (3, 'torn', '{NOON}'), (4, 'same', '{NOON}'), (5, 'newer', '{LATER}')"
SWAPPED = [(1, "b", NOON), (2, "a", NOON), (3, "c", NOON)]
SWAPPED_ROWS = f"(1, 'a', '{EARLIER}'), (2, 'b', '{EARLIER}')"
PARENT = f"{CUSTOMERS}; INSERT INTO production.customers VALUES (1, 'one', '{NOON}')"
QUOTED = 'CREATE TABLE production.customers (id integer, "k:\'%" text, "a\\ ""b"": :c" text, updated_at timestamp'
CASES = {
    "every outcome": Case(filled(MIXED_ROWS), MIXED),
    "triggers": Case(f"{filled(MIXED_ROWS)}; {TURNS_AWAY}", MIXED),
    "values that can be NULL meanwhile": Case(
        filled(SWAPPED_ROWS, CUSTOMERS.replace("name text", "name text UNIQUE")), SWAPPED
    ),
    "values that cannot": Case(
        filled(SWAPPED_ROWS, CUSTOMERS.replace("name text", "name text NOT NULL UNIQUE")), SWAPPED
    ),
    "values that a row has which was not loaded": Case(
        filled(f"(8, 'b', '{EARLIER}'), (9, 'x', '{EARLIER}')", CUSTOMERS.replace("name text", "name text UNIQUE")),
        SWAPPED,
        options={"orphans": "delete"},
    ),
    "values that are checked late": Case(
        filled(SWAPPED_ROWS, CUSTOMERS.replace("name text", "name text UNIQUE DEFERRABLE")), SWAPPED
    ),
    "children that follow": Case(
        filled(SWAPPED_ROWS, CUSTOMERS.replace("name text", "name text UNIQUE"))
        + "; CREATE TABLE production.notes (name text REFERENCES production.customers (name) ON UPDATE CASCADE)",
        SWAPPED,
    ),
    "parents and a sequence": Case(
        PARENT + ";" + ORDERS.format(""), [(7, 1, "o'c", NOON), (8, None, "\\", NOON)], "orders"
    ),
    "parents that may come later": Case(PARENT + ";" + ORDERS.format("DEFERRABLE"), [(7, 1, "note", NOON)], "orders"),
    "names and keys of every kind": Case(
        filled(f"(1, ':x', 'old', '{EARLIER}')", f"""{QUOTED}, PRIMARY KEY ("k:'%", id))"""),
        [(1, ":x", "100%", NOON), (2, "%s '", "it's :'start'", NOON)],
    ),
    "columns of other names": Case(
        filled(MIXED_ROWS),
        MIXED,
        options={"columns": {"id": "NAME", "name": "ID", "updated_at": "CHANGED"}},
    ),
    "rows marked as deleted": Case(
        filled(f"(1, 'a', '{NOON}', '{NOON}'), (2, 'b', '{NOON}', NULL)", f"{CUSTOMERS[:-1]}, gone timestamptz)"),
        SWAPPED,
        options={"soft_delete_column": "gone", "orphans": "soft_delete"},
    ),
}


def staged(made: MergeBench, case: Case) -> tuple[Reload, MergeStatements]:
    reload = made.stage({case.table: case.staged})
    known = made.ledger.tables(reload.reload_id)
    (statements,) = merge_statements(reload, made.resolve(), known, made.config.source.zone)
    return reload, statements


def content(made: MergeBench, table: str) -> list[tuple[Any, ...]]:
    """What the merge may change."""
    written = made.rows(f"SELECT to_jsonb(t.*) FROM production.{table} AS t ORDER BY to_jsonb(t.*)::text")
    return written + sorted(made.audit(), key=str)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_script_does_in_psql_what_the_merge_does(
    make_bench: MakeBench, postgres: PostgresServer, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_bench(case.ddl, case.tables())
    reload, statements = staged(made, case)
    script = merge_script(statements)
    before = content(made, case.table)
    sequences = made.rows("SELECT sequencename, last_value FROM pg_sequences WHERE schemaname = 'production'")
    psql(postgres, made.url, script)
    assert content(made, case.table) == before
    assert made.rows("SELECT sequencename, last_value FROM pg_sequences WHERE schemaname = 'production'") == sequences
    noted = record(monkeypatch)
    outcomes = made.merge(reload).outcomes[case.table]
    assert outcomes.changed > 0
    merged = content(made, case.table)
    assert merged != before
    # The preconditions are asked once more before the transaction.
    ran = noted[len(noted) - noted[::-1].index("merge/1_preconditions:lock_selection") - 1 :]
    left = iter(re.findall(r"^(?:-- )+(merge/\S+)$", script, re.MULTILINE))
    assert [name for name in ran if name not in left] == []
    # The same statements once more, and kept.
    made = make_bench(case.ddl, case.tables())
    _, statements = staged(made, case)
    psql(postgres, made.url, merge_script(statements).replace("\nROLLBACK;\n", "\nCOMMIT;\n"))
    assert content(made, case.table) == merged


def record(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note the statements of the merge that run from now on, in their order."""
    ran: list[str] = []

    def noted(connection: Connection[Any], name: str, /, *parts: Any, **values: Any) -> Any:
        if name.startswith("merge/"):
            ran.append(name)
        return run(connection, name, *parts, **values)

    for module in (statements, preconditions, side_effects):
        monkeypatch.setattr(module, "run", noted)
    return ran


def test_what_the_merge_would_do_is_printed(make_bench: MakeBench, postgres: PostgresServer) -> None:
    case = CASES["every outcome"]
    made = make_bench(case.ddl, case.tables())
    _, statements = staged(made, case)
    script = merge_script(statements)
    assert script.startswith(
        f"-- The merge of production.customers by {statements.reload.title}. It ends with ROLLBACK"
    )
    printed = psql(postgres, made.url, script).splitlines()
    assert {"inserted|1", "updated|1", "repaired|1", "refused|1"} <= set(printed)


def test_a_row_whose_parent_the_script_does_not_merge_counts_as_parentless(
    make_bench: MakeBench, postgres: PostgresServer
) -> None:
    tables = {"customers": dict(UPDATED_AT), "orders": dict(UPDATED_AT)}
    made = make_bench(PARENT + ";" + ORDERS.format(""), tables)
    reload = made.stage({"customers": [(2, "two", NOON)], "orders": [(7, 1, "", NOON), (8, 2, "", NOON)]})
    all_statements = merge_statements(
        reload, made.resolve(), made.ledger.tables(reload.reload_id), made.config.source.zone
    )
    printed = psql(postgres, made.url, merge_script(all_statements[1], all_statements)).splitlines()
    assert {"inserted|1", "parentless|1", "1|{{8}}|{{2}}"} <= set(printed)
