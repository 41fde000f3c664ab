"""``reload-assets`` without databases: its help, its exit codes, and the linter of table mappings."""

from __future__ import annotations

import codecs
import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from reload_assets.cli import main
from reload_assets.config.reference import reference
from reload_assets.dms.lint_codes import CHAPTERS
from reload_assets.dms.mappings import TableLoad, table_mappings
from reload_assets.dms.settings import task_settings
from reload_assets.local.dms import settings as standin_settings

# What fits on the smallest screen.
LINES, COLUMNS = 24, 80


def command(*arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(main, arguments, input=stdin, catch_exceptions=False)


def mapping() -> dict[str, Any]:
    """The table mapping of a reload of one table."""
    load = TableLoad("SALES", "ORDERS", "UPDATED_AT", "staging", "orders_r1")
    return table_mappings([load], datetime(2025, 1, 2), datetime(2025, 1, 3))


@pytest.mark.parametrize("name", [None, *main.commands])
def test_the_help_of_each_command_fits_a_screen(name: str | None) -> None:
    shown = command(*([name] if name else []), "--help")
    assert shown.exit_code == 0
    lines = shown.stdout.splitlines()
    assert len(lines) <= LINES
    assert max(map(len, lines)) <= COLUMNS
    # No first sentence is cut off in the list of commands.
    assert "..." not in shown.stdout.replace("[ARGS]...", "")


def test_every_command_says_what_it_is_for() -> None:
    assert [name for name, one in main.commands.items() if not one.get_short_help_str(COLUMNS)] == []
    options = [one for each in (main, *main.commands.values()) for one in each.params if isinstance(one, click.Option)]
    assert [one.name for one in options if not one.help] == []


@pytest.mark.parametrize("arguments", [[], ["nothing"], ["doctor", "more"], ["sql", "load", "sales.orders"]])
def test_a_command_that_there_is_not_is_a_mistake_of_usage(arguments: list[str]) -> None:
    assert command(*arguments).exit_code == 2


def test_the_module_runs_as_the_command_does(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "reload_assets.cli", "reference"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == reference()


def test_the_page_about_the_commands_shows_the_help_of_each() -> None:
    page = command("reference", "commands").stdout
    assert (Path(__file__).parents[2] / "docs" / "commands.md").read_text(encoding="utf-8") == page
    for name in main.commands:
        shown = CliRunner().invoke(main, [name, "--help"], prog_name="reload-assets", terminal_width=78).stdout
        assert f"## reload-assets {name}\n\n```text\n{shown}```\n" in page


def test_a_missing_configuration_is_one_sentence(tmp_path: Path) -> None:
    failed = command("--config", str(tmp_path / "none.yaml"), "install")
    assert failed.exit_code == 1
    sentence = (
        f"{tmp_path / 'none.yaml'}: No such file or directory; name the file in RELOAD_CONFIG or fix it. "
        "[config-unreadable]"
    )
    assert failed.stderr.splitlines() == [sentence]
    # To doctor it is a finding like any other.
    doctor = command("--config", str(tmp_path / "none.yaml"), "doctor")
    assert (doctor.exit_code, doctor.stdout) == (1, f"problem {sentence}\n")
    assert doctor.stderr == "1 problem, 0 warnings\n"


def test_the_linter_names_each_mistake_in_a_line(tmp_path: Path) -> None:
    file = tmp_path / "mapping.json"
    wrong = mapping()
    del wrong["rules"][0]["object-locator"]["table-name"]
    file.write_text(json.dumps(wrong), encoding="utf-8")
    found = command("lint", str(file))
    assert found.exit_code == 1
    assert [line.rpartition(" [")[2] for line in found.stdout.splitlines()] == [
        "incomplete-object-locator]",
    ]
    assert found.stdout.startswith("error: Rule 1: The object-locator has no table-name; add it (% for all). [")


def test_the_linter_says_that_there_is_no_mistake() -> None:
    clean = command("lint", "-", stdin=json.dumps(mapping()))
    assert (clean.exit_code, clean.stdout) == (0, "<stdin>: no mistakes found in this table mapping\n")


SETTINGS = task_settings(commit_rate=100, max_sub_tasks=2, lob_max_kb=64)
RULE = {
    "rule-type": "selection",
    "rule-id": "1",
    "rule-name": "orders",
    "object-locator": {"schema-name": "sales", "table-name": "orders"},
    "rule-action": "include",
}


def described() -> dict[str, Any]:
    """What DescribeReplicationTasks answers of a task that a reload made: with settings that cannot be sent."""
    settings = standin_settings.complete(json.dumps(SETTINGS))
    settings["Logging"] |= {"CloudWatchLogGroup": "dms-tasks-a", "CloudWatchLogStream": "dms-task-A"}
    return {"TableMappings": json.dumps(mapping()), "ReplicationTaskSettings": json.dumps(settings)}


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (mapping(), "no mistakes found in this table mapping"),
        (SETTINGS, "no mistakes found in these settings"),
        (described(), "no mistakes found in this task"),
        ({"ReplicationTasks": [described()], "ResponseMetadata": {}}, "no mistakes found in this task"),
        ({"ReplicationTask": described()}, "no mistakes found in this task"),
        (RULE, 'error: The document is a rule without its frame, which DMS refuses; write {"rules": [...]} around it.'),
        (
            [RULE],
            'error: The document is a rule without its frame, which DMS refuses; write {"rules": [...]} around it.',
        ),
        ({"Fruit": 1}, "error: The document is neither a table mapping"),
        (5, "error: The document is neither a table mapping"),
        ({"TargetMetadata": {"SupportLobs": False}} | SETTINGS, "no mistakes found"),
        (SETTINGS | {"FullLoadSettings": {"CommitRate": 0}}, "error: FullLoadSettings.CommitRate is 0"),
    ],
)
def test_the_linter_tells_what_a_document_is(document: Any, said: str) -> None:
    found = command("lint", "-", stdin=json.dumps(document))
    assert said in found.stdout
    assert found.exit_code == (1 if said.startswith("error") else 0)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_the_linter_reads_byte_order_marks(tmp_path: Path, encoding: str) -> None:
    marks = {"utf-16-le": codecs.BOM_UTF16_LE, "utf-16-be": codecs.BOM_UTF16_BE}
    file = tmp_path / "mapping.json"
    file.write_bytes(marks.get(encoding, b"") + json.dumps(mapping()).encode(encoding))
    found = command("lint", str(file))
    assert (found.exit_code, found.stdout) == (0, f"{file}: no mistakes found in this table mapping\n")


