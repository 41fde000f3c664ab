"""Comparisons of windows with the source: drift is shown, recorded and asked for; each window has its turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from dagster import AssetCheckKey, AssetKey, DagsterInstance, build_schedule_context

from reload_assets.local.dms.faults import ApplyLag
from reload_assets.local.stack import Stack
from reload_assets.local.traffic import Traffic
from reload_assets.resources.reload import ReloadResource
from reload_assets_tests.scenarios.requesting import answer, launch, tick
from reload_assets_tests.scenarios.runs import Runner, checks, failures, take_day
from reload_assets_tests.scenarios.test_cdc import changed
from reload_assets_tests.scenarios.test_keys import source_row, target_row

DRIFT = "drift/documents"
KEY = AssetKey(["drift", "documents"])
SECTION = """finders:
  drift:
    days: 2
    within_days: 1
    lobs: true
{more}
groups:
"""


@pytest.fixture(autouse=True)
def _asks_nobody(stack: Stack) -> Iterator[None]:
    """What is found here is no other test's business."""
    yield
    stack.dms.faults.clear()
    with stack.connect_target() as target:
        target.execute("DELETE FROM admin.findings WHERE finder = 'drift'")
        target.execute("DELETE FROM admin.reload_requests WHERE found_by = 'drift'")


def with_drift(more: str = "") -> str:
    """reload.yaml with the finder switched on."""
    return changed("groups:\n", SECTION.format(more=more))


def test_drift_is_found_shown_recorded_and_asked_for_once(
    configured: Callable[[str], Runner], day: date, bounds: tuple[datetime, datetime]
) -> None:
    runner = configured(with_drift())
    in_window = "updated_at >= %s AND updated_at < %s"
    numbers = [
        number
        for (number,) in runner.query(
            f"SELECT document_id FROM production.documents WHERE {in_window} ORDER BY document_id", *bounds
        )
    ]
    lost, stale = numbers[0], numbers[1]
    runner.stack.drain()
    with runner.stack.connect_target() as target:
        # What CDC by LogMiner leaves: it does not carry an update of a LOB.
        target.execute("UPDATE production.documents SET body = 'as it was' WHERE document_id = %s", (stale,))
        target.execute("DELETE FROM production.documents WHERE document_id = %s", (lost,))

    result = runner.run(day.isoformat(), job="drift_sales", assets=[DRIFT])
    assert failures(result) == []
    # The windows of the last two days, by the clock, were never compared.
    assert checks(result) == {f"{DRIFT}.drift_free": False, f"{DRIFT}.compared_within": False}
    (event,) = result.asset_materializations_for_node("compare_sales")
    shown: dict[str, Any] = {name: value.value for name, value in event.metadata.items()}
    assert event.partition == day.isoformat()
    assert (shown["rows compared"], shown["rows drifted"], shown["missing"], shown["content"]) == (
        len(numbers),
        2,
        1,
        1,
    )
    assert shown["rows read from the source"] >= len(numbers)
    assert shown["found"].startswith(
        "2 rows of production.documents drifted: 1 row missing in production (document_id "
    )
    midnight = datetime(day.year, day.month, day.day, tzinfo=timezone.utc)
    recorded = runner.query(
        "SELECT status, is_equal, missing, content, seconds > 0, not_compared, run_id FROM admin.comparisons "
        "WHERE window_start = %s AND table_name = 'documents'",
        midnight,
    )
    assert recorded == [("compared", False, 1, 1, True, {}, result.run_id)]
    asked = "SELECT f.keys, f.evidence ->> 'missing', q.found_by, q.keys, q.request_id FROM admin.findings AS f "
    asked += (
        "INNER JOIN admin.reload_requests AS q USING (request_id) WHERE f.evidence_id LIKE %s ORDER BY f.finding_id"
    )
    evidence = f"documents/{day.isoformat()}T%"
    ((keys, missing, found_by, requested, request),) = runner.query(asked, evidence)
    assert sorted(keys) == sorted([[str(lost)], [str(stale)]])
    assert (missing, found_by, sorted(requested["documents"])) == ("1", "drift", sorted([str(lost), str(stale)]))

    # The next comparison of the window finds the same, which is asked for already.
    again = runner.run(day.isoformat(), job="drift_sales", assets=[DRIFT])
    assert failures(again) == []
    assert {row[-1] for row in runner.query(asked, evidence)} == {request}

    (launched,) = tick(runner)
    assert launch(runner, launched)
    assert tick(runner) == []
    assert answer(runner, request)[0] == "done"
    for number in (lost, stale):
        assert target_row(runner, "documents", number) == source_row(runner, "documents", number) is not None

    with runner.stack.connect_target() as target:
        # A table that cannot be compared does not keep the others from it.
        target.execute("ALTER TABLE production.customers ENABLE ROW LEVEL SECURITY")
    healed = runner.run(day.isoformat(), job="drift_sales", assets=[DRIFT, "drift/customers"])
    with runner.stack.connect_target() as target:
        target.execute("ALTER TABLE production.customers DISABLE ROW LEVEL SECURITY")
    assert checks(healed)[f"{DRIFT}.drift_free"]
    (sentence,) = failures(healed)
    assert "production.customers" in sentence
    assert sentence.endswith("[row-security]")
    assert runner.query(
        "SELECT table_name, status, is_equal, detail = %s FROM admin.comparisons WHERE window_start = %s "
        "ORDER BY comparison_id",
        sentence,
        midnight,
    ) == [
        ("documents", "compared", False, False),
        ("documents", "compared", False, False),
        ("customers", "failed", None, True),
        ("documents", "compared", True, False),
    ]

    # A comparison that has no time for all of the window does not count.
    hasty = configured(with_drift("    rows_per_second: 1\n    seconds: 0.5"))
    with runner.stack.connect_target() as target:
        target.execute("ANALYZE production.documents")
    part = hasty.run(day.isoformat(), job="drift_sales", assets=[DRIFT])
    assert failures(part) == []
    assert part.asset_materializations_for_node("compare_sales") == []
    (evaluation,) = [one for one in part.get_asset_check_evaluations() if one.check_name == "drift_free"]
    assert not evaluation.passed
    assert "was compared in part" in (evaluation.description or "")


