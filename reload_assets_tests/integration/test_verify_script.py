"""The checks of a real table as one script: it has every statement that they run, and runs in psql."""

from __future__ import annotations

from collections.abc import Callable

from reload_assets.local.postgres import PostgresServer
from reload_assets.postgres.statements import sections
from reload_assets.verify.script import verify_script
from reload_assets_tests.integration.staged import NOON, StagedReload, target_of
from reload_assets_tests.roles import psql

DDL = """
CREATE SCHEMA production;
CREATE TABLE production.odd (
    "a :b" integer, line integer, "it's" varchar(20) NOT NULL, body text, updated_at timestamp,
    PRIMARY KEY ("a :b", line)
);
"""
TABLES = "odd: {window_column: updated_at}"
# Run before the load, or for values that do not fit; without a source no keys are noted.
ELSEWHERE = {"list_misfits", "create_source_keys", "match_source_keys", "list_lacking", "count_unselected"}


def script_of(reload: StagedReload, name: str) -> str:
    return verify_script(reload.reload, reload.table(name), reload.staged(name), reload.config.source.zone, 1)


def test_the_script_finds_what_the_checks_find_and_changes_nothing(
    postgres: PostgresServer, new_database: Callable[[str], str]
) -> None:
    url = new_database("verify_script")
    reload = StagedReload(target_of(postgres, url, DDL), TABLES)
    reload.stage("odd", [(number, 1, "name", "x" * 1024, NOON) for number in (7, 8, 9)])
    reload.finish(source=3)
    staging = reload.staged("odd").staging_table
    reload.execute(f"UPDATE staging.{staging} SET updated_at = '2024-12-31' WHERE \"a :b\" = 7")
    reload.execute(f'UPDATE staging.{staging} SET updated_at = NULL WHERE "a :b" = 8')
    script = script_of(reload, "odd")
    expected = {
        name for step in ("1_source_keys", "2_staging", "3_staged_values") for name in sections(f"verify/{step}")
    }
    assert {name for name in expected if f":{name}\n" in script} == expected - ELSEWHERE
    printed = psql(postgres, url, script)
    # Outside the window, without a value, the earliest and the latest; then cut LOBs and the longest.
    assert "1|1|2024-12-31 00:00:00|2024-12-31 00:00:00" in printed
    assert "3|1024" in printed
    failed = {name for name, one in reload.verify("odd").items() if one.status == "failed"}
    assert failed == {"window_bounds", "lob_limit"}
