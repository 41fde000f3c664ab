"""``reload-assets doctor``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import click
from psycopg import Connection

from reload_assets.cli.configured import Configured
from reload_assets.config.model import ReloadConfig
from reload_assets.preflight.finding import Finding, Findings
from reload_assets.preflight.remarks import remarks
from reload_assets.preflight.rights import require_ledger, require_load_role, require_rights
from reload_assets.reload.parts import beside_cdc, dms_engine, group_tables
from reload_assets.reload.services import Services
from reload_assets.tables import ReloadTable, parents_first, resolve_group

if TYPE_CHECKING:
    from reload_assets.source.reader import SourceReader

Groups = Mapping[str, Sequence[ReloadTable]]

_ANY_DAY = datetime(2000, 1, 1)


@click.command()
@click.pass_obj
def doctor(configured: Configured) -> None:
    """Check reload.yaml against production, the source and DMS.

    Prints one line per finding: ok, warn or problem. Changes nothing. Exits with 1 if there is a problem.
    """
    from reload_assets.code_location import build_code_location

    services, config = configured.services, configured.config
    findings = Findings(_say)
    with findings.looking("windows"):
        _check_windows(findings, config)
    with findings.looking("groups"):
        for problem in build_code_location(config).left_out.values():
            findings.add("problem", str(problem))
    groups = _check_databases(findings, services)
    _check_cdc(findings, services, groups)
    _check_dms(findings, services)
    _check_notify(findings, services)
    if findings.problems:
        click.get_current_context().exit(1)


def _say(finding: Finding) -> None:
    click.echo(f"{finding.severity:<7} {finding.text}")


def _check_windows(findings: Findings, config: ReloadConfig) -> None:
    """Look at the cadence, and say which windows it has. Raises ConfigError for a cadence that is none."""
    from reload_assets.cadence import described
    from reload_assets.partitions import cadence_partitions

    windows = config.windows
    cadence = described(cadence_partitions(windows, config.file), windows.first, datetime.now(timezone.utc))
    which = f"{cadence.windows:,}, from {cadence.first} to {cadence.last}" if cadence.windows else "none yet"
    findings.add("ok", f"windows: {windows.cadence} in {windows.time_zone}: {which}")
    for warning in cadence.warnings:
        findings.add("warn", warning)


def _check_databases(findings: Findings, services: Services) -> Groups:
    """Look at each table and at the rights on all of them. Returns the tables without a problem, by group."""
    config = services.config
    groups: dict[str, list[ReloadTable]] = {group: [] for group in config.groups}
    with ExitStack() as opened:
        reader = connection = None
        with findings.looking("target.connection"):
            connection = opened.enter_context(services.target.connect(autocommit=True))
        before = findings.problems
        with findings.looking("source.connection"):
            reader = opened.enter_context(services.source())
            if reader is None:
                findings.add(
                    "warn", "source: no connection is configured; checks that need it will say 'could not verify'"
                )
            else:
                reader.check()
        if connection is None:
            return groups
        # Without a source that is configured, every table would have a problem that is none of its own.
        if findings.problems == before:
            for group in groups:
                groups[group] = _resolved(findings, services, group, connection, reader)
            _check_tables(findings, connection, reader, groups)
        _check_rights(findings, services, connection, groups)
    return groups


def _resolved(
    findings: Findings, services: Services, group: str, connection: Connection[Any], reader: SourceReader | None
) -> list[ReloadTable]:
    """Resolve the tables of a group, one by one."""
    written = group_tables(services.config, group)
    found: list[ReloadTable] = []
    for name in written.tables:
        with findings.looking(f"{written.place}.{name}"):
            (table,) = resolve_group(written, connection, reader, [name])
            dms_engine(services.config).load_mappings([table], 0, (_ANY_DAY, _ANY_DAY))
            found.append(table)
    with findings.looking(written.place):
        found = parents_first(written.place, found)
    return found


def _check_tables(findings: Findings, connection: Connection[Any], reader: SourceReader | None, groups: Groups) -> None:
    owners = {table.target: group for group, tables in groups.items() for table in tables}
    for group, tables in groups.items():
        for table in tables:
            findings.add(
                "ok",
                f"{group}.{table.name}: {table.source} -> {table.target}, {len(table.columns)} columns, key "
                f"({', '.join(column.name for column in table.key)}), window {table.window.name}, version "
                f"{table.version.name}",
            )
            with findings.looking(table.target):
                for remark in remarks(connection, reader, table, owners):
                    findings.add("warn", remark)


def _check_rights(findings: Findings, services: Services, connection: Connection[Any], groups: Groups) -> None:
    config, login = services.config, str(services.target)
    place = f"{config.file}: target"
    every_table = [table for tables in groups.values() for table in tables]
    before = findings.problems
    with findings.looking(place):
        require_ledger(connection, login)
    with findings.looking(place):
        require_rights(connection, login, config.target.staging_schema, every_table)
    with findings.looking(place):
        _, target_arn, _ = dms_engine(config).arns()
        dms_login = services.load_tasks(_patience(services)).target_login(target_arn)
        require_load_role(connection, place, services.target, config.target.load_role, dms_login)
    if findings.problems == before:
        findings.add("ok", f"target: {login} has all rights that reloads need, and the ledger is of this version")


def _check_cdc(findings: Findings, services: Services, groups: Groups) -> None:
    """Look at the control tables, and whether the tasks carry their tables. A stopped task is a warning."""
    from reload_assets.cdc.obstacles import require_carried

    config = services.config
    if config.cdc is None:
        findings.add("warn", "cdc: no CDC task is configured; whether production is being written meanwhile is unknown")
        return
    looked_at: set[str] = set()
    for group, tables in groups.items():
        with findings.looking("cdc"):
            cdc = services.cdc(group, click.echo, _patience(services))
            assert cdc is not None
            if cdc.task.arn not in looked_at:
                looked_at.add(cdc.task.arn)
                ready, why = cdc.look()
                with services.target.connect(autocommit=True) as connection:
                    cdc.skipped(connection, [], datetime.now(timezone.utc))
                lag = "" if ready.lag_seconds is None else f" and lags {ready.lag_seconds:.1f} s"
                findings.add(
                    "warn" if why else "ok",
                    f"cdc: {why}" if why else f"cdc: the task {cdc.task.arn} is {ready.status}{lag}",
                )
            for remark in require_carried(cdc, beside_cdc(config, group), tables):
                findings.add("warn", f"{group}: {remark}")


def _check_dms(findings: Findings, services: Services) -> None:
    with findings.looking("dms"):
        services.load_tasks(_patience(services)).check_endpoints(*dms_engine(services.config).arns())
        findings.add("ok", "DMS: the endpoints are of the right kind and tested from the replication instance")


def _check_notify(findings: Findings, services: Services) -> None:
    """Make each channel of notifications. Nothing is sent."""
    usable = []
    for name, make in services.channels(lambda said: None).items():
        with findings.looking(f"notify.{name}"):
            make()
            usable.append(name)
    if usable:
        findings.add("ok", f"notify: {', '.join(usable)}")
    else:
        findings.add("warn", "notify: no channel, so nobody hears of a reload that failed or of CDC that is stopped")


def _patience(services: Services) -> float:
    """Return the wait for a task to become ready; calls are tried only a few times, because somebody waits."""
    return services.config.dms.polling.ready_timeout_seconds
