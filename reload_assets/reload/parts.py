"""Gives each layer below its part of the configuration; none of them sees the whole."""

from __future__ import annotations

from reload_assets.cdc.obstacles import Beside
from reload_assets.config.model import ReloadConfig
from reload_assets.engines.dms_task import DmsEngine
from reload_assets.finders.watched import WatchedTable, WatchedTables
from reload_assets.tables import GroupTables


def group_tables(config: ReloadConfig, group: str) -> GroupTables:
    """Return the tables of a group as the configuration has them, not resolved yet."""
    return GroupTables(
        place=f"{config.file}: groups.{group}.tables",
        tables=config.groups[group].tables,
        sources={name: config.source_of(group, name) for name in config.groups[group].tables},
        targets={name: config.target_of(group, name) for name in config.groups[group].tables},
        zone=config.source.time_zone,
        places={
            str(config.target_of(other, name)): f"groups.{other}.tables.{name}"
            for other, one in config.groups.items()
            for name in one.tables
        },
    )


def dms_engine(config: ReloadConfig) -> DmsEngine:
    """Return the engine that has DMS load rows of the source into staging."""
    return DmsEngine(
        settings=config.dms,
        place=f"{config.file}: dms",
        staging_schema=config.target.staging_schema,
        load_role=config.target.load_role,
    )


def beside_cdc(config: ReloadConfig, group: str) -> Beside:
    """Return the settings of a reload that its CDC task has to fit. Raises ConfigError if a variable is missing."""
    return Beside(
        source_endpoint_arn=dms_engine(config).source_arn(),
        lob_limit_kb=config.dms.task.lob_limit_kb,
        fenced=config.groups[group].against_cdc == "fence",
    )


def watched_tables(config: ReloadConfig) -> WatchedTables[WatchedTable]:
    """Return the tables of all groups, as finders look for them by their names."""
    return WatchedTables(
        WatchedTable(group, name, config.source_of(group, name), config.target_of(group, name))
        for group, one in config.groups.items()
        for name in one.tables
    )
