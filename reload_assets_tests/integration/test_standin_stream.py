"""A load of the DMS stand-in is a stream: of any length in the same memory, and the source may pause or break off."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from reload_assets_tests.integration.standin_bench import LOWERCASE, Bench, mapping, selection

pytestmark = pytest.mark.thorough

FINISHED = "Stop Reason FULL_LOAD_ONLY_FINISHED"
ALLOWED_KB = 40 * 1024


def of_view(name: str) -> str:
    """The mapping of one view of the source."""
    rule = selection(1, name)
    rule["object-locator"]["table-type"] = "view"
    return mapping(rule, *LOWERCASE)


def peak_kb(process: subprocess.Popen[str]) -> int:
    """The most memory that a process has had at once, in KB."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:"))


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    ("rows", "content"),
    [
        pytest.param(1_000_000, "n % 1000", id="narrow"),
        # All of it in one commit, and faster read than written.
        pytest.param(24_000, "repeat(md5(n::text), 300)", id="wide"),
    ],
)
def test_a_load_takes_no_more_memory_for_a_larger_table(
    databases: tuple[str, str], bench: Bench, rows: int, content: str
) -> None:
    """A million rows kept as objects are 70 MB and more, the wide ones 220 MB; 40 MB are allowed."""
    for name, count in (("few", 1000), ("many", rows)):
        query = f"SELECT n AS id, {content} AS content FROM generate_series(1, {count}) AS n"
        bench.rows(f'CREATE VIEW "SALES"."{name.upper()}" AS {query}', on_source=True)
        bench.rows(f"CREATE UNLOGGED TABLE staging.{name} (id integer, content text)")
    command = [sys.executable, "-m", "reload_assets.local.dms", "--port", "0", "--parent-death"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ})
    try:
        assert process.stdout is not None
        away = Bench(process.stdout.readline().strip(), *databases)
        away.test_connections()
        settings = {"FullLoadSettings": {"CommitRate": 50000}}
        assert away.run(of_view("FEW"), settings)["StopReason"] == FINISHED
        before = peak_kb(process)
        arn = away.create(of_view("MANY"), settings)
        away.start(arn)
        assert away.wait(arn, "stopped", "failed", seconds=120)["StopReason"] == FINISHED
        grown = peak_kb(process) - before
        assert away.statistics(arn)["MANY"]["FullLoadRows"] == rows
    finally:
        process.kill()
        process.communicate()
    assert bench.count("staging.many") == rows
    assert grown < ALLOWED_KB, f"{grown} KB"


def test_stop_reaches_a_load_whose_source_gives_nothing(bench: Bench) -> None:
    """The rest of the process, of which the stop comes, goes on while the source is waited for."""
    # The rows are long, for the server to send each of them at once.
    bench.rows(
        """CREATE VIEW "SALES"."SLOW" AS SELECT n AS id, repeat('x', 30000)::varchar AS content,
        pg_sleep(CASE WHEN n > 50 THEN 60 ELSE 0 END)::varchar AS nothing FROM generate_series(1, 100) AS n""",
        on_source=True,
    )
    arn = bench.create(of_view("SLOW"), {"FullLoadSettings": {"CommitRate": 20}})
    bench.start(arn)
    deadline = time.monotonic() + 10
    while bench.statistics(arn).get("SLOW", {}).get("FullLoadRows") != 40:
        assert time.monotonic() < deadline
    time.sleep(0.3)  # for it to reach the row that does not come
    bench.client.stop_replication_task(ReplicationTaskArn=arn)
    began = time.monotonic()
    assert bench.wait(arn, "stopped", "failed")["StopReason"] == "Stop Reason NORMAL"
    assert time.monotonic() - began < 2
    assert bench.statistics(arn)["SLOW"]["TableState"] == "Table cancelled"
    assert bench.count("staging.slow") == 40


def test_an_error_of_the_source_is_told_and_leaves_the_committed_rows(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.rows(
        'CREATE VIEW "SALES"."BROKEN" AS SELECT n AS id, 1 / (50 - n) AS share FROM generate_series(1, 100) AS n',
        on_source=True,
    )
    rules = of_view("BROKEN")
    settings = {"FullLoadSettings": {"CommitRate": 20}, "ErrorBehavior": {"DataErrorPolicy": "STOP_TASK"}}
    with caplog.at_level("WARNING"):
        task = bench.run(rules, settings)
    assert task["Status"] == "failed", "an error of data, by its SQLSTATE"
    assert "Table 'SALES'.'BROKEN' was errored/suspended. division by zero" in task["LastFailureMessage"]
    assert "division by zero" in caplog.text
    assert bench.statistics(task["ReplicationTaskArn"])["BROKEN"]["FullLoadRows"] == 40
    assert bench.count("staging.broken") == 40


def test_a_source_that_breaks_off_fails_the_task(bench: Bench) -> None:
    bench.rows(
        'CREATE VIEW "SALES"."CUT_OFF" AS SELECT n AS id, n > 50 AND pg_terminate_backend(pg_backend_pid()) AS gone '
        "FROM generate_series(1, 100) AS n",
        on_source=True,
    )
    task = bench.run(of_view("CUT_OFF"), {"FullLoadSettings": {"CommitRate": 20}})
    assert task["Status"] == "failed"
    assert "terminating connection due to administrator command" in task["LastFailureMessage"]
    assert bench.statistics(task["ReplicationTaskArn"])["CUT_OFF"]["TableState"] == "Table error"


@pytest.mark.parametrize("rate", [1, 39, 40, 120, 121])
def test_every_commit_rate_loads_every_row_once(bench: Bench, rate: int) -> None:
    task = bench.run(mapping(selection(1, "ORDERS"), *LOWERCASE), {"FullLoadSettings": {"CommitRate": rate}})
    assert bench.statistics(task["ReplicationTaskArn"])["ORDERS"]["FullLoadRows"] == 120
    assert bench.rows("SELECT count(*), count(DISTINCT order_id), count(DISTINCT xmin::text) FROM staging.orders") == [
        (120, 120, -(-120 // rate))
    ]
