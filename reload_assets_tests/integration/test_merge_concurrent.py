"""The merge beside writers that do not wait for it: races, locks, deaths, cancellation."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import Any

import psycopg
import pytest
from psycopg import Connection

from reload_assets.errors.merge import MergeContended, MergeStatementFailed
from reload_assets.errors.reloads import MergeBusy
from reload_assets.ledger.records import Reload
from reload_assets.merge import MergeResult, Outcomes
from reload_assets.postgres.connection import TargetDatabase
from reload_assets.windows import Window
from reload_assets_tests.integration.merge_bench import (
    CUSTOMERS,
    DAY,
    EARLIER,
    LATER,
    NOON,
    UPDATED_AT,
    InThread,
    MakeBench,
    MergeBench,
    await_true,
)

PATIENT: dict[str, Any] = {"lock_timeout_ms": 20_000, "attempts": 1}
LOCK = "SELECT FROM production.customers WHERE id = {} FOR UPDATE"
# Writing row 2 waits for as long as another session holds the gate.
GATE = """
    CREATE TABLE production.gate (id integer);
    CREATE FUNCTION production.wait() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN IF NEW.id = 2 THEN LOCK TABLE production.gate; END IF; RETURN NEW; END $$;
    CREATE TRIGGER wait BEFORE {} ON production.customers FOR EACH ROW EXECUTE FUNCTION production.wait()
