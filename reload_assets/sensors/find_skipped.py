"""The sensor that asks for the reload of rows about which CDC skipped statements; it starts no run."""

from functools import partial

from dagster import DefaultSensorStatus, SensorDefinition, SensorEvaluationContext, SkipReason, sensor

from reload_assets.cadence import windows_from
from reload_assets.config.model import ReloadConfig
from reload_assets.errors.requests import FinderIncomplete
from reload_assets.partitions import cadence_partitions
from reload_assets.resources.reload import ReloadResource
from reload_assets.sensors.failed_ticks import readable_ticks

_INTERVAL_SECONDS = 60
# Dagster waits 60 s for a sensor.
_PATIENCE_SECONDS = 15.0


def skipped_sensor(config: ReloadConfig) -> SensorDefinition:
    """Return the sensor of the finder ``skipped``. It is on from the start if the configuration switches it on."""
    partitions = cadence_partitions(config.windows, config.file)

    @sensor(
        name="find_skipped",
        minimum_interval_seconds=_INTERVAL_SECONDS,
        default_status=DefaultSensorStatus.RUNNING if config.finders.skipped else DefaultSensorStatus.STOPPED,
        description="Ask for the reload of rows about which CDC skipped statements, and of tables that it suspended.",
    )
    @readable_ticks()
    def find_skipped(context: SensorEvaluationContext, reload: ReloadResource) -> SkipReason:
        """Look once. The tick fails if something could not be looked at, but not while statements are left to read.

        Dagster keeps no cursor of a tick that failed, so the next one would read the same statements again.
        """
        finder = reload.services.skipped_finder(partial(windows_from, partitions), _PATIENCE_SECONDS)
        tick = finder.tick(context.cursor)
        incomplete = FinderIncomplete("skipped", " ".join(tick.left)) if tick.left else None
        if incomplete is not None and not tick.has_more:
            raise incomplete
        context.update_cursor(tick.cursor)
        news = [str(asked) for asked in tick.asked if asked.new_findings]
        if incomplete is not None:
            news.append(str(incomplete))
        return SkipReason(" ".join(news) or "CDC has skipped nothing new.")

    return find_skipped
