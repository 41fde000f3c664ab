"""``reload-assets check``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

import click
from psycopg import Connection, sql

from reload_assets.cli.configured import Configured
from reload_assets.config.model import ReloadConfig
from reload_assets.postgres.catalog import leading_columns
from reload_assets.reload.parts import beside_cdc, dms_engine, group_tables
from reload_assets.reload.services import Services
from reload_assets.tables import ReloadTable, resolve_group
from reload_assets.verify.windowless import warnings_of_windowless


@click.command()
@click.pass_obj
def check(configured: Configured) -> None:
    """Check reload.yaml against production, the source and DMS.

    Changes nothing.
    """
    services, config = configured.services, configured.config
    _tell_windows(config)
    _check_cdc(services, _check_tables(services))
    services.load_tasks(_patience(services)).check_endpoints(*dms_engine(config).arns())
    click.echo("DMS: the endpoints are of the right kind and tested from the replication instance")


def _tell_windows(config: ReloadConfig) -> None:
    """Say which windows the cadence has. Raises ConfigError for a cadence that is none."""
    from reload_assets.cadence import described
    from reload_assets.partitions import cadence_partitions

    windows = config.windows
    cadence = described(cadence_partitions(windows, config.file), windows.first, datetime.now(timezone.utc))
    which = f"{cadence.windows:,}, from {cadence.first} to {cadence.last}" if cadence.windows else "none yet"
    click.echo(f"windows: {windows.cadence} in {windows.time_zone}: {which}")
    for warning in cadence.warnings:
        click.echo(f"warning: {warning}")


def _check_tables(services: Services) -> dict[str, list[ReloadTable]]:
    """Resolve the tables of each group and print what was found. Returns the tables by group."""
    config = services.config
    groups: dict[str, list[ReloadTable]] = {}
    with services.source() as reader, services.target.connect() as connection:
        for group in config.groups:
            groups[group] = resolve_group(group_tables(config, group), connection, reader)
            for table in groups[group]:
                click.echo(
                    f"{group}.{table.name}: {config.source.schema_name}.{table.source_table} -> {table.target}, "
                    f"{len(table.columns)} columns, key ({', '.join(column.name for column in table.key)}), "
                    f"window {table.window.name}, version {table.version.name}"
                )
                _note_refused(table)
                _warn_of_scans(connection, table)
                for warning in warnings_of_windowless(connection, table, reader):
                    click.echo(f"warning: {warning}")
                if reader is None:
                    click.echo(
                        f"warning: whether that is a key of {table.source_table}, and whether {table.window.source} is "
                        "DATE or TIMESTAMP there, could not be verified"
                    )
    if reader is None:
        click.echo("source: no connection is configured; checks that need it will say 'could not verify'")
    return groups


def _note_refused(table: ReloadTable) -> None:
    """Note which values of the source production would refuse. A load names such rows, and nothing is merged."""
    for column, pair in table.pairs:
        if pair.conversion.refused is not None:
            click.echo(
                f"note: {table.target}.{column.name} is {column.target.type} and refuses {pair.conversion.refused}: "
                f"{pair.source.name} is {pair.source.declared}"
            )


def _warn_of_scans(connection: Connection[Any], table: ReloadTable) -> None:
    """Warn if no index finds the rows of a window; every reload searches production for them several times."""
    schema, name, column = table.production.schema, table.production.name, table.window.name
    if column not in leading_columns(connection, schema, name):
        create = sql.SQL("CREATE INDEX CONCURRENTLY ON {} ({})").format(
            sql.Identifier(schema, name), sql.Identifier(column)
        )
        click.echo(
            f"warning: {table.target} has no index that begins with {column}: every reload scans the whole table for "
            f"its window; create one: {create.as_string()}"
        )


def _check_cdc(services: Services, groups: Mapping[str, Sequence[ReloadTable]]) -> None:
    """Check that the control tables are readable and the tasks carry their tables. A stopped task is not an error.

    Raises CdcNotReady and DmsError.
    """
    from reload_assets.cdc.obstacles import require_carried

    config = services.config
    if config.cdc is None:
        click.echo("cdc: no CDC task is configured; whether production is being written meanwhile is not known")
        return
    looked_at: set[str] = set()
    for group, tables in groups.items():
        cdc = services.cdc(group, click.echo, _patience(services))
        assert cdc is not None
        if cdc.task.arn not in looked_at:
            looked_at.add(cdc.task.arn)
            ready, why = cdc.look()
            with services.target.connect(autocommit=True) as connection:
                cdc.skipped(connection, [], datetime.now(timezone.utc))
            lag = "" if ready.lag_seconds is None else f" and lags {ready.lag_seconds:.1f} s"
            click.echo(f"cdc: {why}" if why else f"cdc: the task {cdc.task.arn} is {ready.status}{lag}")
        for remark in require_carried(cdc, beside_cdc(config, group), tables):
            click.echo(f"warning: {group}: {remark}")


def _patience(services: Services) -> float:
    """Return how many seconds to wait for a task: as configured, but with few tries per call, because a user waits."""
    return services.config.dms.polling.ready_timeout_seconds
