"""The sweeper cleans after runs that are over, and leaves alone whatever may still be somebody's."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pytest
from dagster import DagsterRun, DagsterRunStatus, SkipReason, build_sensor_context
from dagster._core.errors import DagsterUserCodeProcessError

from reload_assets.local.dms.faults import Throttle
from reload_assets_tests.scenarios.runs import Runner
from reload_assets_tests.scenarios.test_cdc import leave_stopped


@pytest.fixture(autouse=True)
def _nothing_left(runner: Runner) -> Iterator[None]:
    yield
    runner.stack.dms.faults.clear()
    runner.stack.cdc.task.resume()
    with runner.stack.connect_target() as target:
        target.execute("UPDATE admin.reloads SET cdc_resumed_at = now() WHERE cdc_stopped_at IS NOT NULL")
        target.execute("UPDATE admin.reloads SET status = 'cancelled' WHERE status IN ('open', 'loading', 'loaded')")


def tick(runner: Runner) -> str:
    """Return what the sensor says after one tick."""
    resources = {"reload": (runner.definitions.resources or {})["reload"]}
    with build_sensor_context(
        runner.instance, repository_def=runner.definitions.get_repository_def(), resources=resources
    ) as context:
        result = runner.definitions.resolve_sensor_def("sweeper")(context)
    assert isinstance(result, SkipReason)
    return result.skip_message or ""


def a_run(runner: Runner, status: DagsterRunStatus) -> str:
    run = DagsterRun(job_name="reload_sales", status=status)
    runner.instance.add_run(run)
    return run.run_id


def loading(runner: Runner, run_id: str, day: date) -> int:
    """A reload that a run has left in its load."""
    ((number,),) = runner.query(
        "INSERT INTO admin.reloads (group_name, window_start, window_end, load_start, partition_key, tables, status, "
        "started_by, run_id) VALUES ('sales', %s, %s::timestamptz + interval '1 day', %s, %s::text, '{documents}', "
        "'loading', 'me', %s) RETURNING reload_id",
        day,
        day,
        day,
        day,
        run_id,
    )
    return int(number)


def status(runner: Runner, number: int) -> str:
    ((found,),) = runner.query("SELECT status FROM admin.reloads WHERE reload_id = %s", number)
    return str(found)


def test_a_task_that_a_dead_run_left_stopped_is_resumed(runner: Runner) -> None:
    number = leave_stopped(runner, a_run(runner, DagsterRunStatus.FAILURE))
    assert f"reload {number} left the CDC task {runner.stack.cdc.task.arn} stopped; resuming it" in tick(runner)
    assert runner.stack.cdc.task.state().running
    # Production can still be materialized from it.
    assert status(runner, number) == "verified"
    assert "resuming" not in tick(runner)


@pytest.mark.parametrize("known", [True, False])
def test_a_run_that_may_be_at_work_is_left_alone(runner: Runner, day: date, known: bool) -> None:
    run_id = a_run(runner, DagsterRunStatus.STARTED) if known else "of-another-dagster"
    stopped, reload = leave_stopped(runner, run_id), loading(runner, run_id, day)
    said = tick(runner)
    assert runner.stack.cdc.task.state().status == "stopped"
    assert (status(runner, stopped), status(runner, reload)) == ("verified", "loading")
    assert (run_id in said) is not known


def test_a_fence_that_is_still_held_is_left_alone(runner: Runner) -> None:
    leave_stopped(runner, a_run(runner, DagsterRunStatus.FAILURE))
    with runner.stack.connect_target() as target, target.transaction():
        target.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended('reload_assets:fence:' || %s, 0))",
            (runner.stack.cdc.task.arn,),
        )
        assert "is kept stopped by a reload that still holds its fence" in tick(runner)
        assert runner.stack.cdc.task.state().status == "stopped"
    tick(runner)
    assert runner.stack.cdc.task.state().running


def test_it_goes_on_after_a_failure_and_names_what_is_left(runner: Runner, day: date) -> None:
    run_id = a_run(runner, DagsterRunStatus.CANCELED)
    leave_stopped(runner, run_id)
    reload = loading(runner, run_id, day)
    runner.stack.dms.faults.set(Throttle(operation="StartReplicationTask"))
    with pytest.raises(DagsterUserCodeProcessError, match=f"the CDC task {runner.stack.cdc.task.arn}: ") as raised:
        tick(runner)
    assert "throttled every attempt when resuming the CDC task cdc" in str(raised.value)
    assert status(runner, reload) == "cancelled"
    runner.stack.dms.faults.clear()
    tick(runner)
    assert runner.stack.cdc.task.state().running
