"""``reload-assets`` without databases: its help, its exit codes, and the linter of table mappings."""

from __future__ import annotations

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
from reload_assets.dms.mappings import TableLoad, table_mappings

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


@pytest.mark.parametrize("arguments", [[], ["nothing"], ["check", "more"], ["sql", "load", "sales.orders"]])
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


def test_a_missing_configuration_is_one_sentence(tmp_path: Path) -> None:
    failed = command("--config", str(tmp_path / "none.yaml"), "check")
    assert failed.exit_code == 1
    assert failed.stderr.splitlines() == [
        f"{tmp_path / 'none.yaml'}: No such file or directory; name the file in RELOAD_CONFIG or fix it. "
        "[config-unreadable]"
    ]


def test_the_linter_names_each_mistake_in_a_line(tmp_path: Path) -> None:
    file = tmp_path / "mapping.json"
    wrong = mapping()
    del wrong["rules"][0]["object-locator"]["table-name"]
    file.write_text(json.dumps(wrong), encoding="utf-8")
    found = command("lint", str(file))
    assert found.exit_code == 1
    assert [line.rpartition(" [")[2] for line in found.stdout.splitlines()] == [
        "incomplete-object-locator]",
        "missing-case-rule]",
    ]
    assert found.stdout.startswith("Rule 1: The object-locator has no table-name; add it (% for all). [")


def test_the_linter_says_that_there_is_no_mistake() -> None:
    clean = command("lint", "-", stdin=json.dumps(mapping()))
    assert (clean.exit_code, clean.stdout) == (0, "<stdin>: no mistakes found\n")


def test_the_linter_refuses_a_file_that_it_cannot_read(tmp_path: Path) -> None:
    file = tmp_path / "mapping.json"
    assert command("lint", str(file)).exit_code == 2
    file.write_bytes(b"\xff")
    refused = command("lint", str(file))
    assert refused.exit_code == 2
    assert "is not UTF-8 text" in refused.stderr
