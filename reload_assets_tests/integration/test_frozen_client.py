"""A process that freezes in the middle of a merge loses its locks, and finds a clear end when it wakes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from reload_assets.ledger.records import Reload
from reload_assets_tests.integration.merge_bench import NOON, MakeBench, MergeBench
from reload_assets_tests.integration.test_merge_yields import GATED, STAGED, SourceLacks

STALL_LIMIT_MS = 400
# Between the end of an idle session and the waiting one's turn.
_REACTION_SECONDS = 2


@contextmanager
def process(bench: MergeBench, reload: Reload, attempts: int) -> Iterator[subprocess.Popen[str]]:
    """A process that merges a reload; it prints how that ended."""
    asked = {"url": bench.url, "reload_id": reload.reload_id, "attempts": attempts}
    running = subprocess.Popen(
        [sys.executable, "-m", "reload_assets_tests.integration.merging", json.dumps(asked)],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield running
    finally:
        running.kill()
        running.wait()


def freeze(bench: MergeBench, gate: psycopg.Connection[Any], running: subprocess.Popen[str]) -> float:
    """Stop the process while its merge waits with a row locked, and let its statement end; when that was."""
    gate.execute("LOCK TABLE production.gate")
    bench.await_waiting()
    os.kill(running.pid, signal.SIGSTOP)
    gate.rollback()
    return time.monotonic()


@pytest.mark.parametrize("attempts", [1, 5])
def test_a_process_that_stands_still_lets_go_of_its_locks(make_bench: MakeBench, attempts: int) -> None:
    bench = make_bench(GATED)
    reload = bench.stage(STAGED)
    with bench.writer() as gate, bench.writer() as cdc:
        gate.execute("LOCK TABLE production.gate")
        with process(bench, reload, attempts) as running:
            frozen = freeze(bench, gate, running)
            cdc.execute("SET lock_timeout = '20s'")
            cdc.execute("UPDATE production.customers SET name = 'cdc' WHERE id = 1")
            waited = time.monotonic() - frozen
            cdc.commit()
            between = bench.customers()
            os.kill(running.pid, signal.SIGCONT)
            said, _ = running.communicate(timeout=30)
    assert waited < STALL_LIMIT_MS / 1000 + _REACTION_SECONDS
    assert between == [(1, "cdc"), (2, "old")]
    row = bench.ledger.get(reload.reload_id)
    if attempts == 1:
        assert said.startswith(
            f"MergeSessionLost: {reload.title} is not merged and production is unchanged: its session"
        )
        assert "the process of the run freezes for longer than merge.stall_limit_ms (400 ms)" in said
        assert (row.status, f"MergeSessionLost: {row.error}\n") == ("failed", said)
        assert bench.customers() == between
        assert bench.audit() == []
    else:
        assert said == "2 attempts\n"
        assert row.status == "merged"
        assert bench.customers() == [(1, "new"), (2, "new")]
        assert bench.rows(f"SELECT count(*) FROM production.customers WHERE updated_at = '{NOON}'") == [(2,)]


class SlowSource(SourceLacks):
    """Reads the source again, which takes a while."""

    def fill(self, *asked: Any) -> None:
        """See Reread."""
        time.sleep(1.5)
        super().fill(*asked)


def test_a_source_that_is_read_slowly_in_the_middle_of_a_merge_is_waited_for(make_bench: MakeBench) -> None:
    bench = make_bench(GATED)
    reload = bench.stage(STAGED)
    result = bench.merge(reload, stall_limit_ms=1, attempts=1, fenced=True, reread=SlowSource(reload))
    assert result.outcomes["customers"].updated == 2


def test_a_session_is_given_up_that_nobody_answers(make_bench: MakeBench) -> None:
    bench = make_bench(GATED)
    with bench.target.connect() as connection:
        names = ("tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_keepalives_count", "tcp_user_timeout")
        settings = [connection.execute(f"SHOW {name}".encode()).fetchone() for name in names]
        assert settings == [("10",), ("5",), ("4",), ("30000",)]
        used = connection.info.get_parameters()
    assert {name: used[name] for name in ("keepalives_idle", "keepalives_interval", "keepalives_count")} == {
        "keepalives_idle": "10",
        "keepalives_interval": "5",
        "keepalives_count": "4",
    }
    assert used["tcp_user_timeout"] == "30000"