"""
MERGE_SESSIONS = "SELECT pid FROM pg_stat_activity WHERE application_name = 'reload_assets'"


@pytest.fixture
def made(make_bench: MakeBench) -> MergeBench:
    return make_bench(CUSTOMERS)


def run_beside(made: MergeBench, writer: Connection[Any], reload: Reload, statement: str | None) -> Outcomes:
    """Merge while the writer holds what it holds; then it executes one more statement, and commits or rolls back."""
    merge = InThread(lambda: made.merge(reload, **PATIENT))
    made.await_waiting()
    if statement is None:
        writer.rollback()
    else:
        write(writer, statement)
    result: MergeResult = merge.result()
    return result.outcomes["customers"]


def write(writer: Connection[Any], statement: str) -> None:
    writer.execute(statement.encode())
    writer.commit()


def audited(made: MergeBench) -> int:
    return len(made.audit())


def test_hazard_01_a_backend_killed_in_the_middle_leaves_nothing_but_its_error(make_bench: MakeBench) -> None:
    made = make_bench(
        f"{CUSTOMERS}; CREATE TABLE production.orders (id integer PRIMARY KEY, updated_at timestamp)",
        {"customers": dict(UPDATED_AT), "orders": dict(UPDATED_AT)},
    )
    made.execute(f"INSERT INTO production.orders VALUES (1, '{EARLIER}')")
    reload = made.stage({"customers": [(1, "a", NOON)], "orders": [(1, NOON)]})
    with made.writer() as writer:
        writer.execute("UPDATE production.orders SET id = 1")
        merge = InThread(lambda: made.merge(reload, **PATIENT))
        made.await_waiting()
        made.rows(MERGE_SESSIONS.replace("SELECT pid", "SELECT pg_terminate_backend(pid)"))
        with pytest.raises(MergeStatementFailed, match="terminating connection"):
            merge.result()
    assert made.customers() == []
    assert made.audit() == []
    closed = made.ledger.get(reload.reload_id)
    assert closed.status == "failed"
    assert "terminating connection" in (closed.error or "")
    # The window can be reloaded again.
    assert made.merge(made.stage({"customers": [(1, "a", NOON)], "orders": [(1, NOON)]})).attempts == 1


class _BreaksAfterCommit(TargetDatabase):
    """The connection dies after the server has committed and before it could say so."""

    def connect(self, *, autocommit: bool = False) -> Connection[Any]:
        connection = super().connect(autocommit=autocommit)
        commit = connection.commit

        def commit_and_die() -> None:
            commit()
            connection.close()
            raise psycopg.OperationalError("server closed the connection unexpectedly")

        connection.commit = commit_and_die  # type: ignore[method-assign]
        return connection


def test_a_commit_whose_answer_is_lost_counts_as_merged(made: MergeBench) -> None:
    reload = made.stage({"customers": [(1, "a", NOON)]})
    target = made.target
    made.target = _BreaksAfterCommit(target.host, target.port, target.database, target.user, target.password)
    assert made.merge(reload).outcomes["customers"] == Outcomes(inserted=1)
    assert made.customers() == [(1, "a")]
    assert made.ledger.get(reload.reload_id).status == "merged"


@pytest.mark.parametrize(
    ("cdc", "counts", "name"),
    [
        (f"'cdc', '{LATER}'", Outcomes(refused=1), "cdc"),
        (f"'source', '{NOON}'", Outcomes(identical=1), "source"),
        (f"'cdc', '{NOON}'", Outcomes(repaired=1), "source"),
        (f"'cdc', '{EARLIER}'", Outcomes(updated=1), "source"),
        ("'cdc', NULL", Outcomes(unversioned=1), "cdc"),
    ],
)
def test_hazard_04_insert_race_with_cdc_first(made: MergeBench, cdc: str, counts: Outcomes, name: str) -> None:
    made.execute(f"INSERT INTO production.customers VALUES (2, 'other', '{NOON}')")
    reload = made.stage({"customers": [(1, "source", NOON), (2, "source", NOON), (3, "source", NOON)]})
    with made.writer() as writer:
        writer.execute(f"INSERT INTO production.customers VALUES (1, {cdc})".encode())
        outcomes = run_beside(made, writer, reload, "SELECT 1")
    others = Outcomes(inserted=1, repaired=counts.repaired + 1)
    assert outcomes == Outcomes(**{**vars(counts), "inserted": others.inserted, "repaired": others.repaired})
    assert made.customers() == [(1, name), (2, "source"), (3, "source")]
    assert audited(made) == outcomes.changed


def test_hazard_04_insert_race_with_a_cdc_insert_that_is_rolled_back(made: MergeBench) -> None:
    with made.writer() as writer:
        writer.execute(f"INSERT INTO production.customers VALUES (1, 'cdc', '{LATER}')".encode())
        reload = made.stage({"customers": [(1, "source", NOON)]})
        assert run_beside(made, writer, reload, None) == Outcomes(inserted=1)
    assert made.customers() == [(1, "source")]


def test_hazard_04_insert_race_with_the_merge_first(made: MergeBench) -> None:
    made.execute(f"INSERT INTO production.customers VALUES (2, 'old', '{EARLIER}')")
    made.execute(GATE.format("UPDATE"))
    reload = made.stage({"customers": [(1, "source", NOON), (2, "source", NOON)]})
    upsert = (
        f"INSERT INTO production.customers VALUES (1, 'cdc', '{LATER}') "
        "ON CONFLICT (id) DO UPDATE SET name = excluded.name, updated_at = excluded.updated_at"
    )
    with made.writer() as gate, made.writer() as cdc:
        gate.execute("LOCK TABLE production.gate")
        merge = InThread(lambda: made.merge(reload, **PATIENT))
        made.await_waiting()
        insert = InThread(lambda: write(cdc, upsert))
        made.await_waiting(2)
        gate.rollback()
        assert merge.result().outcomes["customers"] == Outcomes(inserted=1, updated=1)
        insert.result()
    assert made.customers() == [(1, "cdc"), (2, "source")]


@pytest.mark.parametrize(
    ("cdc", "counts", "rows"),
    [
        (f"UPDATE production.customers SET name = 'cdc', updated_at = '{LATER}'", Outcomes(refused=1), [(1, "cdc")]),
        (f"UPDATE production.customers SET name = 's', updated_at = '{NOON}'", Outcomes(identical=1), [(1, "s")]),
        (f"UPDATE production.customers SET name = 'cdc', updated_at = '{NOON}'", Outcomes(repaired=1), [(1, "s")]),
        ("UPDATE production.customers SET name = 'cdc'", Outcomes(updated=1), [(1, "s")]),
        ("UPDATE production.customers SET updated_at = NULL", Outcomes(unversioned=1), [(1, "old")]),
        ("UPDATE production.customers SET id = 6", Outcomes(refused=1), [(6, "old")]),
        ("DELETE FROM production.customers", Outcomes(refused=1), []),
    ],
)
def test_hazard_05_update_race_judges_the_row_that_cdc_leaves(
    made: MergeBench, cdc: str, counts: Outcomes, rows: list[tuple[int, str]]
) -> None:
    made.execute(f"INSERT INTO production.customers VALUES (1, 'old', '{EARLIER}')")
    reload = made.stage({"customers": [(1, "s", NOON)]})
    with made.writer() as writer:
        writer.execute(cdc.encode())
        outcomes = run_beside(made, writer, reload, "SELECT 1")
    assert outcomes == counts
    assert made.customers() == rows
    assert audited(made) == counts.changed
    if cdc.endswith("name = 'cdc'"):
        # The image is of the row as it was when it was changed, not as it was when the merge began.
        assert made.audit()[0][2]["name"] == "cdc"


def test_hazard_20_reloads_of_two_windows_merge_side_by_side_without_mixing(made: MergeBench) -> None:
    next_day = Window(DAY.end, DAY.end + (DAY.end - DAY.start))
    made.execute(f"INSERT INTO production.customers VALUES (1, 'old', '{EARLIER}'), (2, 'old', '{EARLIER}')")
    first = made.stage({"customers": [(1, "first", NOON), (10, "first", NOON)]})
    second = made.stage({"customers": [(2, "second", "2025-01-04 12:00"), (20, "second", "2025-01-04")]}, next_day)
    with made.writer() as writer:
        writer.execute("SELECT FROM production.customers FOR UPDATE")
        merges = [InThread(lambda reload=reload: made.merge(reload, **PATIENT)) for reload in (first, second)]  # type: ignore[misc]
        made.await_waiting(2)
        writer.rollback()
        for merge in merges:
            assert merge.result().outcomes["customers"] == Outcomes(inserted=1, updated=1)
    assert made.customers() == [(1, "first"), (2, "second"), (10, "first"), (20, "second")]
    keys = made.rows("SELECT reload_id, array_agg(key->>'id' ORDER BY key) FROM admin.reload_changes GROUP BY 1")
    assert sorted(keys) == [(first.reload_id, ["1", "10"]), (second.reload_id, ["2", "20"])]


def test_hazard_19_a_cdc_update_of_a_row_that_is_made_anew_is_not_lost(made: MergeBench) -> None:
    made.execute("ALTER TABLE production.customers ALTER COLUMN name SET NOT NULL, ADD UNIQUE (name)")
    made.execute(f"INSERT INTO production.customers VALUES (1, 'a', '{EARLIER}'), (2, 'b', '{EARLIER}')")
    made.execute(GATE.format("INSERT"))
    reload = made.stage({"customers": [(1, "b", NOON), (2, "a", NOON)]})
    update = f"UPDATE production.customers SET name = 'cdc', updated_at = '{LATER}' WHERE id = 1"
    with made.writer() as gate, made.writer() as cdc:
        gate.execute("LOCK TABLE production.gate")
        merge = InThread(lambda: made.merge(reload, **PATIENT))
        made.await_waiting()
        late = InThread(lambda: write(cdc, update))
        made.await_waiting(2)
        gate.rollback()
        assert merge.result().outcomes["customers"] == Outcomes(updated=2)
        late.result()
    assert made.customers() == [(1, "cdc"), (2, "a")]


def test_a_window_is_merged_by_one_at_a_time(made: MergeBench) -> None:
    made.execute(f"INSERT INTO production.customers VALUES (1, 'old', '{EARLIER}')")
    reload = made.stage({"customers": [(1, "s", NOON)]})
    with made.writer() as writer:
        writer.execute(LOCK.format(1).encode())
        first = InThread(lambda: made.merge(reload, **PATIENT))
        made.await_waiting()
        with pytest.raises(MergeBusy):
            made.merge(reload, **PATIENT)
        writer.rollback()
        assert first.result().outcomes["customers"] == Outcomes(updated=1)


def test_a_lock_that_is_met_is_waited_out_by_trying_again(made: MergeBench) -> None:
    made.execute(f"INSERT INTO production.customers VALUES (1, 'old', '{EARLIER}'), (2, 'old', '{EARLIER}')")
    reload = made.stage({"customers": [(1, "s", NOON), (2, "s", NOON), (3, "s", NOON)]})
    with made.writer() as writer:
        writer.execute(LOCK.format(2).encode())
        merge = InThread(lambda: made.merge(reload, lock_timeout_ms=50, attempts=50))
        await_true(lambda: made.waiting() > 0)
        await_true(lambda: made.waiting() == 0)
        writer.rollback()
        result: MergeResult = merge.result()
    assert result.attempts > 1
    assert result.outcomes["customers"] == Outcomes(inserted=1, updated=2)
    assert audited(made) == 3


def test_a_lock_that_outlives_the_attempts_is_told(made: MergeBench) -> None:
    made.execute(f"INSERT INTO production.customers VALUES (1, 'old', '{EARLIER}')")
    reload = made.stage({"customers": [(1, "s", NOON)]})
    with made.writer() as writer:
        writer.execute(LOCK.format(1).encode())
        with pytest.raises(MergeContended, match=r"2 attempts .*production\.customers for at most 30 ms .*lock"):
            made.merge(reload, lock_timeout_ms=30, attempts=2)
    assert made.customers() == [(1, "old")]
    assert made.ledger.get(reload.reload_id).status == "failed"


def test_a_deadlock_is_tried_again(made: MergeBench) -> None:
    made.execute(f"INSERT INTO production.customers VALUES (1, 'old', '{EARLIER}'), (2, 'old', '{EARLIER}')")
    reload = made.stage({"customers": [(1, "s", NOON), (2, "s", NOON)]})
    made.execute("ALTER DATABASE merge_bench SET deadlock_timeout = '300ms'")
    try:
        with made.writer() as writer:
            writer.execute("SET deadlock_timeout = '20s'")
            writer.execute(LOCK.format(2).encode())
            merge = InThread(lambda: made.merge(reload, lock_timeout_ms=20_000, attempts=3))
            made.await_waiting()
            writer.execute(LOCK.format(1).encode())
            writer.rollback()
            assert merge.result().attempts == 2
    finally:
        made.execute("ALTER DATABASE merge_bench RESET deadlock_timeout")
    assert made.customers() == [(1, "s"), (2, "s")]


def test_cdc_never_waits_longer_than_the_merge_waits_for_one_lock(made: MergeBench) -> None:
    made.execute(f"INSERT INTO production.customers VALUES (1, 'old', '{EARLIER}'), (2, 'old', '{EARLIER}')")
    reload = made.stage({"customers": [(1, "s", NOON), (2, "s", NOON)]})
    with made.writer() as holder, made.writer() as cdc:
        holder.execute(LOCK.format(2).encode())
        merge = InThread(lambda: made.merge(reload, lock_timeout_ms=100, attempts=100))
        waits, began_at = [0.0], time.monotonic()
        # For a second, or on a busy machine until the two have met.
        while (passed := time.monotonic() - began_at) < 1 or (max(waits) < 0.03 and passed < 30):
            began = time.monotonic()
            write(cdc, f"UPDATE production.customers SET updated_at = '{EARLIER}' WHERE id = 1")
            waits.append(time.monotonic() - began)
            time.sleep(0.005)
        holder.rollback()
        assert merge.result().outcomes["customers"] == Outcomes(updated=2)
    # The merge holds row 1 while it waits for row 2, so CDC did meet it, for as long as that wait and no longer.
    # The rest is for a busy machine: without an end of the wait, CDC would wait for as long as the holder holds on.
    assert 0.03 < max(waits) < 3


class _Interrupted(BaseException):
    """What a signal handler raises, as Dagster's does to end a run."""


