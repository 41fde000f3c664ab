"""A confirm whose process is killed or freezes between its corrections leaves no lock and no unaudited row."""

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

import pytest

from reload_assets.ledger.records import Reload
from reload_assets.local.oracle import OracleColumn, OracleTable
from reload_assets.local.postgres import PostgresServer
from reload_assets_tests.integration.confirm_bench import ConfirmBench, confirm_bench
from reload_assets_tests.integration.merge_bench import LATER, NOON, UPDATED_AT, await_true
from reload_assets_tests.integration.throwaway import throwaway_database

CUSTOMERS = OracleTable(
    "CUSTOMERS",
    [
        OracleColumn("ID", "NUMBER(10)", nullable=False),
        OracleColumn("NAME", "VARCHAR2(40)"),
        OracleColumn("UPDATED_AT", "TIMESTAMP(6)"),
    ],
    ["ID"],
)
DDL = "CREATE TABLE production.customers (id integer PRIMARY KEY, name varchar(40), updated_at timestamp(6))"
# Confirm stops before it writes the second row.
GATE = """
CREATE TABLE production.gate (id integer);
CREATE FUNCTION production.stop() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN IF NEW.id = 2 AND NEW.name = 'new' THEN LOCK TABLE production.gate; END IF; RETURN NEW; END $$;
CREATE TRIGGER stop BEFORE UPDATE ON production.customers FOR EACH ROW EXECUTE FUNCTION production.stop()
"""
TABLES = {"customers": {**UPDATED_AT, "orphans": "delete"}}
ALL = "SELECT id, name FROM production.customers ORDER BY id"
KEYS = (1, 2, 3)
STALL_LIMIT_MS = 400
# Between the end of an idle session and the waiting one's turn.
_REACTION_SECONDS = 2
ONE: dict[str, Any] = {"stall_limit_ms": STALL_LIMIT_MS, "lock_timeout_ms": 30_000, "attempts": 3}
CHUNKED = {**ONE, "mode": "chunked", "chunk_rows": 1}


@pytest.fixture
def urls(postgres: PostgresServer) -> Iterator[tuple[str, str]]:
    with throwaway_database(postgres, "killed_target") as target, throwaway_database(postgres, "killed") as source:
        yield target, source


@pytest.fixture
def bench(urls: tuple[str, str]) -> Iterator[ConfirmBench]:
    with confirm_bench(*urls, DDL, [CUSTOMERS], TABLES) as made:
        yield made


def to_correct(bench: ConfirmBench) -> Reload:
    for key in KEYS:
        bench.on_source(f"""INSERT INTO "SALES"."CUSTOMERS" VALUES ({key}, 'new', '{LATER}')""")
    reload = bench.merge({"customers": [(key, "old", NOON) for key in KEYS]})
    bench.on_production(GATE)
    return reload


@contextmanager
def process(urls: tuple[str, str], reload: Reload, merge: dict[str, Any]) -> Iterator[subprocess.Popen[str]]:
    asked = {"target": urls[0], "source": urls[1], "reload_id": reload.reload_id, "tables": TABLES, "merge": merge}
    running = subprocess.Popen(
        [sys.executable, "-m", "reload_assets_tests.integration.confirming", json.dumps(asked)],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield running
    finally:
        running.kill()
        running.wait()


def sessions(bench: ConfirmBench) -> int:
    return int(
        bench.rows(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND application_name = 'reload_assets'"
        )[0][0]
    )


@pytest.mark.parametrize(("merge", "made"), [(CHUNKED, [1]), (ONE, [])], ids=["chunked", "in one"])
def test_what_a_killed_confirm_has_done_is_audited_and_the_next_one_does_the_rest(
    bench: ConfirmBench, urls: tuple[str, str], merge: dict[str, Any], made: list[int]
) -> None:
    reload = to_correct(bench)
    with bench.made.writer() as gate:
        gate.execute("LOCK TABLE production.gate")
        with process(urls, reload, merge) as running:
            bench.made.await_waiting()
            running.kill()
            running.wait()
        gate.rollback()
    await_true(lambda: sessions(bench) == 0)
    assert bench.rows(ALL) == [(key, "new" if key in made else "old") for key in KEYS]
    assert [(operation, key["id"], before["name"]) for operation, key, before in bench.audit()] == [
        ("updated", key, "old") for key in made
    ]
    assert bench.rows("SELECT count(*) FROM pg_locks WHERE relation = 'production.customers'::regclass") == [(0,)]
    ledger = bench.made.ledger
    ledger.give_up_confirm(reload.reload_id, "its run died")
    assert ledger.get(reload.reload_id).confirm_status == "unconfirmed"
    second = bench.merge({"customers": [(key, "old", NOON) for key in made]})
    assert bench.confirm(second).settled
    assert ledger.get(second.reload_id).confirm_status == "confirmed"
    assert bench.rows(ALL) == [(key, "new") for key in KEYS]
    assert ledger.get(reload.reload_id).confirm_detail == f"confirmed with reload {second.reload_id}"


@pytest.mark.parametrize("merge", [CHUNKED, ONE], ids=["chunked", "in one"])
def test_a_confirm_that_stands_still_lets_go_of_its_rows(
    bench: ConfirmBench, urls: tuple[str, str], merge: dict[str, Any]
) -> None:
    reload = to_correct(bench)
    with bench.made.writer() as gate, bench.made.writer() as cdc:
        gate.execute("LOCK TABLE production.gate")
        with process(urls, reload, merge) as running:
            bench.made.await_waiting()
            os.kill(running.pid, signal.SIGSTOP)
            gate.rollback()
            frozen = time.monotonic()
            cdc.execute("SET lock_timeout = '20s'")
            cdc.execute("UPDATE production.customers SET name = 'cdc' WHERE id = 2")
            waited = time.monotonic() - frozen
            cdc.commit()
    assert waited < STALL_LIMIT_MS / 1000 + _REACTION_SECONDS
    assert bench.rows(f"{ALL} OFFSET 1 LIMIT 1") == [(2, "cdc")]
    assert 2 not in [key["id"] for _, key, _ in bench.audit()]
