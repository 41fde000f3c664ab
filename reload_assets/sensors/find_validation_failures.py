"""The sensor that asks for the reload of rows that DMS's validation lists as failures; it starts no run."""

from dagster import DefaultSensorStatus, SensorDefinition, SkipReason, sensor

from reload_assets.config.model import ReloadConfig
from reload_assets.resources.reload import ReloadResource
from reload_assets.sensors.failed_ticks import readable_ticks

INTERVAL_SECONDS = 60
# Dagster waits 60 s for a sensor.
PATIENCE_SECONDS = 15.0
# More of them could take longer than that. The next tick takes up others.
_MOST_AT_ONCE = 50_000
_PROBLEMS_SHOWN = 5


def validation_failures_sensor(config: ReloadConfig) -> SensorDefinition:
    """Return the sensor that reads DMS's tables of validation failures. It is on if finders.validation is."""
    is_on = config.finders.validation

    @sensor(
        name="find_validation_failures",
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=DefaultSensorStatus.RUNNING if is_on else DefaultSensorStatus.STOPPED,
        description="Ask for the reload of the keys that DMS's validation lists as failures, each failure once.",
    )
    @readable_ticks()
    def find_validation_failures(reload: ReloadResource) -> SkipReason:
        found = reload.services.validation_failures(PATIENCE_SECONDS, _MOST_AT_ONCE)
        asked = reload.services.ask(found.findings, PATIENCE_SECONDS)
        said = [str(asked)]
        if found.others:
            said.append(f"Failures of tables that are in no group: {found.others}.")
        said += found.problems[:_PROBLEMS_SHOWN]
        if (more := len(found.problems) - _PROBLEMS_SHOWN) > 0:
            said.append(f"And {more} more.")
        return SkipReason(" ".join(said))

    return find_validation_failures
