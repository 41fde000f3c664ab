"""The sensor that says what happened to reloads, requests and CDC tasks; it starts no run."""

from collections.abc import Sequence
from functools import partial

from dagster import (
    DagsterEventType,
    DagsterInstance,
    DagsterRunStatus,
    DefaultSensorStatus,
    RunsFilter,
    SensorEvaluationContext,
    SkipReason,
    sensor,
)

from reload_assets.assets.load_steps import said_by
from reload_assets.errors import code_of
from reload_assets.errors.reloads import NotifyIncomplete
from reload_assets.resources.reload import ReloadResource
from reload_assets.sensors.failed_ticks import readable_ticks

INTERVAL_SECONDS = 30
# Dagster waits 60 s for a sensor.
PATIENCE_SECONDS = 15.0


@sensor(
    name="notifier",
    minimum_interval_seconds=INTERVAL_SECONDS,
    # On from the start: without the section notify it writes to the log.
    default_status=DefaultSensorStatus.RUNNING,
    description="Say once, to each channel of the section notify, what happened to reloads, requests and CDC tasks.",
)
@readable_ticks()
def notifier(context: SensorEvaluationContext, reload: ReloadResource) -> SkipReason:
    """Send what is new. The tick fails if something could not be sent."""
    send = reload.services.notifier(context.log.warning, PATIENCE_SECONDS)
    sent = send.tick(partial(_failed_runs, context.instance))
    if sent.left:
        raise NotifyIncomplete(" ".join(sent.left))
    return SkipReason(f"Messages sent: {sent.messages}.")


def _failed_runs(instance: DagsterInstance, run_ids: Sequence[str]) -> dict[str, str | None]:
    if not run_ids:
        return {}
    # A run that is unknown here may be that of another Dagster instance, which says it.
    failed = RunsFilter(run_ids=list(run_ids), statuses=[DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED])
    return {run.run_id: _code(instance, run.run_id) for run in instance.get_runs(failed)}


def _code(instance: DagsterInstance, run_id: str) -> str | None:
    """Return the code of the error that ended a run."""
    for entry in instance.all_logs(run_id, of_type=DagsterEventType.STEP_FAILURE):
        event = entry.dagster_event
        if event is not None and (found := code_of(said_by(event.step_failure_data))):
            return found
    return None
