"""Runs that nobody can mean: over several partitions, over none, for another family's, for a request that is none."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

import pytest
from dagster import AssetKey, AssetMaterialization, ExecuteInProcessResult
from dagster._core.execution.plan.objects import ErrorSource

from reload_assets_tests.scenarios.runs import Runner, failures

RANGE = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")


def launch(
    runner: Runner,
    tags: Mapping[str, str],
    assets: list[str] | None = None,
    job: str = "reload_sales",
) -> ExecuteInProcessResult:
    return runner.definitions.resolve_job_def(job).execute_in_process(
        instance=runner.instance,
        asset_selection=[AssetKey(name.split("/")) for name in assets] if assets else None,
        tags=dict(tags),
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        raise_on_error=False,
    )


def left_behind(runner: Runner) -> tuple[object, ...]:
    """The reloads, the staging tables and the load tasks that there are."""
    return (
        runner.query("SELECT count(*) FROM admin.reloads"),
        runner.query("SELECT count(*) FROM pg_class WHERE relnamespace = 'staging'::regnamespace"),
        runner.dms_tasks(),
    )


def is_a_sentence(said: list[str], code: str) -> bool:
    return bool(said) and all(one.endswith(f"[{code}]") and "\n" not in one and "Traceback" not in one for one in said)


@pytest.mark.parametrize("assets", [None, ["production/orders"], ["staging/orders"]])
def test_a_run_over_several_partitions_is_refused_and_leaves_nothing(
    runner: Runner, day: date, assets: list[str] | None
) -> None:
    before = left_behind(runner)
    last = (day + timedelta(days=2)).isoformat()
    said = failures(launch(runner, dict(zip(RANGE, (day.isoformat(), last), strict=True)), assets))
    assert is_a_sentence(said, "run-over-partitions"), said
    assert f"for the partitions '{day}' to '{last}', but a reload is one window" in said[0]
    assert left_behind(runner) == before


@pytest.fixture
def staged_before(runner: Runner, day: date) -> None:
    """Staging was materialized once, so that Dagster itself looks for the partitions of it that production needs."""
    for key in (["staging", "orders"], ["adhoc", "staging", "orders"]):
        runner.instance.report_runless_asset_event(AssetMaterialization(key, partition=day.isoformat()))


@pytest.mark.usefixtures("staged_before")
@pytest.mark.parametrize(
    ("assets", "job"),
    [
        (None, "reload_sales"),
        (["staging/orders"], "reload_sales"),
        (["production/orders"], "reload_sales"),
        (None, "reload_window_sales"),
        (["adhoc/production/orders"], "reload_window_sales"),
    ],
)
def test_a_run_without_a_partition_is_refused_and_leaves_nothing(
    runner: Runner, assets: list[str] | None, job: str
) -> None:
    before = left_behind(runner)
    said = failures(launch(runner, {}, assets, job))
    assert is_a_sentence(said, "run-without-partition"), said
    assert left_behind(runner) == before


@pytest.mark.usefixtures("staged_before")
@pytest.mark.parametrize(
    ("code", "days"), [("run-without-partition", 0), ("nothing-loaded", 1), ("run-over-partitions", 2)]
)
def test_checks_alone_get_a_sentence(runner: Runner, day: date, code: str, days: int) -> None:
    before = left_behind(runner)
    last = (day + timedelta(days=days - 1)).isoformat()
    tags = dict(zip(RANGE, (day.isoformat(), last), strict=True)) if days else {}
    graph = runner.definitions.resolve_asset_graph()
    orders = {AssetKey(["staging", "orders"]), AssetKey(["production", "orders"])}
    checks = {key for key in graph.asset_check_keys if key.asset_key in orders}
    job = runner.definitions.resolve_implicit_global_asset_job_def()
    result = job.get_subset(asset_selection=set(), asset_check_selection=checks).execute_in_process(
        instance=runner.instance,
        tags=tags,
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        raise_on_error=False,
    )
    said = failures(result)
    # Those of staging and those of production, a step each.
    assert len(said) == 2
    assert is_a_sentence(said, code), said
    assert left_behind(runner) == before


def test_an_ad_hoc_run_for_a_day_of_the_cadence_gets_a_sentence(runner: Runner, day: date) -> None:
    before = left_behind(runner)
    for asset in ("staging", "production"):
        tags = {"dagster/partition": day.isoformat()}
        said = failures(launch(runner, tags, [f"adhoc/{asset}/orders"], "reload_window_sales"))
        assert is_a_sentence(said, "partition-key-invalid"), said
    assert left_behind(runner) == before


def test_production_alone_of_a_window_that_nobody_loaded_gets_a_sentence_without_a_stack_trace(
    runner: Runner, day: date
) -> None:
    before = left_behind(runner)
    result = launch(runner, {"dagster/partition": day.isoformat()}, ["production/orders"])
    assert is_a_sentence(failures(result), "nothing-loaded"), failures(result)
    (failed,) = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    # With these the Dagster UI leaves out the frames of Dagster, and has none of ours to show.
    assert failed.error_source is ErrorSource.USER_CODE_ERROR
    assert failed.error is not None
    assert failed.error.cause is not None
    assert (failed.error.cause.stack, failed.error.cause.cause, failed.error.cause.context) == ([], None, None)
    assert left_behind(runner) == before


def test_a_range_of_one_partition_is_that_partition(runner: Runner, day: date) -> None:
    result = launch(runner, dict.fromkeys(RANGE, day.isoformat()), ["staging/customers", "production/customers"])
    assert failures(result) == []
    assert runner.ledger(result.run_id)["partition_key"] == day.isoformat()


def test_a_tag_that_names_no_request_gets_a_sentence(runner: Runner, day: date) -> None:
    before = left_behind(runner)
    result = runner.run(day.isoformat(), assets=["staging/customers"], tags={"reload_assets/request": "mine"})
    said = failures(result)
    assert is_a_sentence(said, "request-invalid"), said
    assert left_behind(runner) == before
