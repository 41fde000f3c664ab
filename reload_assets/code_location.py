"""Puts the parts together for Dagster, group by group: one that Dagster does not take leaves the others alone."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dagster import (
    AssetChecksDefinition,
    Definitions,
    PreviewWarning,
    ScheduleDefinition,
    in_process_executor,
)
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from reload_assets.assets.drift import drift_assets
from reload_assets.assets.oracle import oracle_assets
from reload_assets.assets.production import production_assets
from reload_assets.assets.staging import staging_assets
from reload_assets.checks.drift import compared_within
from reload_assets.checks.production import production_checks
from reload_assets.checks.staging import staging_checks
from reload_assets.config.model import ReloadConfig
from reload_assets.errors import ConfigError
from reload_assets.errors.config import GroupNameTaken, GroupUnbuildable, OwnerInvalid
from reload_assets.jobs.drift import drift_job
from reload_assets.jobs.maintenance import drop_expired_staging, drop_expired_staging_daily
from reload_assets.jobs.reload import reload_job, reload_job_name
from reload_assets.jobs.validate import validation_job
from reload_assets.partitions import cadence_partitions, families
from reload_assets.resources.reload import ReloadResource
from reload_assets.schedules.drift import drift_schedule
from reload_assets.schedules.nightly import nightly_schedule
from reload_assets.sensors.find_skipped import skipped_sensor
from reload_assets.sensors.find_validation_failures import validation_failures_sensor
from reload_assets.sensors.notifier import notifier
from reload_assets.sensors.requests import requests_sensor
from reload_assets.sensors.sweeper import sweeper


@dataclass(frozen=True)
class CodeLocation:
    """What Dagster loads, and why it cannot take some of the groups (by name), which are left out."""

    definitions: Definitions
    left_out: Mapping[str, ConfigError]


@dataclass(frozen=True)
class _Group:
    assets: Sequence[Any]
    checks: Sequence[AssetChecksDefinition]
    reload_jobs: Sequence[UnresolvedAssetJobDefinition]
    drift_job: UnresolvedAssetJobDefinition
    schedules: Sequence[ScheduleDefinition]


def build_code_location(config: ReloadConfig) -> CodeLocation:
    """Make everything that one ``reload.yaml`` asks for. Raises ConfigError for windows that have no cadence."""
    cadence_partitions(config.windows, config.file)
    groups: dict[str, _Group] = {}
    left_out: dict[str, ConfigError] = {}
    with _no_preview_warnings():
        for group in config.groups:
            try:
                groups[group] = _build_group(config, group)
            except ConfigError as error:
                left_out[group] = error
        return CodeLocation(_definitions(config, groups, left_out), left_out)


def _build_group(config: ReloadConfig, group: str) -> _Group:
    """Raise ConfigError for what Dagster does not take."""
    place = f"{config.file}: groups.{group}"
    _require_own_job(config, group, place)
    each = families(config, group)
    settings, drift = config.groups[group], config.finders.drift
    try:
        built = _Group(
            assets=[
                *oracle_assets(config, each[0]),
                *(staging_assets(config, family) for family in each),
                *(production_assets(config, family) for family in each),
                drift_assets(config, each[0]),
            ],
            checks=[
                *(
                    make(family, table)
                    for make in (staging_checks, production_checks)
                    for family in each
                    for table in settings.tables
                ),
                *([compared_within(list(settings.tables), each[0], drift)] if drift is not None else []),
            ],
            reload_jobs=[reload_job(config, family) for family in each],
            drift_job=drift_job(config, each[0]),
            schedules=[nightly_schedule(each[0]), drift_schedule(config, each[0])],
        )
        # As Dagster does when it loads them: assets, checks and selections must fit together.
        Definitions.validate_loadable(
            Definitions(
                assets=built.assets,
                asset_checks=built.checks,
                jobs=[*built.reload_jobs, built.drift_job],
                schedules=built.schedules,
                resources=_resources(config),
                executor=in_process_executor,
            )
        )
    except Exception as error:
        said = " ".join(str(error).split())
        owner = next((owner for owner in settings.owners if f"Invalid owner '{owner}'" in said), None)
        if owner is not None:
            raise OwnerInvalid(f"{place}.owners", owner) from None
        raise GroupUnbuildable(place, said) from error
    return built


def _require_own_job(config: ReloadConfig, group: str, place: str) -> None:
    """The jobs of all groups have names of their own: ``reload_x``, ``reload_window_x`` and ``reload_keys_x``."""
    for other in config.groups:
        if other == group:
            return
        taken = {reload_job_name(family) for family in families(config, other)}
        for family in families(config, group):
            if (name := reload_job_name(family)) in taken:
                raise GroupNameTaken(place, name, other)


def _definitions(
    config: ReloadConfig, groups: Mapping[str, _Group], left_out: Mapping[str, ConfigError]
) -> Definitions:
    jobs = [job for group in groups.values() for job in group.reload_jobs]
    schedules = [schedule for group in groups.values() for schedule in group.schedules]
    return Definitions(
        assets=[asset for group in groups.values() for asset in group.assets],
        asset_checks=[check for group in groups.values() for check in group.checks],
        jobs=[
            *jobs,
            *(group.drift_job for group in groups.values()),
            *(validation_job(group) for group in groups),
            drop_expired_staging,
        ],
        schedules=[*schedules, drop_expired_staging_daily],
        sensors=[
            requests_sensor(config, jobs, left_out),
            skipped_sensor(config),
            validation_failures_sensor(config),
            sweeper,
            notifier,
        ],
        resources=_resources(config),
        # One process per run: a run is one window, and DMS does the work.
        executor=in_process_executor,
    )


def _resources(config: ReloadConfig) -> dict[str, ReloadResource]:
    return {"reload": ReloadResource(config_file=str(Path(config.file).resolve()))}


@contextmanager
def _no_preview_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        # Known and wanted: check results per partition are a preview in this version of Dagster.
        warnings.filterwarnings("ignore", "Specifying a partitions_def on an AssetCheckSpec", PreviewWarning)
        yield
