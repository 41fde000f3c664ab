"""Reloads from the terminal that do not end well: mistakes, failures, killed processes.

``test_documented_commands`` has those that do.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import date, timedelta
from functools import partial
from pathlib import Path

import pytest
from dagster import DagsterInstance, DagsterRunStatus

from reload_assets.assets.load_steps import run_is_live
from reload_assets.local.dms.faults import Pause
from reload_assets.local.stack import Stack
from reload_assets.run_process import has_died
from reload_assets_tests.scenarios.runs import Runner
from reload_assets_tests.scenarios.test_cli import command
from reload_assets_tests.scenarios.test_sweeper import tick


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("sale", "--from", "2025-01-03", "--to", "2025-01-04"), "there is no group 'sale'; did you mean 'sales'?"),
        (("sales", "--from", "3.1.2025", "--to", "2025-01-04"), "--from: '3.1.2025' is not an instant"),
        (("sales", "--from", "2025-01-03T04:00", "--to", "2025-01-04"), "an instant with its zone"),
        (("sales", "--from", "2025-01-04", "--to", "2025-01-03"), "give a later end"),
        (("sales", "--from", "2025-01-04", "--to", "2099-01-03"), "reload it once it has ended"),
        (("sales", "--from", "2025-01-03", "--to", "2025-01-04", "--tables", "order"), "did you mean 'orders'?"),
    ],
)
def test_a_mistake_is_one_sentence_and_starts_nothing(stack: Stack, arguments: tuple[str, ...], sentence: str) -> None:
    done = command("reload", *arguments)
    assert done.exit_code == 1
    assert sentence in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_reload_that_fails_says_why_and_exits_with_1(
    stack: Stack, day: date, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Its run is kept in memory: the tests of the UI have PostgreSQL, whose tables take long to make.
    monkeypatch.delenv("DAGSTER_HOME")
    with stack.connect_target() as target:
        target.execute("REVOKE INSERT ON production.customers FROM reload_job")
        try:
            done = command("reload", "sales", "--from", str(day), "--to", str(day + timedelta(days=1)))
        finally:
            target.execute("GRANT INSERT ON production.customers TO reload_job")
    assert done.exit_code == 1
    assert "lacks INSERT on production.customers" in done.stdout
    assert done.stdout.splitlines()[-1] == "The reload was not opened."


# What a terminal says comes a moment after it happened, so the merge may be over.
_CLOSED = [("cancelled", "none"), ("merged", "unconfirmed")]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Dagster home of its own, with storage in files."""
    return tmp_path_factory.mktemp("home")


def signalled(stack: Stack, day: date, home: Path, moment: str, how: signal.Signals) -> tuple[int, str]:
    """Start a reload in a process of its own and signal it when it says something. Returns exit code and words."""
    window = ["--from", str(day), "--to", str(day + timedelta(days=1))]
    running = subprocess.Popen(
        [sys.executable, "-m", "reload_assets.cli", "reload", "sales", *window],
        env={**os.environ, **stack.environment, "DAGSTER_HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=Path(__file__).parents[2],
        # A shell's & would have it ignored.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.default_int_handler),
    )
    said = []
    with running:
        assert running.stdout is not None
        for line in running.stdout:
            said.append(line)
            if moment in line:
                running.send_signal(how)
    return running.returncode, "".join(said)


@pytest.mark.parametrize("moment", ["is ready", pytest.param("check orders.row_count ok", marks=pytest.mark.thorough)])
def test_ctrl_c_in_a_terminal_leaves_nothing_open(stack: Stack, day: date, home: Path, moment: str) -> None:
    if moment == "is ready":
        stack.dms.faults.set(Pause(table="ORDERS", after_rows=5))
    try:
        code, said = signalled(stack, day, home, moment, signal.SIGINT)
    finally:
        stack.dms.faults.clear()
    assert code == 1, said
    assert "was interrupted" in said
    assert "Traceback" not in said
    with DagsterInstance.from_config(str(home)) as instance:
        (run,) = instance.get_runs(limit=1)
        assert run.is_finished
        runner = Runner(stack, instance)
        reload = runner.ledger(run.run_id)
        assert (reload["status"], reload["confirm_status"]) in _CLOSED, said
        assert runner.dms_tasks() == []


def test_what_a_killed_terminal_leaves_is_swept(stack: Stack, day: date, home: Path) -> None:
    signalled(stack, day, home, "is ready", signal.SIGKILL)
    with DagsterInstance.from_config(str(home)) as instance:
        (run,) = instance.get_runs(limit=1)
        assert run.status is DagsterRunStatus.STARTED
        deadline = time.monotonic() + 5
        while not has_died(run.tags) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not run_is_live(instance, "another", run.run_id)
        runner = Runner(stack, instance)
        assert "deleted" in tick(runner)
        assert runner.dms_tasks() == []
        assert runner.ledger(run.run_id)["status"] == "cancelled"
        (run,) = instance.get_runs(limit=1)
        assert run.status is DagsterRunStatus.FAILURE
