"""The hazards of NULL versions, of production's own triggers, and of transactions that lock as CDC's do."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import pytest
from psycopg import Connection

from reload_assets.ledger.records import Reload
from reload_assets.merge import MergeResult, Outcomes, Patience
from reload_assets.verify.outcome import CheckOutcome
from reload_assets.verify.production import verify_merged
from reload_assets.verify.staging import verify_staging
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
)

PATIENT: dict[str, Any] = {"lock_timeout_ms": 20_000, "attempts": 3}
# The rows with their place and their writer: both change if a row is written again, even with the same values.
WRITTEN = "SELECT ctid, xmin, * FROM production.customers ORDER BY id"


def window_bounds(made: MergeBench, reload: Reload) -> CheckOutcome:
    """What the check on staging says."""
    (table,) = made.resolve()
    (outcome,) = verify_staging(
        made.target,
        made.config.source.zone,
        reload,
        table,
        made.ledger.tables(reload.reload_id)["customers"],
        lob_limit_kb=made.config.dms.task.lob_limit_kb,
        source_configured=False,
        checks=["window_bounds"],
    )
    return outcome


def staged_in_production(made: MergeBench, reload: Reload) -> CheckOutcome:
    """What the check after the merge says."""
    (table,) = made.resolve()
    staged = made.ledger.tables(reload.reload_id)["customers"]
    outcomes = verify_merged(
        made.target, made.config.source.zone, made.ledger.get(reload.reload_id), table, staged, None
    )
    return next(outcome for outcome in outcomes if outcome.check_name == "staged_in_production")


@pytest.mark.parametrize(
    ("policy", "counts", "names", "said"),
    [
        ("report", Outcomes(unversioned=1, identical=1, inserted=1), ["p", "s", "s"], "1 row left alone for lack of"),
        ("repair", Outcomes(repaired=1, identical=1, inserted=1), ["s", "s", "s"], "as it was staged."),
    ],
)
def test_hazard_07_a_row_without_a_version_is_reported_and_the_policy_decides(
    make_bench: MakeBench, policy: str, counts: Outcomes, names: list[str], said: str
) -> None:
    """NULL is neither newer nor older, so a guard that only compares leaves such a row for ever and says nothing."""
    made = make_bench(
        CUSTOMERS.replace("name text,", "name text, version integer,"),
        {"customers": {**UPDATED_AT, "version_column": "version", "null_version": policy}},
    )
    made.execute(f"INSERT INTO production.customers VALUES (1, 'p', NULL, '{NOON}'), (2, 's', NULL, '{NOON}')")
    rows = [(1, "s", 7, NOON), (2, "s", None, NOON), (3, "s", None, NOON)]
    reload = made.stage({"customers": rows})
    assert made.merge(reload).outcomes["customers"] == counts
    assert [name for _, name in made.customers()] == names
    noted = made.ledger.tables(reload.reload_id)["customers"]
    assert (noted.unversioned, noted.repaired) == (counts.unversioned, counts.repaired)
    assert said in staged_in_production(made, reload).detail


def test_hazard_07_a_row_without_a_value_in_the_window_column_is_in_no_window_and_the_check_says_so(
    make_bench: MakeBench,
) -> None:
    """The filter of a load lets no such row through; one that is staged all the same is not merged, come what may."""
    made = make_bench(CUSTOMERS)
    made.execute(f"INSERT INTO production.customers VALUES (1, 'p', NULL), (2, 'p', '{EARLIER}'), (3, 'p', NULL)")
    reload = made.stage({"customers": [(1, "s", NOON), (2, "s", None), (3, "s", None), (4, "s", None)]})
    found = window_bounds(made, reload)
    assert (found.status, found.blocking, found.facts["without"]) == ("failed", True, 3)
    assert "has 3 rows without a value" in found.detail
    assert made.ledger.tables(reload.reload_id)["customers"].staged_rows == 4
    # Nor does the merge take them, whatever the verdict; the one that production has without a version is reported.
    assert made.merge(reload).outcomes["customers"] == Outcomes(unversioned=1)
    assert made.customers() == [(1, "p"), (2, "p"), (3, "p")]
    assert made.audit() == []


def test_hazard_13_reloading_twice_changes_nothing_where_a_trigger_dates_every_row(make_bench: MakeBench) -> None:
    """What the merge writes is newer than the source says from then on, and stays what it is: refused, and counted."""
    made = make_bench(
        CUSTOMERS
        + """;
        CREATE FUNCTION production.touch() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN NEW.updated_at := now(); RETURN NEW; END $$;
        CREATE TRIGGER touch BEFORE INSERT OR UPDATE ON production.customers
        FOR EACH ROW EXECUTE FUNCTION production.touch()"""
    )
    # As CDC writes: without triggers.
    made.execute(
        "SET session_replication_role = replica; INSERT INTO production.customers VALUES "
        f"(1, 'torn', '{NOON}'), (2, 'old', '{EARLIER}'), (3, 's', '{NOON}')"
    )
    rows = [(key, "s", NOON) for key in (1, 2, 3, 4)]
    assert made.reload(rows) == Outcomes(inserted=1, updated=1, repaired=1, identical=1)
    written = made.rows(WRITTEN)
    assert [row[4] > DAY.end.replace(tzinfo=None) for row in written] == [True, True, False, True]
    assert made.reload(rows) == Outcomes(refused=3, identical=1)
    assert made.rows(WRITTEN) == written
    assert len(made.audit()) == 3


def test_hazard_14_triggers_fire_as_for_an_application_and_only_for_changed_rows(make_bench: MakeBench) -> None:
    """The merge leaves session_replication_role alone, unlike DMS: foreign keys are triggers too, and would not hold.

    So normal and ALWAYS triggers fire, and REPLICA ones, which are meant for replication alone, do not.
    """
    made = make_bench(CUSTOMERS)
    made.execute(
        f"""INSERT INTO production.customers VALUES
        (1, 'old', '{EARLIER}'), (2, 'torn', '{NOON}'), (3, 's', '{NOON}'), (4, 'newer', '{LATER}');
        CREATE TABLE production.fired (trigger text, operation text, id integer);
        CREATE FUNCTION production.note() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN INSERT INTO production.fired VALUES (TG_NAME, TG_OP, NEW.id); RETURN NEW; END $$"""
    )
    for name in ("normal", "always", "replica", "disabled"):
        made.execute(
            f"CREATE TRIGGER {name} AFTER INSERT OR UPDATE ON production.customers FOR EACH ROW "
            "EXECUTE FUNCTION production.note()"
        )
    made.execute(
        "ALTER TABLE production.customers ENABLE ALWAYS TRIGGER always, ENABLE REPLICA TRIGGER replica, "
        "DISABLE TRIGGER disabled"
    )
    fired = "DELETE FROM production.fired RETURNING trigger, operation, id"
    assert made.reload([(key, "s", NOON) for key in (1, 2, 3, 4, 5)]) == Outcomes(
        inserted=1, updated=1, repaired=1, identical=1, refused=1
    )
    written = [("INSERT", 5), ("UPDATE", 1), ("UPDATE", 2)]
    assert sorted(made.rows(fired)) == [(name, *change) for name in ("always", "normal") for change in written]

    made.execute(f"SET session_replication_role = replica; UPDATE production.customers SET updated_at = '{LATER}'")
    assert {name for name, _, _ in made.rows(fired)} == {"always", "replica"}


@pytest.fixture
def made(make_bench: MakeBench) -> Iterator[MergeBench]:
    """Rows 1 to 9, which are old; a deadlock is looked for so late that a busy machine does not decide the outcome."""
    bench = make_bench(CUSTOMERS)
    bench.execute(f"INSERT INTO production.customers SELECT i, 'old', '{EARLIER}' FROM generate_series(1, 9) AS i")
    bench.execute("ALTER DATABASE merge_bench SET deadlock_timeout = '3s'")
    yield bench
    bench.execute("ALTER DATABASE merge_bench RESET deadlock_timeout")


def update(session: Connection[Any], key: int) -> float:
    """Change a row as CDC does; for how long it waited (seconds)."""
    began = time.monotonic()
    session.execute(f"UPDATE production.customers SET name = 'cdc', updated_at = '{LATER}' WHERE id = {key}".encode())
    return time.monotonic() - began


def test_hazard_17_merges_lock_their_rows_in_key_order_however_they_were_loaded(made: MergeBench) -> None:
    """Two windows with the same rows, because they were changed in between, staged in opposite orders."""
    next_day = Window(DAY.end, DAY.end + (DAY.end - DAY.start))
    up = made.stage({"customers": [(key, "up", NOON) for key in range(1, 10)]})
    down = made.stage({"customers": [(key, "down", "2025-01-04 12:00") for key in range(9, 0, -1)]}, next_day)
    with made.writer() as holder:
        holder.execute("SELECT FROM production.customers WHERE id = 5 FOR UPDATE")
        first = InThread(lambda: made.merge(up, **PATIENT))
        made.await_waiting()
        second = InThread(lambda: made.merge(down, **PATIENT))
        made.await_waiting(2)
        holder.rollback()
        results: list[MergeResult] = [first.result(), second.result()]
    assert [(result.attempts, result.outcomes["customers"]) for result in results] == [(1, Outcomes(updated=9))] * 2
    assert {name for _, name in made.customers()} == {"down"}


def test_hazard_17_the_merge_gives_way_to_cdc_that_locks_in_the_opposite_order(made: MergeBench) -> None:
    """CDC waits for the merge before the merge waits for CDC, so that a deadlock would be CDC's to die of."""
    limits = made.config.merge
    patience = max(limits.lock_timeout_ms, limits.stall_limit_ms) / 1000
    reload = made.stage({"customers": [(key, "s", NOON) for key in range(1, 10)]})
    with made.writer() as holder, made.writer() as cdc:
        holder.execute("SELECT FROM production.customers WHERE id = 5 FOR UPDATE")
        update(cdc, 9)
        merge = InThread(lambda: made.merge(reload, **asdict(Patience.configured(limits))))
        made.await_waiting()
        late = InThread(lambda: update(cdc, 1))
        made.await_waiting(2)
        holder.rollback()
        waited: float = late.result()
        cdc.commit()
        result: MergeResult = merge.result()
    assert waited < patience + 1
    assert result.attempts > 1
    assert result.outcomes["customers"] == Outcomes(updated=7, refused=2)
    assert [key for key, name in made.customers() if name == "cdc"] == [1, 9]
    assert len(made.audit()) == 7
