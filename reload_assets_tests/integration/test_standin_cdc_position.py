"""What the status of a CDC task claims is true: what was visible on the source at an instant it passed is applied."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import datetime

import psycopg
import pytest

from reload_assets.local.dms import DmsStandIn, replication
from reload_assets.local.dms.faults import ApplyLag
from reload_assets_tests.integration.standin_cdc_bench import CdcBench, Load, opened, prepare, quick

pytestmark = pytest.mark.thorough


@pytest.fixture
def dms(databases: tuple[str, str]) -> Iterator[DmsStandIn]:
    prepare(databases)
    with quick() as started:
        yield started


@pytest.fixture
def cdc(dms: DmsStandIn, databases: tuple[str, str]) -> Iterator[CdcBench]:
    """A task that runs."""
    with opened(dms, databases) as bench:
        made = CdcBench(bench)
        yield made.start()
        made.close()


class Writers:
    """Each inserts one row per transaction, with pauses of different length between the row and its commit, so that
    commits come in another order than rows. The last one does not wait until its commits are flushed.
    """

    def __init__(self, url: str, number: int) -> None:
        self._url = url
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._write, args=(one, number)) for one in range(number)]

    def __enter__(self) -> Writers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _write(self, one: int, number: int) -> None:
        with psycopg.connect(self._url) as connection:
            if one == number - 1:
                connection.execute("SET synchronous_commit = off")
                connection.commit()
            key = one * 1_000_000
            while not self._ended.wait(0.001):
                key += 1
                connection.execute("""INSERT INTO "SALES"."ITEMS" VALUES (%s)""", (key,))
                self._ended.wait(0.002 * one)
                connection.commit()


def keys(connection: psycopg.Connection, query: bytes) -> set[int]:
    return {row[0] for row in connection.execute(query)}


def test_a_reader_of_the_status_never_misses_a_change(cdc: CdcBench, dms: DmsStandIn) -> None:
    """Whatever is seen on the source, and then the time is looked at, is on the target once that time is passed."""
    seen: list[tuple[datetime, set[int]]] = []
    passed = 0
    lags = iter((0.0, 0.25, 0.0, 0.15, 0.0))
    with Writers(cdc.bench.source_url, 4):
        began, next_lag = time.monotonic(), 0.0
        while (now := time.monotonic() - began) < 2.2:
            if now > next_lag:
                dms.faults.clear("apply-lag")
                if lag := next(lags, 0.0):
                    dms.faults.set(ApplyLag(seconds=lag))
                next_lag += 0.45
            visible = keys(cdc.source, b"""SELECT "ITEM_ID" FROM "SALES"."ITEMS" """)
            [(instant,)] = cdc.ask_source("SELECT clock_timestamp() AT TIME ZONE 'UTC'")
            seen.append((instant, visible))
            ready = [one for one in seen if cdc.passed(one[0])]
            applied = keys(cdc.target, b"SELECT item_id FROM production.items")
            for instant, visible in ready:
                assert visible <= applied, f"at {instant} {sorted(visible - applied)} were visible: {cdc.status()}"
            seen = [one for one in seen if one not in ready]
            passed += len(ready)
    assert passed > 30
    cdc.settle()
    cdc.assert_equal()


def test_lag_holds_changes_back_and_is_taken_back_at_once(cdc: CdcBench, dms: DmsStandIn) -> None:
    cdc.apply("""INSERT INTO "SALES"."ITEMS" VALUES (1)""")
    dms.faults.set(ApplyLag(seconds=60))
    cdc.write("""INSERT INTO "SALES"."ITEMS" VALUES (2), (3)""")
    [(written,)] = cdc.ask_source("SELECT clock_timestamp() AT TIME ZONE 'UTC'")
    time.sleep(0.3)
    status = cdc.status()
    assert [row[0] for row in cdc.items()] == [1]
    assert not cdc.passed(written)
    assert status["pending_changes"] == 2
    assert status["source_current_timestamp"] > written, "it reads on"
    assert status["source_timestamp_applied"] < written
    dms.faults.set(ApplyLag(seconds=0.6))
    time.sleep(0.1)
    assert len(cdc.items()) == 1, "the longest of several lags holds"
    dms.faults.clear("apply-lag")
    began = time.monotonic()
    cdc.settle()
    assert time.monotonic() - began < 1
    assert len(cdc.items()) == 3
    dms.faults.set(ApplyLag(seconds=0.5))
    began = time.monotonic()
    cdc.apply("""INSERT INTO "SALES"."ITEMS" VALUES (4)""")
    assert 0.5 <= time.monotonic() - began < 1.5


def test_under_lag_the_status_follows_the_writers_at_that_distance(cdc: CdcBench, dms: DmsStandIn) -> None:
    dms.faults.set(ApplyLag(seconds=0.5))
    behind = []
    with Load(cdc.bench.source_url):
        time.sleep(1)
        for _ in range(20):
            query = "SELECT extract(epoch FROM clock_timestamp() AT TIME ZONE 'UTC' - source_timestamp_applied)::float"
            behind += cdc.ask(f"{query} FROM dmslogs.awsdms_status")
            time.sleep(0.03)
        assert cdc.stop()["StopReason"] == "Stop Reason NORMAL", "a lag does not hold up a stop"
    distances = sorted(row[0] for row in behind)
    assert distances[0] >= 0.5
    assert distances[len(distances) // 2] < 0.8
    dms.faults.clear("apply-lag")
    cdc.start("resume-processing").settle()
    cdc.assert_equal()


def test_a_log_is_read_in_parts_whatever_is_held_back(
    cdc: CdcBench, dms: DmsStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replication, "_MOST", 3)
    dms.faults.set(ApplyLag(seconds=60))
    for number in range(20):
        cdc.write(f"""INSERT INTO "SALES"."ITEMS" SELECT {10 * number} + g FROM generate_series(1, 5) AS g""")
    deadline = time.monotonic() + 10
    while cdc.status().get("pending_changes") != 100:
        assert time.monotonic() < deadline, cdc.status()
        time.sleep(0.01)
    assert cdc.items() == []
    dms.faults.clear()
    cdc.settle()
    cdc.assert_equal()


def test_an_idle_task_keeps_saying_how_far_it_is(cdc: CdcBench) -> None:
    cdc.settle()
    ages = []
    for _ in range(20):
        [(age,)] = cdc.ask(
            """SELECT extract(epoch FROM clock_timestamp() AT TIME ZONE 'UTC' - status_time)::float
            FROM dmslogs.awsdms_status"""
        )
        ages.append(age)
        time.sleep(0.02)
    assert sorted(ages)[len(ages) // 2] < 0.1


def test_an_idle_source_need_not_keep_its_log(cdc: CdcBench) -> None:
    """What is rolled back, or belongs to another database, is let go too."""
    query = "SELECT pg_current_wal_lsn() - confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name LIKE 'dms%'"
    with cdc.source.transaction(force_rollback=True):
        cdc.source.execute("""INSERT INTO "SALES"."ITEMS" SELECT g FROM generate_series(1, 20000) AS g""")
    deadline = time.monotonic() + 10
    while cdc.ask_source(query)[0][0] > 500_000:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_stop_does_not_wait_for_a_lock_and_loses_nothing(cdc: CdcBench, dms: DmsStandIn) -> None:
    """A merge that stops the task first must not wait for the task that waits for the merge's own locks."""
    cdc.apply("""INSERT INTO "SALES"."ITEMS" VALUES (1, 1), (2, 2)""")
    with psycopg.connect(cdc.bench.target_url) as merge:
        merge.execute("UPDATE production.items SET note = 'merged' WHERE item_id = 1")
        cdc.write(
            """UPDATE "SALES"."ITEMS" SET "AMOUNT" = 22 WHERE "ITEM_ID" = 2""",
            """UPDATE "SALES"."ITEMS" SET "AMOUNT" = 11 WHERE "ITEM_ID" = 1""",
        )
        while dms.slowest_apply(cdc.arn) < 0.2:
            time.sleep(0.01)
        began = time.monotonic()
        assert cdc.stop()["StopReason"] == "Stop Reason NORMAL"
        assert time.monotonic() - began < 2
        assert merge.execute("SELECT amount FROM production.items WHERE item_id = 2").fetchall() == [(2,)]
        merge.commit()
    cdc.start("resume-processing").settle()
    assert [row[:2] for row in cdc.items()] == [(1, 11.0), (2, 22.0)]


def test_stop_and_resume_under_load_lose_and_repeat_nothing(cdc: CdcBench) -> None:
    with Load(cdc.bench.source_url) as load:
        for number in range(5):
            time.sleep(0.1 + 0.03 * number)
            assert cdc.stop()["StopReason"] == "Stop Reason NORMAL"
            cdc.start("resume-processing")
    assert load.commits > 50
    cdc.settle()
    cdc.assert_equal()