@pytest.mark.parametrize("lock_timeout_ms", [20_000, 20], ids=["in a wait", "between attempts"])
def test_an_interrupt_of_the_calling_thread_ends_a_merge(made: MergeBench, lock_timeout_ms: int) -> None:
    made.execute(f"INSERT INTO production.customers VALUES (1, 'old', '{EARLIER}')")
    reload = made.stage({"customers": [(0, "s", NOON), (1, "s", NOON)]})

    def interrupt(number: int, frame: object) -> None:
        raise _Interrupted

    def send_when_waiting() -> None:
        made.await_waiting()
        os.kill(os.getpid(), signal.SIGUSR1)

    handler = signal.signal(signal.SIGUSR1, interrupt)
    try:
        with made.writer() as writer:
            writer.execute(LOCK.format(1).encode())
            sender = InThread(send_when_waiting)
            began = time.monotonic()
            with pytest.raises(_Interrupted):
                made.merge(reload, lock_timeout_ms=lock_timeout_ms, attempts=1000)
            assert time.monotonic() - began < 5
            sender.result()
            # Rolled back by the time the exception is out, although the lock is still held.
            assert made.waiting() == 0
    finally:
        signal.signal(signal.SIGUSR1, handler)
    assert made.customers() == [(1, "old")]
    assert made.audit() == []
    closed = made.ledger.get(reload.reload_id)
    assert (closed.status, closed.error) == ("cancelled", "The merge was interrupted by _Interrupted.")
    await_true(lambda: made.rows(MERGE_SESSIONS) == [])
    await_true(lambda: not [thread for thread in threading.enumerate() if thread.name == "reload_assets merge"])


def test_one_row_that_cdc_was_first_at_costs_a_large_merge_no_time(made: MergeBench) -> None:
    """The rows of a chunk that were not written are separated from those that were; a loop would take minutes."""
    rows = 60_000
    made.execute(f"INSERT INTO production.customers SELECT n, 'old', '{EARLIER}' FROM generate_series(1, {rows}) AS n")
    reload = made.stage({"customers": [(number, "new", NOON) for number in range(1, rows + 1)]})
    with made.writer() as cdc:
        cdc.execute(f"UPDATE production.customers SET name = 'cdc', updated_at = '{LATER}' WHERE id = {rows}")
        merge = InThread(lambda: made.merge(reload, lock_timeout_ms=5_000, chunk_rows=5_000))
        made.await_waiting()
        cdc.commit()
        result: MergeResult = merge.result(timeout=15)
    assert result.outcomes["customers"] == Outcomes(updated=rows - 1, refused=1)
