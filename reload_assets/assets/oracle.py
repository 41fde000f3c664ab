"""The source tables as external assets: Dagster shows them, but only DMS reads them."""

from __future__ import annotations

from dagster import AssetKey, AssetSpec

from reload_assets.config.model import ReloadConfig


def oracle_key(table: str) -> AssetKey:
    """Return the key of a source table's asset."""
    return AssetKey(["oracle", table])


def oracle_assets(config: ReloadConfig, group: str) -> list[AssetSpec]:
    """Return one external asset per source table of a group."""
    settings = config.groups[group]
    return [
        AssetSpec(
            key=oracle_key(name),
            group_name=group,
            kinds={"oracle", "table"},
            owners=settings.owners,
            description=f"Source table {config.source.schema_name}.{table.source or name.upper()}. "
            f"{table.description or ''}".strip(),
            metadata={
                "dagster/table_name": f"{config.source.schema_name}.{table.source or name.upper()}",
                "time zone": config.source.time_zone,
                "window column": table.window_column,
            },
        )
        for name, table in settings.tables.items()
    ]