def test_windows_are_compared_in_turn_and_those_that_are_overdue_are_named(
    configured: Callable[[str], Runner], day: date, tmp_path: Path
) -> None:
    runner = configured(with_drift())
    schedule = runner.definitions.resolve_schedule_def("drift_sales")
    assert schedule.default_status.value == "RUNNING"
    # Two windows have ended, one of them more than within_days ago.
    latest = take_day()
    assert latest == day + timedelta(days=1)
    earlier, later = day.isoformat(), latest.isoformat()
    midnight = datetime(day.year, day.month, day.day)
    now = midnight.replace(tzinfo=timezone.utc) + timedelta(days=2, hours=1, minutes=17)
    # A tick gets no instance that is only in memory.
    with DagsterInstance.local_temp(str(tmp_path)) as instance:

        def tick() -> list[str | None]:
            with build_schedule_context(
                instance,
                scheduled_execution_time=now,
                repository_def=runner.definitions.get_repository_def(),
                resources={"reload": ReloadResource(config_file=runner.config.file)},
            ) as context:
                return [request.partition_key for request in schedule.evaluate_tick(context).run_requests or ()]

        # The latest one first, and one per tick: that is an even load.
        assert tick() == [later]
        (record,) = instance.event_log_storage.get_asset_check_execution_history(
            AssetCheckKey(KEY, "compared_within"), limit=1
        )
        dagster_event = record.event and record.event.dagster_event
        assert dagster_event
        evaluation = dagster_event.asset_check_evaluation_data
        assert (evaluation.passed, evaluation.metadata["overdue"].value) == (False, 1)
        said = "1 window of 2 of documents without a comparison within 1 days (finders.drift.within_days): "
        assert (evaluation.description or "").startswith(f"{said}{earlier};")
        runner.stack.dms.faults.set(ApplyLag(seconds=0.5))
        bounds = midnight + timedelta(days=1), midnight + timedelta(days=2)
        with Traffic(runner.stack.postgres.url("source"), *bounds, seed=1) as traffic:
            result = runner.run(later, job="drift_sales")
        assert failures(result) == []
        assert traffic.transactions > 10
        # CDC lags behind a writer, and nothing counts as drift.
        assert {checks(result)[f"drift/{table}.drift_free"] for table in runner.config.groups["sales"].tables} == {True}
        assert tick() == [earlier]
