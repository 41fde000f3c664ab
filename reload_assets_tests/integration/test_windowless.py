"""Rows that no window has, and columns that cut none: both are named, with what helps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from psycopg import Connection

from reload_assets.errors import SourceUnavailable
from reload_assets.errors.tables import WindowColumnOfSource
from reload_assets.local.oracle import OracleColumn, OracleTable, create_schema, create_table
from reload_assets.reload.parts import group_tables
from reload_assets.source.reader import SourceReader
from reload_assets.tables import ReloadTable, resolve_group
from reload_assets.verify import windowless
from reload_assets.verify.outcome import CheckOutcome
from reload_assets.verify.window_matches_source import compare_with_source
from reload_assets.verify.windowless import remarks_on_windowless, with_windowless
from reload_assets_tests.integration.staged import config

DAY = datetime(2025, 1, 2)
WINDOW = (DAY, DAY + timedelta(days=1))
HELP = (
    "have no updated_at and so belong to no window: no reload loads, compares or corrects them; give them a time and "
    "declare updated_at NOT NULL on both sides, or name a window column that every row has"
)
REPAIR = "; one that gets its time in the source alone is corrected only with null_version: repair"


@dataclass
class Both:
    """The table t on both sides."""

    source: Connection[Any]
    target: Connection[Any]
    reader: SourceReader

    def table(self, *, reader: bool = True, more: str = "") -> ReloadTable:
        tables = group_tables(config(f"t: {{window_column: updated_at{more}}}"), "sales")
        (table,) = resolve_group(tables, self.target, self.reader if reader else None)
        return table

    def warnings(self) -> list[str]:
        return remarks_on_windowless(self.target, self.table(), self.reader)

    def after_merge(self, *, reader: bool = True) -> CheckOutcome:
        table = self.table(reader=reader)
        compared = compare_with_source("c", self.target, table, WINDOW, self.reader if reader else None, None)
        return with_windowless(compared, self.target, table)


@pytest.fixture
def both(databases: tuple[str, str]) -> Iterator[Both]:
    source_url, target_url = databases
    with (
        psycopg.connect(source_url, autocommit=True) as source,
        psycopg.connect(target_url, autocommit=True) as target,
        SourceReader(sa.make_url(source_url), "SALES") as reader,
    ):
        create_schema(source, "SALES")
        source.execute('DROP TABLE IF EXISTS "SALES"."T"')
        columns = [
            OracleColumn("ID", "NUMBER(10)", nullable=False),
            OracleColumn("NOTE", "VARCHAR2(20)"),
            OracleColumn("UPDATED_AT", "TIMESTAMP(6)"),
            OracleColumn("SEEN_AT", "TIMESTAMP(6)"),
        ]
        create_table(source, "SALES", OracleTable("T", columns, ["ID"]))
        target.execute("DROP SCHEMA IF EXISTS production CASCADE; CREATE SCHEMA production")
        target.execute(
            "CREATE TABLE production.t (id int PRIMARY KEY, note varchar(20), updated_at timestamp, seen_at timestamp)"
        )
        target.execute("CREATE INDEX ON production.t (updated_at)")
        for side, name in ((source, '"SALES"."T"'), (target, "production.t")):
            side.execute(f"INSERT INTO {name} VALUES (1, 'a', '2025-01-02 12:00')".encode())
        yield Both(source, target, reader)


def test_rows_without_a_window_are_counted_on_both_sides(both: Both) -> None:
    assert both.warnings() == []
    assert both.after_merge().facts.get("rows_without_window") is None
    both.source.execute('INSERT INTO "SALES"."T" VALUES (2, \'new\', NULL)')
    assert both.warnings() == [f"1 row of the source's SALES.T {HELP}{REPAIR}"]
    both.target.execute("INSERT INTO production.t VALUES (2, 'old', NULL), (3, 'gone', NULL)")
    assert both.warnings() == [f"2 rows of production.t and 1 row of the source's SALES.T {HELP}{REPAIR}"]


def test_the_check_after_a_merge_names_what_it_cannot_see(both: Both) -> None:
    both.target.execute("INSERT INTO production.t VALUES (2, 'old', NULL)")
    both.source.execute('INSERT INTO "SALES"."T" VALUES (2, \'new\', NULL)')
    for reader, status in ((True, "passed"), (False, "could not verify")):
        outcome = both.after_merge(reader=reader)
        assert (outcome.status, outcome.facts["rows_without_window"]) == (status, 1)
        assert outcome.detail.endswith(f". 1 row of production.t {HELP}{REPAIR}.")


def test_what_helps_does(both: Both) -> None:
    both.target.execute("INSERT INTO production.t VALUES (2, 'old', NULL)")
    both.source.execute('INSERT INTO "SALES"."T" VALUES (2, \'new\', NULL)')
    for side, name in ((both.source, '"SALES"."T"'), (both.target, "production.t")):
        column = '"UPDATED_AT"' if side is both.source else "updated_at"
        side.execute(f"UPDATE {name} SET {column} = '2025-01-02 13:00' WHERE {column} IS NULL".encode())
        side.execute(f"ALTER TABLE {name} ALTER {column} SET NOT NULL".encode())
    assert both.warnings() == []
    # Now the comparison sees the row, and that it differs.
    assert both.after_merge().status == "failed"


@pytest.mark.parametrize("more", [", null_version: repair", ", version_column: seen_at"])
def test_a_repair_that_is_configured_or_would_not_help_is_not_advised(both: Both, more: str) -> None:
    both.target.execute("INSERT INTO production.t VALUES (2, 'old', NULL)")
    (said,) = remarks_on_windowless(both.target, both.table(more=more), both.reader)
    assert said == f"1 row of production.t {HELP}"


def test_a_column_that_cannot_be_null_is_not_read(both: Both) -> None:
    both.target.execute("ALTER TABLE production.t ALTER updated_at SET NOT NULL")
    table = both.table()
    both.target.execute("DROP TABLE production.t")
    assert windowless.count_in_production(both.target, table) == 0


def test_the_count_goes_no_further_than_its_limit(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windowless, "_MOST", 3)
    both.target.execute("INSERT INTO production.t SELECT n, 'x', NULL FROM generate_series(2, 9) AS n")
    both.source.execute('INSERT INTO "SALES"."T" SELECT n, \'x\', NULL FROM generate_series(2, 9) AS n')
    assert both.warnings() == [
        f"at least 3 rows of production.t and at least 3 rows of the source's SALES.T {HELP}{REPAIR}"
    ]


def test_a_source_that_cannot_be_asked_is_said(both: Both) -> None:
    table = both.table()
    both.source.execute('DROP TABLE "SALES"."T"')
    with pytest.raises(SourceUnavailable):
        remarks_on_windowless(both.target, table, both.reader)


@pytest.mark.parametrize(
    ("declared", "why"),
    [
        ("TIMESTAMP(6) WITH TIME ZONE", "which DMS carries as text"),
        ("NUMBER(13)", "a number, and a window is a stretch of time"),
        ("VARCHAR2(30)", "text, which a filter compares letter by letter"),
    ],
)
def test_the_type_in_the_source_counts_too(both: Both, declared: str, why: str) -> None:
    both.source.execute('DROP TABLE "SALES"."T"')
    columns = [
        OracleColumn("ID", "NUMBER(10)", nullable=False),
        OracleColumn("NOTE", "VARCHAR2(20)"),
        OracleColumn("UPDATED_AT", declared),
    ]
    create_table(both.source, "SALES", OracleTable("T", columns, ["ID"]))
    with pytest.raises(WindowColumnOfSource, match=why):
        both.table()
