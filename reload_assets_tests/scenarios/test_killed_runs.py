"""``kill -9`` of run workers beside a real Dagster daemon: what they left behind is cleaned, and can be reloaded."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from dagster import DagsterInstance
from psycopg import Connection

from reload_assets.local import compare
from reload_assets.local.dms.faults import Pause, SlowLoad
from reload_assets.local.postgres import die_with_parent
from reload_assets.local.stack import Stack, checkout_file
from reload_assets_tests.browser.served import wait_for
from reload_assets_tests.scenarios.runs import Runner, failures, take_day

pytestmark = pytest.mark.chaos

# What the sweeper promises, in seconds.
_CLEANED = 60
_GATE = 4711
# The first statement of a confirm waits for the gate: the reload is merged by then, and nothing of it is confirmed.
_HOLD_CONFIRM = f"""
CREATE FUNCTION admin.hold_confirm() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_advisory_xact_lock({_GATE}); RETURN NEW; END $$;
CREATE TRIGGER hold_confirm BEFORE UPDATE ON admin.reloads FOR EACH ROW
WHEN (
    OLD.status = 'merged' AND OLD.confirm_status = 'pending' AND OLD.cdc_resumed_at = NEW.cdc_resumed_at
    AND 'customers' = ANY (NEW.tables)
)
EXECUTE FUNCTION admin.hold_confirm();
"""


@dataclass(frozen=True)
class Held:
    """Three runs, each held in a step of its own by a fault or a lock, and how to reach them."""

    stack: Stack
    instance: DagsterInstance
    days: dict[str, date]
    gate: Connection[Any]

    def row(self, table: str) -> dict[str, Any]:
        """The ledger's row of the reload of a table; empty before there is one."""
        with self.stack.connect_target() as target:
            cursor = target.execute(
                "SELECT * FROM admin.reloads WHERE partition_key = %s ORDER BY reload_id LIMIT 1",
                (self.days[table].isoformat(),),
            )
            found = cursor.fetchone()
            assert cursor.description
            return {column.name: value for column, value in zip(cursor.description, found or (), strict=False)}

    def kill(self, table: str) -> None:
        """Kill the process of the run that reloads a table."""
        logs = self.instance.all_logs(self.row(table)["run_id"])
        (pid,) = {int(found[1]) for log in logs if (found := re.search(r"\(pid: (\d+)\)", log.user_message))}
        os.kill(pid, signal.SIGKILL)

    def is_over(self, table: str) -> bool:
        """Whether Dagster knows that the run has ended."""
        run = self.instance.get_run_by_id(self.row(table)["run_id"])
        return run is not None and run.is_finished


def bounds(day: date) -> tuple[datetime, datetime]:
    start = datetime(day.year, day.month, day.day)
    return start, start + timedelta(days=1)


@contextmanager
def daemon(stack: Stack, folder: Path) -> Iterator[DagsterInstance]:
    """Dagster's daemon over a fenced configuration, with the repository's dagster.yaml except for its intervals."""
    written = yaml.safe_load(checkout_file("dagster.yaml").read_text(encoding="utf-8"))
    written["run_monitoring"]["poll_interval_seconds"] = 3
    # Without the queue, which would be looked at every few seconds.
    del written["concurrency"]
    written["run_coordinator"] = {"module": "dagster._core.run_coordinator", "class": "DefaultRunCoordinator"}
    (folder / "dagster.yaml").write_text(yaml.safe_dump(written), encoding="utf-8")
    shipped = checkout_file("reload.yaml")
    fenced = shipped.read_text(encoding="utf-8").replace("    owners:", "    against_cdc: fence\n    owners:", 1)
    (folder / "reload.yaml").write_text(fenced, encoding="utf-8")
    environment = {
        **os.environ,
        **stack.environment,
        "DAGSTER_HOME": str(folder),
        "RELOAD_CONFIG": str(folder / "reload.yaml"),
    }
    command = [sys.executable, "-m", "dagster._daemon", "run", "-m", "reload_assets_tests.scenarios.hurried"]
    with (folder / "daemon.log").open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=shipped.parent,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=partial(die_with_parent, signal.SIGINT),
        )
    try:
        with DagsterInstance.from_config(str(folder)) as instance:
            yield instance
    finally:
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(20)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        _end_workers(folder)


