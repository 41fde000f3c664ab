"""``make ui`` as a user has it: a process of its own, talked to over HTTP, stopped with Ctrl-C."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import psycopg

from reload_assets.local.ui import graphql

CHECKOUT = Path(__file__).parents[2]
_TIMEOUT_SECONDS = 150


class Served:
    """A running ``make ui``, started as a shell's ``&`` and ``nohup`` do: with SIGINT ignored.

    ``printed`` is what it has printed; ``url`` is the UI's and ``target`` the target database's; ``command`` is the
    line for a second terminal; ``damaged_days`` is the number of days from ``first_damaged`` on for a backfill.
    """

    def __init__(self, checkout: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "reload_assets.local.ui", "--port", "0"],
            cwd=checkout,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_IGN),
        )
        lines: list[str] = []
        assert self._process.stdout
        for line in self._process.stdout:
            lines.append(line)
            if line.startswith("Ctrl-C"):
                break
        self.printed = "".join(lines)
        self.url = self._find(r"Dagster UI: (\S+)")
        self.target = self._find(r"psql (\S+)")
        self.dms = self._find(r"DMS stand-in: (\S+)")
        self.command = self._find(r"    (\. .+)")
        self._folder = str(Path(self._find(r"log: (\S+)")).parent)
        first, last = self.printed_after("damaged days in production").split()[0].strip("[]").split("...")
        self.first_damaged = date.fromisoformat(first)
        self.damaged_days = (date.fromisoformat(last) - self.first_damaged).days + 1

    def printed_after(self, words: str) -> str:
        """What was printed after some words and a colon."""
        return self._find(rf"  {re.escape(words)}: (.+)")

    def _find(self, pattern: str) -> str:
        found = re.search(pattern, self.printed)
        assert found, self.printed
        return found[1]

    def day(self, number: int) -> str:
        """A damaged day by its number, as a partition key."""
        return str(self.first_damaged + timedelta(days=number))

    def stop(self, how: signal.Signals = signal.SIGINT) -> int:
        """Signal the process that a person started; the exit code."""
        self._process.send_signal(how)
        return self._process.wait(60)

    def kill(self) -> None:
        """Make sure that nothing is left, whatever happened."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)

    def left_behind(self) -> list[str]:
        """The command lines of processes that were started with this stack's variables or serve its data."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                try:
                    command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                    environment = (entry / "environ").read_bytes().decode(errors="replace")
                except OSError:
                    continue
                if self.dms in environment or self._folder in environment + command:
                    found.append(command)
        return found

    def folder_exists(self) -> bool:
        """Whether the stack's own folder is still there."""
        return Path(self._folder).exists()

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """The UI's own GraphQL."""
        return graphql(self.url, query, **variables)

    def query(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Rows of the target database."""
        with psycopg.connect(self.target, autocommit=True) as connection:
            cursor = connection.execute(statement.encode(), values or None)
            return cursor.fetchall() if cursor.description else []

    def fault(self, **fault: Any) -> None:
        """Set or clear a fault of the DMS stand-in."""
        request = urllib.request.Request(
            f"{self.dms}/faults", data=json.dumps(fault).encode(), headers={"Content-Type": "application/json"}
        )
        urllib.request.urlopen(request, timeout=10).close()

    def launch_backfill(self, keys: list[list[str]], partitions: list[str]) -> str:
        """What the dialog "Launch backfill" sends; the backfill's id."""
        answer = self.ask(
            """mutation($params: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $params) {
                 __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }""",
            params={
                "assetSelection": [{"path": path} for path in keys],
                "partitionNames": partitions,
                "fromFailure": False,
                "title": "damaged days",
            },
        )
        return str(answer["launchPartitionBackfill"]["backfillId"])

    def launch(self, partition: str) -> str:
        """What the launchpad sends for one partition of the job; the run's id."""
        answer = self.ask(
            """mutation($params: ExecutionParams!) { launchRun(executionParams: $params) {
                 __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }""",
            params={
                "selector": {
                    "repositoryName": "__repository__",
                    "repositoryLocationName": "reload_assets",
                    "pipelineName": "reload_sales",
                },
                "runConfigData": {},
                "mode": "default",
                "executionMetadata": {"tags": [{"key": "dagster/partition", "value": partition}]},
            },
        )
        return str(answer["launchRun"]["run"]["runId"])

    def status(self, run_id: str) -> str:
        """The status of a run."""
        answer = self.ask("query($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }", id=run_id)
        return str(answer["runOrError"]["status"])

    def backfill_runs(self, backfill: str) -> list[dict[str, Any]]:
        """The runs of a backfill, each with its status."""
        answer = self.ask(
            """query($id: String!) { runsOrError(filter: {tags: [{key: "dagster/backfill", value: $id}]}) {
                 ... on Runs { results { runId status } } } }""",
            id=backfill,
        )
        runs: list[dict[str, Any]] = answer["runsOrError"]["results"]
        return runs

    def backfill_status(self, backfill: str) -> str:
        """The status of a backfill, such as COMPLETED_SUCCESS."""
        answer = self.ask(
            """query($id: String!) { partitionBackfillOrError(backfillId: $id) {
                 ... on PartitionBackfill { status } } }""",
            id=backfill,
        )
        return str(answer["partitionBackfillOrError"]["status"])

    def terminate(self, run_id: str) -> None:
        """What the button "Terminate" sends."""
        self.ask(
            """mutation($id: String!) { terminateRun(runId: $id, terminatePolicy: SAFE_TERMINATE) {
                 __typename ... on PythonError { message } } }""",
            id=run_id,
        )

    def materialized(self, path: list[str]) -> int:
        """How many partitions of an asset are materialized."""
        answer = self.ask(
            """query($key: AssetKeyInput!) { assetNodeOrError(assetKey: $key) { ... on AssetNode {
                 partitionStats { numMaterialized numFailed } } } }""",
            key={"path": path},
        )
        return int(answer["assetNodeOrError"]["partitionStats"]["numMaterialized"])

    def check_results(self, path: list[str], check: str) -> dict[str, str]:
        """Each partition's latest result of a check."""
        answer = self.ask(
            """query($key: AssetKeyInput!, $check: String!) {
                 assetCheckExecutions(assetKey: $key, checkName: $check, limit: 100) {
                   status evaluation { partition } } }""",
            key={"path": path},
            check=check,
        )
        return {
            each["evaluation"]["partition"]: each["status"]
            for each in reversed(answer["assetCheckExecutions"])
            if each["evaluation"]
        }


def wait_for(condition: Callable[[], Any], what: str, timeout: float = _TIMEOUT_SECONDS) -> Any:
    """The first true answer of the condition, asked twice a second."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if answer := condition():
            return answer
        time.sleep(0.5)
    raise AssertionError(f"{what}: not within {timeout:g} s")
