"""The sensor that cleans up what killed runs left behind; it starts no run."""

from dagster import DefaultSensorStatus, SensorEvaluationContext, SkipReason, sensor

from reload_assets.errors.reloads import SweepIncomplete
from reload_assets.resources.reload import ReloadResource
from reload_assets.run_process import has_died
from reload_assets.sensors.failed_ticks import readable_ticks

INTERVAL_SECONDS = 30
# Dagster waits 60 s for a sensor. If DMS takes longer to stop or resume a task, the next tick continues.
PATIENCE_SECONDS = 15.0


@sensor(
    name="sweeper",
    minimum_interval_seconds=INTERVAL_SECONDS,
    # On from the start, unlike the others: it only cleans up after dead runs, and CDC may be stopped until it has.
    default_status=DefaultSensorStatus.RUNNING,
    description="Clean what killed runs left behind: resume a CDC task that one had stopped, delete its DMS tasks, "
    "close its reload.",
)
@readable_ticks()
def sweeper(context: SensorEvaluationContext, reload: ReloadResource) -> SkipReason:
    """Sweep once. The tick fails if something could not be cleaned."""
    strangers: set[str] = set()

    def run_is_live(run_id: str) -> bool:
        # Another Dagster instance may work on the same target: a run that is unknown here may be alive there.
        run = context.instance.get_run_by_id(run_id)
        if run is None:
            strangers.add(run_id)
            return True
        if not run.is_finished and has_died(run.tags):
            # Dagster supervises the runs that it launches, and not one of a terminal.
            context.instance.report_run_failed(run, "The process at the terminal is gone.")
            return False
        return not run.is_finished

    swept = reload.services.sweeper(context.log.info, PATIENCE_SECONDS).sweep(run_is_live)
    if swept.left:
        raise SweepIncomplete(" ".join(swept.left))
    said = "; ".join(swept.done) or "Nothing was left behind"
    if strangers:
        said += (
            f"; left alone, because this Dagster does not know their runs: reloads of {', '.join(sorted(strangers))}; "
            "reload their windows again where no other Dagster has those runs"
        )
    return SkipReason(f"{said}.")