def test_advice_alone_ends_with_0_and_an_error_with_1() -> None:
    upper = {**RULE, "object-locator": {"schema-name": "SALES", "table-name": "ORDERS"}}
    advice = command("lint", "-", stdin=json.dumps({"rules": [upper]}))
    assert advice.exit_code == 0
    assert [line.partition(":")[0] for line in advice.stdout.splitlines()] == ["advice"]
    refused = command("lint", "-", stdin=json.dumps({"rules": [{**upper, "rule-action": "includes"}]}))
    assert refused.exit_code == 1
    assert [line.partition(":")[0] for line in refused.stdout.splitlines()] == ["error", "advice"]


def test_a_task_as_aws_describes_it_has_no_error() -> None:
    settings = standin_settings.complete(None)
    settings["Logging"] |= {"CloudWatchLogGroup": "dms-tasks-a", "CloudWatchLogStream": "dms-task-A"}
    task = {"TableMappings": json.dumps({"rules": [RULE]}), "ReplicationTaskSettings": json.dumps(settings)}
    found = command("lint", "-", stdin=json.dumps(task))
    assert found.exit_code == 0
    assert {line.partition(":")[0] for line in found.stdout.splitlines()} == {"advice"}


def test_the_linter_writes_json_for_scripts() -> None:
    wrong = {"rules": [{**RULE, "rule-action": "includes"}]}
    found = command("lint", "--json", "-", stdin=json.dumps(wrong))
    assert found.exit_code == 1
    assert json.loads(found.stdout) == {
        "file": "<stdin>",
        "document": "mapping",
        "error": 1,
        "advice": 0,
        "findings": [
            {
                "severity": "error",
                "code": "unknown-action",
                "rule_id": "1",
                "message": "DMS knows no rule-action 'includes'; did you mean include?",
                "fix": {"member": "rule-action", "value": "include"},
                "source": "Transformation rules and actions",
                "url": CHAPTERS["Transformation rules and actions"],
            }
        ],
    }
    clean = command("lint", "--json", "-", stdin=json.dumps({"rules": [RULE]}))
    assert (clean.exit_code, json.loads(clean.stdout)["findings"]) == (0, [])


def test_the_linter_refuses_a_file_that_it_cannot_read(tmp_path: Path) -> None:
    file = tmp_path / "mapping.json"
    assert command("lint", str(file)).exit_code == 2
    file.write_bytes(b"\xff")
    refused = command("lint", str(file))
    assert refused.exit_code == 2
    assert "is not UTF-8 text, nor UTF-16 with a byte order mark" in refused.stderr


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (
            "oracle://me:s3cret@db:1521/PDB",
            "has a password, which others could see; leave it out and set its variable",
        ),
        ("mysql://me@db/x", "is not of the form oracle://USER@HOST:PORT/DATABASE."),
        ("oracle://db/x", "is not of the form"),
        ("oracle://me@db", "is not of the form"),
        ("oracle://me@db:port/x", "is not of the form"),
        ("oracle://me@db/x?sid=1", "is not of the form"),
    ],
)
def test_an_address_has_no_password_and_all_that_a_login_needs(url: str, said: str) -> None:
    failed = command("init", "--source-schema", "SALES", "--source", url)
    assert failed.exit_code == 2
    assert said in " ".join(failed.stderr.split())
    assert "s3cret" not in failed.output
