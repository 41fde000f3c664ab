"""The schedule that has windows compared with the source in turn."""

from collections.abc import Iterator

from dagster import (
    AssetCheckEvaluation,
    AssetCheckSeverity,
    DagsterInstance,
    DefaultScheduleStatus,
    RunRequest,
    RunsFilter,
    ScheduleDefinition,
    ScheduleEvaluationContext,
    SkipReason,
    schedule,
)
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES
from dagster._core.storage.tags import PARTITION_NAME_TAG

from reload_assets.assets.load_steps import readable_errors
from reload_assets.checks.drift import COMPARED_WITHIN, comparisons_of, promise, promised_windows
from reload_assets.config.finders import DriftConfig
from reload_assets.config.model import ReloadConfig
from reload_assets.finders.turns import next_windows
from reload_assets.jobs.drift import drift_job_name
from reload_assets.partitions import Family
from reload_assets.resources.reload import ReloadResource

# Every hour, as finders.turns counts. Not on the hour, when other jobs start.
_CRON = "17 * * * *"


def drift_schedule(config: ReloadConfig, family: Family) -> ScheduleDefinition:
    """Return the schedule, which is on only if ``finders.drift`` is set."""
    settings = config.finders.drift or DriftConfig()
    tables = list(config.groups[family.group].tables)
    is_on = config.finders.drift is not None

    @schedule(
        name=drift_job_name(family),
        job_name=drift_job_name(family),
        cron_schedule=_CRON,
        execution_timezone="UTC",
        default_status=DefaultScheduleStatus.RUNNING if is_on else DefaultScheduleStatus.STOPPED,
        description=f"Compare each window of the last {settings.days:g} days within {settings.within_days:g} days, "
        "evenly spread.",
    )
    def drift(context: ScheduleEvaluationContext, reload: ReloadResource) -> Iterator[RunRequest | SkipReason]:
        now = context.scheduled_execution_time
        windows = promised_windows(family, settings, now)
        with readable_errors():
            last = comparisons_of(reload.services.target, family, windows)
        if is_on:
            for table in tables:
                passed, said, numbers = promise(family, table, windows, last, settings, now)
                context.instance.report_runless_asset_event(
                    AssetCheckEvaluation(
                        asset_key=family.key("drift", table),
                        check_name=COMPARED_WITHIN,
                        passed=passed,
                        severity=AssetCheckSeverity.ERROR,
                        description=said,
                        metadata=numbers,
                    )
                )
        under_way = _under_way(context.instance, drift_job_name(family))
        waiting = [window for window, key in windows.items() if key not in under_way]
        chosen = next_windows(waiting, tables, last, settings, now)
        if not chosen:
            yield SkipReason(f"No window is due; {len(under_way)} under way.")
        for window in chosen:
            yield RunRequest(run_key=f"{now:%Y-%m-%dT%H:%M}/{windows[window]}", partition_key=windows[window])

    return drift


def _under_way(instance: DagsterInstance, job: str) -> set[str]:
    """Return the partitions that are being compared, or wait for it."""
    runs = instance.get_runs(RunsFilter(job_name=job, statuses=NOT_FINISHED_STATUSES))
    return {run.tags.get(PARTITION_NAME_TAG, "") for run in runs}
