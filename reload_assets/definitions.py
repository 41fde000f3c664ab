"""The definitions that Dagster loads."""

from __future__ import annotations

import warnings
from pathlib import Path

from dagster import Definitions, EnvVar, PreviewWarning, in_process_executor

from reload_assets.assets.oracle import oracle_assets
from reload_assets.assets.production import production_assets
from reload_assets.assets.staging import staging_assets
from reload_assets.checks.production import production_checks
from reload_assets.checks.staging import staging_checks
from reload_assets.config.model import ReloadConfig, load_config
from reload_assets.config.values import FromEnvironment, Text
from reload_assets.jobs.maintenance import drop_expired_staging, drop_expired_staging_daily
from reload_assets.jobs.reload import reload_job
from reload_assets.partitions import families
from reload_assets.resources.dms import DmsResource
from reload_assets.resources.reload import ReloadResource
from reload_assets.resources.secrets import SecretsResource
from reload_assets.schedules.nightly import nightly_schedule
from reload_assets.sensors.requests import requests_sensor
from reload_assets.sensors.sweeper import sweeper


def build_definitions(config: ReloadConfig) -> Definitions:
    """Return the assets, checks, jobs, schedules, sensors and resources of one ``reload.yaml``."""
    with warnings.catch_warnings():
        # Wanted: check results per partition are a preview feature of this version of Dagster, which warns each time.
        warnings.filterwarnings("ignore", "Specifying a partitions_def on an AssetCheckSpec", PreviewWarning)
        return _definitions(config)


def _definitions(config: ReloadConfig) -> Definitions:
    pairs = {group: families(config, group) for group in config.groups}
    both = [family for pair in pairs.values() for family in pair]
    tables = [(family, table) for family in both for table in config.groups[family.group].tables]
    jobs = [reload_job(config, family) for family in both]
    region = _field(config.dms.region)
    return Definitions(
        assets=[
            *(spec for group in config.groups for spec in oracle_assets(config, group)),
            *(staging_assets(config, family) for family in both),
            *(production_assets(config, family) for family in both),
        ],
        asset_checks=[
            *(staging_checks(family, table) for family, table in tables),
            *(production_checks(family, table) for family, table in tables),
        ],
        jobs=[*jobs, drop_expired_staging],
        schedules=[*(nightly_schedule(regular) for regular, _ in pairs.values()), drop_expired_staging_daily],
        sensors=[requests_sensor(config, jobs), sweeper],
        resources={
            "reload": ReloadResource(
                config_file=str(Path(config.file).resolve()),
                dms=DmsResource(
                    region=region,
                    endpoint_url=_field(config.dms.endpoint_url) if config.dms.endpoint_url is not None else None,
                ),
                secrets=SecretsResource(region_name=region),
            )
        },
        # One process per run: a run is one window, and DMS does the work.
        executor=in_process_executor,
    )


def _field(value: Text) -> str:
    return EnvVar(value.env) if isinstance(value, FromEnvironment) else value


defs = build_definitions(load_config())
