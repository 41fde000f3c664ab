"""The source tables as external assets: Dagster shows them, but only DMS reads them."""

from __future__ import annotations

from dagster import AssetSpec

from reload_assets.assets.layers import layer_tags
from reload_assets.config.model import ReloadConfig
from reload_assets.partitions import Family


def oracle_assets(config: ReloadConfig, family: Family) -> list[AssetSpec]:
    """Return one external asset per source table of a group."""
    settings = config.groups[family.group]
    return [
        AssetSpec(
            key=family.source_key(name),
            group_name=family.group,
            tags=layer_tags("source", "oracle"),
            owners=settings.owners,
            description=f"Source table {config.source_of(family.group, name)}. {table.description or ''}".strip(),
            metadata={
                "dagster/table_name": str(config.source_of(family.group, name)),
                "time zone": config.source.time_zone,
                "window column": table.window_column,
            },
        )
        for name, table in settings.tables.items()
    ]
