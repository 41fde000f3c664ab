"""The nightly schedule and the request sensor start real runs, once, and write back what came of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone

import pytest
from dagster import build_schedule_context

from reload_assets.jobs.maintenance import drop_expired_staging
from reload_assets.local import compare, damage
from reload_assets_tests.scenarios.requesting import answer, ask, launch, tick
from reload_assets_tests.scenarios.runs import Runner

Bounds = tuple[datetime, datetime]


DOCUMENTS = ["staging/documents", "production/documents"]


def test_the_nightly_schedule_reloads_yesterday_and_staging_is_dropped_when_its_retention_is_over(
    runner: Runner, day: date, bounds: Bounds
) -> None:
    with runner.stack.connect_target() as target:
        damage.damage(target, *bounds, seed=1)
    schedule = runner.definitions.resolve_schedule_def("reload_sales_nightly")
    assert schedule.default_status.value == "STOPPED"
    night = datetime(day.year, day.month, day.day, 2, tzinfo=timezone.utc) + timedelta(days=1)
    with build_schedule_context(
        runner.instance, scheduled_execution_time=night, repository_def=runner.definitions.get_repository_def()
    ) as context:
        requests = schedule.evaluate_tick(context).run_requests
    assert requests is not None
    assert [(request.partition_key, request.asset_selection) for request in requests] == [(day.isoformat(), None)]
    assert schedule.job_name == "reload_sales"
    assert launch(runner, requests[0], DOCUMENTS)
    with runner.stack.connect_source() as source, runner.stack.connect_target() as target:
        assert compare.compare_window(source, target, *bounds)["documents"].same
    ((reload_id, status, reason),) = runner.query(
        "SELECT reload_id, status, reason FROM admin.reloads WHERE partition_key = %s", day.isoformat()
    )
    assert (status, reason) == ("merged", f"nightly reload of {day}")

    with runner.stack.connect_target() as target:
        target.execute(
            "UPDATE admin.reloads SET closed_at = closed_at - interval '8 days' WHERE reload_id = %s", (reload_id,)
        )
    job = runner.definitions.resolve_job_def(drop_expired_staging.name)
    result = job.execute_in_process(instance=runner.instance)
    assert f"staging.documents_r{reload_id}" in result.output_for_node("drop_expired_tables")
    assert runner.query("SELECT to_regclass(%s)", f"staging.documents_r{reload_id}") == [(None,)]


@pytest.fixture
def requests(runner: Runner) -> Iterator[None]:
    yield
    with runner.stack.connect_target() as target:
        target.execute("DELETE FROM admin.reload_requests")


@pytest.mark.usefixtures("requests")
def test_a_request_becomes_one_run_and_gets_its_answer(runner: Runner, day: date, bounds: Bounds) -> None:
    utc = [bound.replace(tzinfo=timezone.utc) for bound in bounds]
    whole = ask(
        runner, group_name="sales", window_start=utc[0], window_end=utc[1], reason="late file", requested_by="ana"
    )
    part = ask(
        runner,
        group_name="sales",
        window_start=utc[0] + timedelta(hours=1),
        window_end=utc[0] + timedelta(hours=2),
        tables=["documents"],
        reason="scan",
    )
    first = tick(runner)
    assert [(request.job_name, request.partition_key) for request in first] == [
        ("reload_sales", day.isoformat()),
        ("reload_window_sales", f"{day}T01:00:00Z--{day}T02:00:00Z"),
    ]
    assert {key.to_user_string() for key in first[1].asset_selection or []} == {
        "adhoc/staging/documents",
        "adhoc/production/documents",
    }
    # Until its run exists, a row is asked for again under the same run key, which Dagster starts once.
    assert [request.run_key for request in tick(runner)] == [request.run_key for request in first]

    assert {key.to_user_string() for key in first[0].asset_selection or []} == {
        f"{layer}/{table}"
        for layer in ("staging", "production")
        for table in ("customers", "orders", "order_items", "documents")
    }
    assert launch(runner, first[0], DOCUMENTS)
    assert launch(runner, first[1])
    assert tick(runner) == []
    for number in (whole, part):
        status, run_id, reload_id, error = answer(runner, number)
        assert (status, error) == ("done", None)
        assert runner.query("SELECT request_id, run_id FROM admin.reloads WHERE reload_id = %s", reload_id) == [
            (number, run_id)
        ]
    assert runner.query("SELECT started_by, reason FROM admin.reloads WHERE request_id = %s", whole) == [
        (f"request {whole} by ana", "late file")
    ]

    # One that a reload has answered since needs no run. One that waited for CDC gets its run, as CDC keeps up.
    earlier = {"requested_at": utc[0], "window_start": utc[0], "reason": "the same"}
    healed = ask(runner, group_name="sales", window_end=utc[1], tables=["documents"], **earlier)
    why = {"status": "held", "held_because": "it lagged [held-for-cdc]", "found_by": "drift"}
    later = {"window_end": utc[1] + timedelta(hours=1), "tables": ["orders"]}
    waited = ask(runner, group_name="sales", **earlier, **why, **later)
    assert [request.tags["reload_assets/request"] for request in tick(runner)] == [str(waited)]
    assert answer(runner, healed)[:3] == ("healed", None, answer(runner, whole)[2])


@pytest.mark.usefixtures("requests")
def test_a_bad_request_gets_a_sentence_and_blocks_nobody(runner: Runner, day: date, bounds: Bounds) -> None:
    start, end = (bound.replace(tzinfo=timezone.utc) for bound in bounds)
    window = {"window_start": start, "window_end": end, "reason": "r"}
    bad = {
        ask(runner, group_name="sale", **window): "there is no group 'sale'; did you mean 'sales'?",
        ask(runner, group_name="sales", tables=["ordres"], **window): "did you mean 'orders'?",
        ask(runner, group_name="sales", tables=[], **window): "the list is empty",
        ask(runner, group_name="sales", **{**window, "window_end": start}): "not after its start",
        ask(
            runner, group_name="sales", **{**window, "window_end": datetime(2999, 1, 1, tzinfo=timezone.utc)}
        ): "ends in the future",
    }
    good = ask(runner, group_name="sales", **window)
    assert [request.tags["reload_assets/request"] for request in tick(runner)] == [str(good)]
    for number, sentence in bad.items():
        status, run_id, _, error = answer(runner, number)
        assert (status, run_id) == ("refused", None)
        assert sentence in error
    assert [request.tags["reload_assets/request"] for request in tick(runner)] == [str(good)]


@pytest.mark.usefixtures("requests")
def test_a_request_whose_run_failed_says_why(
    runner: Runner, day: date, bounds: Bounds, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, end = (bound.replace(tzinfo=timezone.utc) for bound in bounds)
    number = ask(runner, group_name="sales", window_start=start, window_end=end, tables=["orders"], reason="r")
    (request,) = tick(runner)
    from reload_assets.local.dms.faults import TableError

    runner.stack.dms.faults.set(TableError(table="ORDERS", message="no space left", times=1))
    assert not launch(runner, request)
    assert tick(runner) == []
    status, run_id, reload_id, error = answer(runner, number)
    assert status == "failed"
    assert run_id
    assert reload_id
    assert "no space left" in error
