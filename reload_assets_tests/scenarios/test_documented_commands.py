"""Every command of the README, of the start pages and of the how-tos runs, in the order of a first reading.

The stack has the days, tables and names that the pages use, so the commands run as they are written. What cannot run
here is in ``ELSEWHERE``, with the test that runs it.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result
from dagster import DagsterInstance

from reload_assets.cli import main
from reload_assets.local.stack import Rows, Stack
from reload_assets.local.ui import write_environment
from reload_assets_tests.pages import CHECKOUT, FOLLOWED, blocks, commands
from reload_assets_tests.roles import find_psql, make_logins_cheap
from reload_assets_tests.scenarios.requesting import launch, tick
from reload_assets_tests.scenarios.runs import Runner

pytestmark = pytest.mark.thorough

DAY = (datetime(2025, 1, 3), datetime(2025, 1, 4))
TESTS = CHECKOUT / "reload_assets_tests"

# By the beginning of a command: a test that runs the same, and what to look for in it.
ELSEWHERE = {
    "make demo": ("scenarios/test_demo.py", "demo.main()"),
    "make ui": ("browser/served.py", "reload_assets.local.ui"),
    "pip install": ("integration/test_wheel.py", '"install"'),
    "dagster dev -w workspace.yaml": ("browser/served.py", "reload_assets.local.ui"),
    "reload-assets init": ("scenarios/test_init.py", '["init"'),
}
# What the reader of a page has, and the stack has not: a login that asks for reloads, CDC's login, a control schema.
BEFOREHAND = """
CREATE ROLE analyst;
CREATE ROLE dms_cdc;
CREATE SCHEMA production;
CREATE TABLE production.orders (order_id serial PRIMARY KEY);
CREATE SCHEMA dmslogs AUTHORIZATION dms_cdc;
"""


@pytest.fixture(scope="module")
def own_stack() -> Iterator[Stack]:
    """A stack of this module, whose third day is damaged. Its first reload has the number 1."""
    with Stack(Rows(days=4, customers_per_day=10, orders_per_day=20)) as running:
        logins = [f"RELOAD_{name}" for name in ("SOURCE", "TARGET")]
        make_logins_cheap(
            running.postgres,
            {running.environment[f"{name}_USER"]: running.environment[f"{name}_PASSWORD"] for name in logins},
        )
        running.damage(*DAY, seed=3)
        with psycopg.connect(running.postgres.url(), autocommit=True) as connection:
            connection.execute("CREATE DATABASE shop")
        with psycopg.connect(running.postgres.url("shop"), autocommit=True) as connection:
            connection.execute(BEFOREHAND)
        yield running


class Reader:
    """Somebody who follows the pages in a folder with the files of the checkout that they name.

    Runs each command once, and keeps what was said.
    """

    def __init__(self, stack: Stack, folder: Path) -> None:
        self.stack = stack
        self.folder = folder
        for name in ("dagster.yaml", "sql"):
            (folder / name).symlink_to(CHECKOUT / name)
        self.said: dict[str, str] = {}
        # Kept between the commands of a block, as a shell keeps it.
        beside = Path(find_psql(stack.postgres)).parent
        self.exported = {"HOME": str(folder), "PATH": f"{os.environ['PATH']}{os.pathsep}{beside}"}

    def run(self, command: str) -> None:
        """Run a line for a shell."""
        # A job is launched as often as a page says so.
        if command in self.said and not command.startswith("dagster job "):
            return
        words = shlex.split(command)
        if any(command.startswith(begin) for begin in ELSEWHERE):
            self.said[command] = ""
        elif words[0] == "reload-assets":
            self.said[command] = self._ours(words[1:]).stdout
        elif words[0] == "psql":
            self.said[command] = self._psql(words[1:])
        else:
            self.said[command] = self._shell(command)
        if command == "reload-assets requests":
            self._let_the_daemon_work()

    def query(self, statement: str) -> None:
        """Run a block of SQL as the job's login, in a transaction of its own."""
        env = self.stack.environment
        with psycopg.connect(
            host=env["RELOAD_TARGET_HOST"],
            port=env["RELOAD_TARGET_PORT"],
            dbname=env["RELOAD_TARGET_DATABASE"],
            user=env["RELOAD_TARGET_USER"],
            password=env["RELOAD_TARGET_PASSWORD"],
        ) as connection:
            cursor = connection.execute(statement.encode())
            rows = cursor.fetchall() if cursor.description else []
        self.said[statement] = json.dumps(rows, default=str)

    def _let_the_daemon_work(self) -> None:
        """Do what the daemon of make ui does meanwhile: start what is requested, and note its end."""
        runner = Runner(self.stack, DagsterInstance.ephemeral())
        for request in tick(runner):
            assert launch(runner, request)
        assert tick(runner) == []

    def _ours(self, arguments: list[str]) -> Result:
        here = Path.cwd()
        os.chdir(self.folder)
        # Runs that the UI shows are kept in PostgreSQL, at twice the time.
        home = os.environ.pop("DAGSTER_HOME")
        try:
            done = CliRunner().invoke(main, arguments, catch_exceptions=False)
        finally:
            os.chdir(here)
            os.environ["DAGSTER_HOME"] = home
        assert done.exit_code == 0, f"{arguments}\n{done.output}"
        return done

    def _psql(self, arguments: list[str]) -> str:
        """A DBA's psql, in the target's database of the pages, which is another one than the stack's."""
        server = self.stack.postgres
        env = {
            "PGHOST": "127.0.0.1",
            "PGPORT": str(server.port),
            "PGUSER": server.superuser,
            "PGPASSWORD": server.password,
            "PGDATABASE": "shop",
        }
        # Without it, psql would exit with 0 after an error in a file.
        return self._done([find_psql(server), "--no-psqlrc", "--set=ON_ERROR_STOP=1", *arguments], env)

    def _shell(self, command: str) -> str:
        """A line of the shell. What it exports is kept."""
        said = self._done(["sh", "-ec", f"{command}\nenv -0"], self.exported)
        variables = dict(line.partition("=")[::2] for line in said.split("\0") if "=" in line)
        self.exported |= {name: value for name, value in variables.items() if os.environ.get(name) != value}
        return said

    def _done(self, command: list[str], variables: dict[str, str]) -> str:
        done = subprocess.run(
            command, cwd=self.folder, env={**os.environ, **variables}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout


@pytest.fixture(scope="module")
def reader(own_stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Reader:
    """The reader, after the last page."""
    reader = Reader(own_stack, tmp_path_factory.mktemp("reader"))
    file = write_environment(own_stack)
    for page in FOLLOWED:
        for block in blocks(page):
            if block.language == "sql":
                reader.query(block.text)
            for command in commands(block) if block.language == "sh" else []:
                # The only thing that the pages cannot know: where make ui has put its file.
                reader.run(command.replace("/tmp/reload-assets-1234/environment", str(file)))
    return reader


def test_each_command_that_a_page_shows_runs(reader: Reader) -> None:
    ours = [command for command in reader.said if command.startswith("reload-assets ")]
    assert {command.split()[1] for command in ours} >= {"install", "doctor", "reload", "status", "sql"}
    assert len([command for command in reader.said if command.startswith("psql ")]) == 5


@pytest.mark.parametrize("command", ELSEWHERE)
def test_what_does_not_run_here_is_run_by_another_test(reader: Reader, command: str) -> None:
    file, word = ELSEWHERE[command]
    assert any(one.startswith(command) for one in reader.said)
    assert word in (TESTS / file).read_text(encoding="utf-8")


def rows(reader: Reader, statement: str, *values: object) -> list[tuple[Any, ...]]:
    """Rows of the target, read as superuser."""
    with reader.stack.connect_target() as target:
        return target.execute(statement.encode(), values).fetchall()


def test_the_file_of_make_ui_has_the_variables_of_its_stack(reader: Reader) -> None:
    (said,) = (said for command, said in reader.said.items() if command.endswith("/environment"))
    assert {f"{name}={value}" for name, value in reader.stack.environment.items()} <= set(said.split("\0"))


def test_a_damaged_day_is_healed_in_a_terminal(reader: Reader) -> None:
    said = reader.said["reload-assets reload sales --from 2025-01-03 --to 2025-01-04"].splitlines()
    assert any(line.startswith("Reloading 2025-01-03T00:00:00Z--2025-01-04T00:00:00Z of sales: ") for line in said)
    assert "  check orders.row_count ok" in said
    assert any("rows staged" in line for line in said)
    assert "is merged, confirm: confirmed." in said[-1]
    ((started_by,),) = rows(reader, "SELECT started_by FROM admin.reloads WHERE reload_id = 1")
    assert started_by.endswith(" at a terminal")
    (window,) = [
        one
        for one in json.loads(reader.said["reload-assets status sales --last 5 --json"])
        if one["window"].startswith("2025-01-03T00:00:00Z")
    ]
    assert (window["state"], set(window["tables"])) == ("green", {"customers", "orders", "order_items", "documents"})
    assert window["changed_rows"] > 0


def test_some_hours_of_one_table_are_reloaded_in_a_terminal(reader: Reader) -> None:
    (said,) = (said for command, said in reader.said.items() if "--tables customers" in command)
    assert "Reloading 2025-01-03T04:00:00Z--2025-01-03T06:30:00Z of sales: customers" in said
    assert rows(reader, "SELECT tables FROM admin.reloads WHERE reason = %s", "ticket 7") == [(["customers"],)]


def test_a_row_that_validation_lists_is_healed_once(reader: Reader) -> None:
    # The second validation finds nothing more, although DMS keeps the first list.
    found = "SELECT finding_id, request_id FROM admin.findings WHERE table_name = 'orders' AND keys = '[[\"7\"]]'"
    ((finding, request),) = rows(reader, found)
    assert rows(reader, "SELECT max(request_id) FROM admin.reload_requests WHERE found_by = 'validation'") == [
        (request,)
    ]
    assert "found by" in reader.said["reload-assets requests"]
    answers = {asked: json.loads(said) for asked, said in reader.said.items() if said.startswith("[")}
    (listed,) = (said for asked, said in answers.items() if "FROM admin.findings" in asked)
    assert [finding, "orders", [["7"]], "RECORD_DIFF", request] in listed
    (asked,) = (said for asked, said in answers.items() if "WHERE found_by = 'validation'" in asked)
    assert [(row[0], row[2]) for row in asked] == [(request, "done")]
    (audit,) = (said for asked, said in answers.items() if "FROM admin.key_status AS s" in asked)
    (((wrong,),),) = (
        said
        for asked, said in answers.items()
        if asked.startswith("UPDATE production.orders SET amount = amount + 1 WHERE order_id = 7")
    )
    assert [request, "green", "repaired", {"order_id": 7}, wrong] in [[*row[:2], *row[3:]] for row in audit]
    (((amount,),),) = (
        said for asked, said in answers.items() if asked.startswith("SELECT amount FROM production.orders")
    )
    (there,) = (said for asked, said in reader.said.items() if 'SELECT "AMOUNT"' in asked)
    assert amount in there.split()
    assert amount != wrong


def test_the_heatmap_is_a_page_of_its_own(reader: Reader) -> None:
    assert "windows written to status.html" in reader.said["reload-assets status --html status.html"]
    text = (reader.folder / "status.html").read_text(encoding="utf-8")
    assert "<svg" in text
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")


def test_what_happened_can_be_seen(reader: Reader) -> None:
    def answers(words: str) -> list[list[list[object]]]:
        return [json.loads(said) for asked, said in reader.said.items() if words in asked]

    ((*changes,),) = answers("SELECT step, operation, table_name, key, before")
    assert len(changes) > 20
    ((*checks,),) = answers("SELECT table_name, check_name, status, detail")
    assert {row[2] for row in checks} == {"passed"}
    ((*requests,),) = answers("FROM admin.reload_requests\nORDER BY")
    assert requests[0][2] == "pending"
    ((*described,),) = answers("obj_description")
    assert "green" in str(described)
    ((*red,),) = answers("WHERE state <> 'green'")
    assert red == []


def test_the_logins_of_the_pages_have_the_rights_that_they_are_given(reader: Reader) -> None:
    with psycopg.connect(reader.stack.postgres.url("shop")) as connection:
        rights = connection.execute(
            "SELECT has_table_privilege('reload', 'production.orders', 'INSERT, UPDATE, DELETE'), "
            "has_schema_privilege('reload', 'dmslogs', 'USAGE'), "
            "(SELECT nspowner::regrole::text FROM pg_namespace WHERE nspname = 'admin')"
        ).fetchone()
    assert rights == (True, True, "reload")
    home = reader.folder / "dagster" / "dagster.yaml"
    assert home.read_text(encoding="utf-8") == (CHECKOUT / "dagster.yaml").read_text(encoding="utf-8")
