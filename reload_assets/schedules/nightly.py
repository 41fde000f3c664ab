"""The nightly reload of yesterday's windows."""

from collections.abc import Iterator

from dagster import (
    DefaultScheduleStatus,
    RunRequest,
    ScheduleDefinition,
    ScheduleEvaluationContext,
    SkipReason,
    TimeWindowPartitionsDefinition,
    schedule,
)

from reload_assets.assets.staging import REASON_TAG
from reload_assets.jobs.reload import reload_job_name
from reload_assets.partitions import Family, cadence_keys_ending_in, yesterday

# Two hours after midnight, because transactions that were open at the end of the day should have committed by then.
_CRON = "0 2 * * *"


def nightly_schedule(family: Family) -> ScheduleDefinition:
    """Return the schedule that reloads the cadence's windows which ended yesterday (UTC). Off until switched on."""
    partitions = family.partitions
    assert isinstance(partitions, TimeWindowPartitionsDefinition)

    @schedule(
        name=f"reload_{family.group}_nightly",
        job_name=reload_job_name(family),
        cron_schedule=_CRON,
        execution_timezone="UTC",
        default_status=DefaultScheduleStatus.STOPPED,
        description="Reload yesterday's windows (UTC), two hours after midnight.",
    )
    def nightly(context: ScheduleEvaluationContext) -> Iterator[RunRequest | SkipReason]:
        day = yesterday(context.scheduled_execution_time)
        keys = cadence_keys_ending_in(partitions, day)
        if not keys:
            yield SkipReason(f"No window of the cadence ended in the day from {day.start:%Y-%m-%d} (UTC).")
        for key in keys:
            yield RunRequest(
                run_key=f"{context.scheduled_execution_time:%Y-%m-%d}/{key}",
                partition_key=key,
                tags={REASON_TAG: f"nightly reload of {day.start:%Y-%m-%d}"},
            )

    return nightly
