"""Housekeeping: staging tables are dropped when their retention is over."""

from dagster import DefaultScheduleStatus, OpExecutionContext, ScheduleDefinition, job, op

from reload_assets.assets.load_steps import readable_errors
from reload_assets.engines.staging_tables import drop_expired_staging as drop_expired
from reload_assets.resources.reload import ReloadResource


@op(description="Drop the staging tables of reloads that ended longer ago than staging.retention_days.")
def drop_expired_tables(context: OpExecutionContext, reload: ReloadResource) -> list[str]:
    """Drop expired staging tables. Returns their names."""
    with readable_errors():
        dropped = drop_expired(
            reload.services.target, reload.services.ledger, reload.services.config.staging.retention_days
        )
    context.log.info(f"{len(dropped)} staging tables dropped: {', '.join(dropped) or 'none was due'}")
    return dropped


@job(description="Drop the staging tables whose retention is over; the ledger and the audit stay.")
def drop_expired_staging() -> None:
    """Drop the staging tables whose retention is over."""
    drop_expired_tables()


drop_expired_staging_daily = ScheduleDefinition(
    name="drop_expired_staging_daily",
    job=drop_expired_staging,
    cron_schedule="30 3 * * *",
    execution_timezone="UTC",
    default_status=DefaultScheduleStatus.STOPPED,
)
