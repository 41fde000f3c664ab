"""The nightly reload of yesterday's windows."""

from collections.abc import Iterator
from zoneinfo import ZoneInfo

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
    """Return the schedule that reloads the cadence's windows that ended yesterday in their zone. Off at first."""
    partitions = family.partitions
    assert isinstance(partitions, TimeWindowPartitionsDefinition)
    zone = ZoneInfo(partitions.timezone)

    @schedule(
        name=f"reload_{family.group}_nightly",
        job_name=reload_job_name(family),
        cron_schedule=_CRON,
        execution_timezone=zone.key,
        default_status=DefaultScheduleStatus.STOPPED,
        description=f"Reload yesterday's windows, two hours after midnight ({zone.key}).",
    )
    def nightly(context: ScheduleEvaluationContext) -> Iterator[RunRequest | SkipReason]:
        night = context.scheduled_execution_time.astimezone(zone)
        day = yesterday(night, zone)
        name = f"{day.start.astimezone(zone):%Y-%m-%d}"
        keys = cadence_keys_ending_in(partitions, day)
        if not keys:
            yield SkipReason(f"No window of the cadence ended on {name} ({zone.key}).")
        for key in keys:
            yield RunRequest(
                run_key=f"{night:%Y-%m-%d}/{key}",
                partition_key=key,
                tags={REASON_TAG: f"nightly reload of {name}"},
            )

    return nightly
