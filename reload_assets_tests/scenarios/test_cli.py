"""The command ``reload-assets`` on the embedded stack: what it says of a good configuration and of bad ones."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import date, datetime
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner, Result
from psycopg import sql

from reload_assets.cli import main
from reload_assets.ledger.install import VIEWS
from reload_assets.local import compare
from reload_assets.local.stack import Stack, checkout_file
from reload_assets.postgres.statements import file_names
from reload_assets_tests.scenarios.runs import Runner, failures

Written = Callable[[str, str], str]


def command(*arguments: str) -> Result:
    """Run ``reload-assets`` in this process; errors other than its own exit are raised."""
    return CliRunner().invoke(main, arguments, catch_exceptions=False)


def found(checked: Result, severity: str) -> list[str]:
    """The findings of one severity."""
    lines = (line.split(maxsplit=1) for line in checked.stdout.splitlines())
    return [text for kind, text in lines if kind == severity]


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """reload.yaml of the stack with one thing changed; the file's name."""

    def write(old: str, new: str) -> str:
        text = checkout_file("reload.yaml").read_text(encoding="utf-8")
        assert old in text
        file = tmp_path / "reload.yaml"
        file.write_text(text.replace(old, new, 1), encoding="utf-8")
        return str(file)

    return write


def state(stack: Stack) -> tuple[object, ...]:
    """What a command that changes nothing leaves as it is: the relations, the ledger, production's rows."""
    with stack.connect_target() as target:
        relations = target.execute(
            "SELECT oid FROM pg_class WHERE relnamespace::regnamespace::text IN ('admin', 'staging', 'production') "
            "ORDER BY 1"
        ).fetchall()
        reloads = target.execute("SELECT count(*) FROM admin.reloads").fetchall()
        return relations, reloads, compare.outside_digest(target, datetime(1900, 1, 1), datetime(1900, 1, 2))


def test_doctor_tells_what_will_be_reloaded_and_changes_nothing(stack: Stack) -> None:
    before = state(stack)
    checked = command("doctor")
    assert checked.exit_code == 0
    said = checked.stdout.splitlines()
    assert {tuple(line.split(":")[0].split()) for line in said} == {
        ("ok", "sales.customers"),
        ("ok", "sales.orders"),
        ("ok", "sales.order_items"),
        ("ok", "sales.documents"),
        ("ok", "sales"),
        ("ok", "windows"),
        ("ok", "source"),
        ("ok", "SALES.DOCUMENTS"),
        ("ok", "target"),
        ("ok", "cdc"),
        ("ok", "DMS"),
        ("ok", "notify"),
    }
    (items,) = [line for line in said if "sales.order_items" in line]
    assert "ORDER_ITEMS -> production.order_items" in items
    assert "key (order_id, line_no), window and version updated_at" in items
    (cdc,) = [line for line in said if "cdc:" in line]
    assert f"the task {stack.environment['RELOAD_CDC_TASK_ARN']} is running and lags" in cdc
    assert state(stack) == before


def test_doctor_names_the_group_that_dagster_does_not_take_and_checks_the_rest(stack: Stack, written: Written) -> None:
    file = written('owners: ["team:data-platform"]', "owners: [alice]")
    checked = command("--config", file, "doctor")
    assert checked.exit_code == 1
    (said,) = found(checked, "problem")
    assert f"{file}: groups.sales.owners: 'alice' is neither an e-mail address nor team:NAME" in said
    assert len(found(checked, "ok")) == len(command("doctor").stdout.splitlines())


