"""The script of a table's confirm runs in psql, names each statement in its order, and takes back what it does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest

from reload_assets.confirm.script import confirm_script
from reload_assets.confirm.statements import ConfirmStatements
from reload_assets.local.oracle import OracleColumn, OracleTable
from reload_assets.local.postgres import PostgresServer
from reload_assets.merge.statements import merge_statements
from reload_assets.postgres.statements import file_names, sections
from reload_assets.reload.parts import group_tables
from reload_assets.tables import resolve_group
from reload_assets_tests.integration.confirm_bench import confirm_bench
from reload_assets_tests.integration.merge_bench import GROUP, NOON, UPDATED_AT
from reload_assets_tests.integration.throwaway import throwaway_database
from reload_assets_tests.roles import psql

_AT = OracleColumn("UPDATED_AT", "TIMESTAMP(6)")
_ID = OracleColumn("ID", "NUMBER(9)", nullable=False)
STAGED = [(1, "new", NOON), (2, "same", NOON), (3, "other", NOON)]


@dataclass(frozen=True)
class Case:
    """Production, the columns of the source's table, and its options."""

    ddl: str
    source: OracleTable
    options: dict[str, Any] = field(default_factory=dict)
    rows: tuple[tuple[Any, ...], ...] = tuple(STAGED)
    has_reader: bool = True


CUST = OracleColumn("CUST", "VARCHAR2(40)")
PLAIN = "CREATE TABLE production.customers (id integer PRIMARY KEY, name text{}, updated_at timestamp{})"
SOURCE = OracleTable("CUSTOMERS", [_ID, OracleColumn("NAME", "VARCHAR2(40)"), _AT], ["ID"])
CASES = {
    "plain": Case(PLAIN.format("", ""), SOURCE),
    "unique values and children": Case(
        PLAIN.format(" UNIQUE", "")
        + "; CREATE TABLE production.orders (customer integer REFERENCES production.customers ON DELETE CASCADE)",
        SOURCE,
        {"orphans": "delete"},
    ),
    "columns of other names": Case(
        PLAIN.format(" UNIQUE", ""),
        OracleTable("CUSTOMERS", [OracleColumn("NAME", "NUMBER(10)", nullable=False), CUST, _AT], ["NAME"]),
        {"columns": {"id": "NAME", "name": "CUST"}, "orphans": "delete"},
    ),
    "rows marked as deleted": Case(
        PLAIN.format("", ", gone boolean"), SOURCE, {"orphans": "soft_delete", "soft_delete_column": "gone"}
    ),
    "names and keys of every kind": Case(
        """CREATE TABLE production.customers (
            "k:'%" text, id integer, updated_at timestamp, "a ""b"": :c" text, PRIMARY KEY ("k:'%", id)
        )""",
        OracleTable(
            "CUSTOMERS",
            [OracleColumn("K:'%", "VARCHAR2(9)", nullable=False), _ID, _AT, OracleColumn('A "B": :C', "VARCHAR2(40)")],
            ["K:'%", "ID"],
        ),
        rows=((":x", 1, NOON, "100%"), ("%s '", 2, NOON, "it's :'start'")),
    ),
    "no source connection": Case(PLAIN.format("", ""), SOURCE, has_reader=False),
}


@pytest.fixture(scope="module")
def databases(postgres: PostgresServer) -> Iterator[tuple[str, str]]:
    with throwaway_database(postgres, "script_target") as target, throwaway_database(postgres, "script") as source:
        yield target, source


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_script_runs_in_psql_and_changes_nothing(
    postgres: PostgresServer, databases: tuple[str, str], case: Case
) -> None:
    options = {"customers": {**UPDATED_AT, **case.options}}
    with confirm_bench(*databases, case.ddl, [case.source], options) as bench:
        reload = bench.merge({"customers": list(case.rows)})
        reader = bench.reader if case.has_reader else None
        with bench.made.target.connect() as connection:
            tables = resolve_group(group_tables(bench.made.config, GROUP), connection, reader, reload.tables)
        known = bench.made.ledger.tables(reload.reload_id)
        (merge,) = merge_statements(reload, tables, known, bench.made.config.source.zone)
        script = confirm_script(ConfirmStatements(merge, exact=True))
        before = content(databases[0])
        printed = psql(postgres, databases[0], script)
        assert content(databases[0]) == before
    # What the source does not show seems to be gone: the merge brought the rows, so they would be deleted.
    assert f"delete|{len(case.rows)}" in printed.splitlines()
    named = re.findall(r"^-- ((?:confirm|compare)\S*:\w+)$", script, re.MULTILINE)
    every = [f"{file}:{section}" for file in file_names("confirm") for section in sections(file)]
    in_order = [name for name in dict.fromkeys(named) if name != "compare:create_differences"]
    assert in_order == [name for name in every if name in named]
    assert set(every) - set(named) <= {
        *(f"confirm/1_keys:{name}" for name in ("find_named", "collect_named", "find_row")),
        *(f"confirm/2_pass:{name}" for name in ("create_texts", "type_texts", "list_texts", "add_unfit")),
        *(f"confirm/2_pass:{name}" for name in ("mark_takers", "collect_holders")),
        *(
            f"confirm/6_correct:{name}"
            for name in ("find_chains", "find_holder", "refuse_followed", "soft_delete_rows")
        ),
        *(f"confirm/8_compare:{name}" for name in ("collect_differences", "list_differences")),
    }


def content(url: str) -> list[tuple[Any, ...]]:
    """Production and its audit, row by row, with their versions."""
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT ctid::text, xmin::text, to_jsonb(t.*) FROM production.customers AS t")
        audit = connection.execute("SELECT change_id, operation, key FROM admin.reload_changes ORDER BY change_id")
        return [*rows.fetchall(), *audit.fetchall()]
