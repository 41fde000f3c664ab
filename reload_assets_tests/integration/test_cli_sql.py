"""``reload-assets sql``: which table of which reload it prints a step of, and that psql can run what it prints."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from reload_assets.cli import main
from reload_assets.cli.sql import STEPS, Chosen
from reload_assets.local.postgres import PostgresServer
from reload_assets.postgres.connection import TargetDatabase
from reload_assets_tests.integration.staged import DAY, HEAD, NOON, StagedReload, target_of
from reload_assets_tests.integration.throwaway import throwaway_database
from reload_assets_tests.roles import psql

DDL = """
CREATE SCHEMA production;
CREATE TABLE production.customers (id integer PRIMARY KEY, name text, updated_at timestamp NOT NULL);
CREATE TABLE production.orders (
    id integer PRIMARY KEY, customer_id integer REFERENCES production.customers, note text,
    updated_at timestamp NOT NULL
);
INSERT INTO production.customers VALUES (1, 'one', '2025-01-02 12:00');
INSERT INTO production.orders VALUES (1, 1, 'before', '2025-01-02 11:00'), (2, 1, 'same', '2025-01-02 12:00');
"""
TABLES = "customers: {window_column: updated_at}\norders: {window_column: updated_at}"


@dataclass(frozen=True)
class Rig:
    url: str
    target: TargetDatabase
    config: Path

    def run(self, *arguments: str) -> Result:
        return CliRunner().invoke(main, ["--config", str(self.config), "sql", *arguments], catch_exceptions=False)

    def refused(self, *arguments: str) -> str:
        result = self.run(*arguments)
        assert (result.exit_code, result.stdout) == (1, "")
        (said,) = result.stderr.splitlines()
        return said


@pytest.fixture
def rig(postgres: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    with throwaway_database(postgres, "cli_sql") as url:
        target = target_of(postgres, url, DDL)
        login = f"host: {target.host}, port: {target.port}, database: {target.database}, user: {target.user}"
        head = HEAD.replace("host: h, port: 1, database: d, user: u", login)
        file = tmp_path / "reload.yaml"
        file.write_text(head + "\n".join(f"      {line}" for line in TABLES.splitlines()), encoding="utf-8")
        monkeypatch.setenv("P", str(target.password))
        yield Rig(url, target, file)


@pytest.fixture
def staged(rig: Rig) -> StagedReload:
    """A loaded window in which one row is newer, one the same and one missing in production."""
    reload = StagedReload(rig.target, TABLES)
    reload.stage("customers", [(1, "one", NOON)])
    reload.stage("orders", [(1, 1, "after", NOON), (2, 1, "same", NOON), (3, 1, "missing", NOON)])
    reload.finish()
    return reload


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch) -> list[Chosen]:
    """What the step ``merge`` was asked to print."""
    asked: list[Chosen] = []

    def script(chosen: Chosen) -> str:
        asked.append(chosen)
        return "SELECT 1;\n"

    monkeypatch.setitem(STEPS, "merge", script)
    return asked


def test_the_latest_reload_of_the_table_is_printed_as_it_was_resolved(
    rig: Rig, staged: StagedReload, printed: list[Chosen]
) -> None:
    staged.ledger.close(staged.reload.reload_id, "failed", "end of the first")
    later = StagedReload(rig.target, "orders: {window_column: updated_at}", installed=True)
    assert rig.run("merge", "sales.orders").stdout == "SELECT 1;\n"
    rig.run("merge", "sales.customers")
    rig.run("merge", "sales.orders", "--reload", "1")
    tables = [one.table for one in printed]
    assert [(one.reload.reload_id, one.staged.staging_table, one.position) for one in tables] == [
        (later.reload.reload_id, "orders_r2", 1),
        (1, "customers_r1", 1),
        (1, "orders_r1", 2),
    ]
    assert [[other.table.name for other in one.others] for one in printed] == [[], ["orders"], ["customers"]]
    assert tables[2].table == staged.table("orders")
    assert tables[2].bounds == DAY.in_zone(staged.config.source.zone)
    assert not printed[2].beside_cdc


def test_it_says_whether_a_cdc_task_writes_the_table(rig: Rig, printed: list[Chosen]) -> None:
    StagedReload(rig.target, TABLES)
    written = rig.config.read_text(encoding="utf-8")
    rig.config.write_text(f"{written}\ncdc: {{task_arn: arn}}\n", encoding="utf-8")
    rig.run("merge", "sales.orders")
    assert [one.beside_cdc for one in printed] == [True]


def test_without_a_ledger_it_says_what_to_run(rig: Rig) -> None:
    assert rig.refused("confirm", "sales.orders").endswith("reload-assets install. [ledger-missing]")


def test_without_a_reload_it_says_so(rig: Rig) -> None:
    StagedReload(rig.target, "customers: {window_column: updated_at}")
    assert rig.refused("merge", "sales.orders") == (
        "The ledger has no reload of sales.orders yet; reload a window of it first. [no-reload-yet]"
    )


def test_a_reload_of_other_tables_is_refused(rig: Rig) -> None:
    StagedReload(rig.target, "customers: {window_column: updated_at}")
    assert rig.refused("merge", "sales.orders", "--reload", "1") == (
        f"reload 1 of sales {DAY.key} has no table sales.orders, only customers of sales; name another with --reload. "
        "[reload-of-others]"
    )
    assert "[reload-unknown]" in rig.refused("merge", "sales.orders", "--reload", "7")


def test_a_table_that_is_not_configured_is_named(rig: Rig) -> None:
    said = rig.refused("merge", "sales.order")
    assert said == f"{rig.config}: groups: has no table 'sales.order'; did you mean 'sales.orders'? [config-value]"


def test_a_staging_table_that_was_dropped_is_named(rig: Rig, staged: StagedReload) -> None:
    staged.execute("UPDATE admin.reload_tables SET staging_dropped_at = '2025-02-01 10:00Z'")
    assert rig.refused("merge", "sales.orders") == (
        f"reload 1 of sales {DAY.key}: its staging table staging.orders_r1 no longer exists; reload the window again. "
        "[staging-gone]"
    )


@pytest.mark.parametrize("step", list(STEPS))
def test_psql_runs_what_is_printed_and_changes_nothing(
    rig: Rig, staged: StagedReload, postgres: PostgresServer, step: str
) -> None:
    result = rig.run(step, "sales.orders")
    assert result.exit_code == 0
    assert "orders_r1" in result.stdout
    psql(postgres, rig.url, result.stdout)
    assert staged.execute("SELECT id, note FROM production.orders ORDER BY id") == [(1, "before"), (2, "same")]
    assert staged.execute("SELECT status FROM admin.reloads") == [("loaded",)]