def _end_workers(folder: Path) -> None:
    """Code server and run workers are in sessions of their own, and outlive the daemon for as long as a run is held."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with suppress(OSError):
                if f"DAGSTER_HOME={folder}".encode() in (entry / "environ").read_bytes().split(b"\0"):
                    os.kill(int(entry.name), signal.SIGKILL)


@pytest.fixture(scope="module")
def held(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Held]:
    """A run held in its load (orders), one before its merge (documents), one between merge and confirm (customers)."""
    days = {table: take_day() for table in ("orders", "documents", "customers")}
    for day in days.values():
        stack.damage(*bounds(day), seed=1)
    # Of two kinds, to be taken back one by one.
    stack.dms.faults.set(SlowLoad(table="ORDERS", seconds=600))
    stack.dms.faults.set(Pause(table="DOCUMENTS"))
    with ExitStack() as cleanup:
        target = cleanup.enter_context(stack.connect_target())
        gate = cleanup.enter_context(stack.connect_target())
        target.execute(_HOLD_CONFIRM)
        cleanup.callback(target.execute, "DROP FUNCTION admin.hold_confirm CASCADE")
        cleanup.callback(target.execute, "DELETE FROM admin.reload_requests")
        gate.execute("SELECT pg_advisory_lock(%s)", (_GATE,))
        for table, day in days.items():
            start, end = (bound.replace(tzinfo=timezone.utc) for bound in bounds(day))
            target.execute(
                "INSERT INTO admin.reload_requests (group_name, window_start, window_end, tables, reason) "
                "VALUES ('sales', %s, %s, ARRAY[%s], 'killed')",
                (start, end, table),
            )
        folder = tmp_path_factory.mktemp("dagster")
        instance = cleanup.enter_context(daemon(stack, folder))
        runs = Held(stack, instance, days, gate)
        try:
            for table, status in (("orders", "loading"), ("documents", "loading"), ("customers", "merged")):
                wait_for(
                    lambda table=table, status=status: runs.row(table).get("status") == status,  # type: ignore[misc]
                    f"{table} is {status}",
                )
            wait_for(lambda: runs.row("customers")["cdc_resumed_at"], "the fence of customers is open")
            # Otherwise the first sweep would find a run that is not held yet.
            wait_for(
                lambda: target.execute("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted").fetchone(),
                "customers is held before its confirm",
            )
        except AssertionError as error:
            said = (folder / "daemon.log").read_text(encoding="utf-8", errors="replace")
            raise AssertionError(f"{error}:\n{said[-5000:]}") from error
        yield runs
        stack.dms.faults.clear()


def cleaned(held: Held, table: str, condition: Callable[[], Any]) -> None:
    """What the killed run of a table left behind is cleaned within the time."""
    wait_for(lambda: condition() and held.is_over(table), f"{table} is cleaned", _CLEANED)
    assert held.stack.cdc.task.state().running


def heal(held: Held, instance: DagsterInstance, table: str, *parents: str) -> None:
    """Reload the window again, with the tables that it refers to, and see that production equals the source there."""
    runner = Runner(held.stack, instance)
    assets = [f"{layer}/{name}" for layer in ("staging", "production") for name in (*parents, table)]
    result = runner.run(held.days[table].isoformat(), assets=assets)
    assert failures(result) == []
    held.stack.drain()
    with held.stack.connect_source() as source, held.stack.connect_target() as target:
        assert compare.compare_window(source, target, *bounds(held.days[table]))[table].same


def load_tasks(held: Held, table: str) -> list[str]:
    """The load tasks that a table's reload has left."""
    prefix = f"reload-sales-{held.row(table)['reload_id']}-"
    runner = Runner(held.stack, held.instance)
    return [name for name in runner.dms_tasks() if name.startswith(prefix)]


@pytest.mark.timeout(300)
def test_killed_in_the_load(held: Held, instance: DagsterInstance) -> None:
    assert load_tasks(held, "orders")
    held.kill("orders")
    cleaned(held, "orders", lambda: held.row("orders")["closed_at"])
    assert load_tasks(held, "orders") == []
    row = held.row("orders")
    assert (row["status"], row["error"]) == ("cancelled", f"Run {row['run_id']} ended and left it loading.")
    assert row["task_removed_at"]
    held.stack.dms.faults.clear("slow-load")
    heal(held, instance, "orders", "customers")


@pytest.mark.timeout(300)
def test_killed_in_the_merge_behind_the_fence(held: Held, instance: DagsterInstance) -> None:
    with held.stack.connect_target() as target, target.transaction():
        target.execute("LOCK TABLE production.documents IN SHARE ROW EXCLUSIVE MODE")
        held.stack.dms.faults.clear("pause")
        wait_for(lambda: held.row("documents")["merge_started_at"], "the merge waits for a lock")
        assert held.stack.cdc.task.state().status == "stopped"
        held.kill("documents")
    wait_for(lambda: held.row("documents")["cdc_resumed_at"], "the CDC task is resumed", _CLEANED)
    assert held.stack.cdc.task.state().running
    row = held.row("documents")
    # Nothing of it is in production, and production of the window may be materialized as it is.
    assert (row["status"], row["merge_ended_at"]) == ("verified", None)
    assert load_tasks(held, "documents") == []
    heal(held, instance, "documents")


@pytest.mark.timeout(300)
def test_killed_between_merge_and_confirm(held: Held, instance: DagsterInstance) -> None:
    held.kill("customers")
    held.gate.execute("SELECT pg_advisory_unlock(%s)", (_GATE,))
    cleaned(held, "customers", lambda: held.row("customers")["confirm_status"] != "pending")
    row = held.row("customers")
    assert (row["status"], row["confirm_status"], row["confirm_detail"]) == (
        "merged",
        "unconfirmed",
        f"Run {row['run_id']} ended and left it in the middle of its confirm.",
    )
    heal(held, instance, "customers")