def test_doctor_prints_what_the_page_about_ones_own_databases_shows(stack: Stack) -> None:
    # The reference group's own tables have what they need.
    good = command("doctor")
    assert (good.exit_code, found(good, "warn"), good.stderr) == (0, [], "0 problems, 0 warnings\n")
    with stack.connect_target() as target:
        target.execute("DROP INDEX production.orders_updated_at_idx")
        # None of these finds the rows of a window.
        target.execute("CREATE INDEX second ON production.orders (amount, updated_at)")
        target.execute("CREATE INDEX partial ON production.orders (updated_at) WHERE amount > 0")
        target.execute("CREATE INDEX expression ON production.orders (date_trunc('day', updated_at))")
        target.execute("CREATE INDEX hashed ON production.orders USING hash (updated_at)")
        target.execute("REVOKE INSERT ON production.orders FROM reload_job")
        try:
            bad = command("doctor")
        finally:
            target.execute("GRANT INSERT ON production.orders TO reload_job")
            target.execute("DROP INDEX production.second, production.partial, production.expression, production.hashed")
            target.execute("CREATE INDEX ON production.orders (updated_at)")
    assert (bad.exit_code, bad.stderr) == (1, "1 problem, 1 warning\n")
    page = checkout_file("docs/start/your-databases.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"```text\n(ok .*?)```", page, re.DOTALL)
    said = re.sub(r"@127\.0\.0\.1:\d+/target", "@db.example:5432/sales", bad.stdout).splitlines()
    wanted = [line for line in said if "sales.orders:" in line or not line.startswith("ok ")]
    assert shown.split() == " ".join(wanted).split()


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("control_schema: dmslogs", "control_schema: dmslog", "The target has no table dmslog.awsdms_status"),
        (
            "task_arn: {env: RELOAD_CDC_TASK_ARN}",
            "task_arn: arn:aws:dms:us-east-1:0:task:NONE",
            "DMS knows no CDC task arn:aws:dms:us-east-1:0:task:NONE; check its ARN",
        ),
        ("schema: SALES", "schema: SALE", "SALE"),
        (
            "version_column: updated_at",
            "version_column: updatd_at",
            "groups.sales.tables.documents.version_column: 'updatd_at' is not a column of production.documents; "
            "did you mean 'updated_at'?",
        ),
        ("schema: SALES", "schema: sales", "has no schema 'sales' (did you mean 'SALES'?); fix the name"),
        (
            "      orders:",
            "      elsewhere.orders:",
            "there is no table elsewhere.orders, or this login",
        ),
        ("cadence: daily", "cadence: dayly", "windows.cadence: 'dayly' is not a cadence"),
        ("{env: RELOAD_DMS_SOURCE_ARN}", "{env: RELOAD_DMS_TARGET_ARN}", "is of type target, but it is configured as"),
        ("{env: RELOAD_TARGET_PORT}", "9", "target.connection: cannot log in to PostgreSQL as reload_job@127.0.0.1:9"),
        ("{env: RELOAD_TARGET_PASSWORD}", "{env: RELOAD_SOURCE_PASSWORD}", "target.connection: cannot log in"),
        ("groups:", "groups: [", "line "),
    ],
)
def test_a_mistake_is_a_line_of_its_own_and_exit_code_1(
    stack: Stack, written: Written, old: str, new: str, sentence: str
) -> None:
    checked = command("--config", written(old, new), "doctor")
    assert checked.exit_code == 1
    said = found(checked, "problem") or checked.stderr.splitlines()
    assert sum(sentence in line for line in said) == 1
    assert "Traceback" not in checked.output
    for name, value in stack.environment.items():
        if name.endswith("_PASSWORD"):
            assert value not in checked.output


@pytest.fixture
def empty_database(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A target where the job role has no rights yet; its URL for a superuser."""
    with psycopg.connect(stack.postgres.url(), autocommit=True) as connection:
        connection.execute("CREATE DATABASE fresh")
    monkeypatch.setenv("RELOAD_TARGET_DATABASE", "fresh")
    yield stack.postgres.url("fresh")
    with psycopg.connect(stack.postgres.url(), autocommit=True) as connection:
        connection.execute("DROP DATABASE fresh WITH (FORCE)")


def test_install_makes_the_schemas_once_and_says_what_it_lacks(stack: Stack, empty_database: str) -> None:
    refused = command("install")
    assert refused.exit_code == 1
    said = refused.stderr
    assert "target.connection: PostgreSQL says: permission denied for database fresh" in said
    assert len(said.splitlines()) == 1

    role = sql.Identifier(stack.environment["RELOAD_TARGET_USER"])
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA production")
        connection.execute(sql.SQL("GRANT CREATE ON DATABASE fresh TO {}").format(role))
    first, second = command("install"), command("install")
    assert (first.exit_code, second.exit_code) == (0, 0)
    numbered = [name for name in file_names("ddl") if name.removeprefix("ddl/")[:4].isdigit()]
    assert f"{len(numbered)} schema files applied" in first.stdout
    assert "0 schema files applied: all were there" in second.stdout
    with psycopg.connect(empty_database) as connection:
        views = connection.execute("SELECT viewname FROM pg_views WHERE schemaname = 'admin' ORDER BY 1").fetchall()
    assert [name for (name,) in views] == sorted(VIEWS)


@pytest.mark.usefixtures("empty_database")
def test_a_reload_into_a_target_without_the_schemas_names_the_command(runner: Runner, day: date) -> None:
    result = runner.run(day.isoformat())
    assert not result.success
    (said,) = failures(result)
    assert said.startswith("The target reload_job@127.0.0.1:")
    assert said.endswith(
        "/fresh has no ledger (admin.reloads); install it with: reload-assets install. [ledger-missing]"
    )
    assert runner.dms_tasks() == []
