"""``production/*``: the merge of a verified reload, one transaction for all its tables."""

from collections.abc import Iterator

from dagster import AssetExecutionContext, AssetsDefinition, AssetSpec, MaterializeResult, multi_asset

from reload_assets.assets.metadata import merged_metadata
from reload_assets.assets.reloads import current_reload, resolved_tables
from reload_assets.assets.steps import readable_errors
from reload_assets.config import ReloadConfig
from reload_assets.merge import merge_reload
from reload_assets.partitions import Family
from reload_assets.resources.reload import ReloadResource


def production_assets(config: ReloadConfig, family: Family) -> AssetsDefinition:
    """The merged tables of a group over one family of windows."""
    settings = config.groups[family.group]
    schema = config.target.production_schema

    @multi_asset(
        name=f"merge_{family.name}",
        specs=[
            AssetSpec(
                key=family.key("production", name),
                deps=[family.key("staging", name)],
                partitions_def=family.partitions,
                group_name=family.asset_group,
                kinds={"postgres", "table"},
                owners=settings.owners,
                description=f"Production table {schema}.{table.target or name} with the window's rows as the source "
                f"has them. {table.description or ''}".strip(),
                metadata={"dagster/table_name": f"{schema}.{table.target or name}"},
            )
            for name, table in settings.tables.items()
        ],
        can_subset=True,
        description="Merge the verified window into production in one transaction, while CDC keeps writing.",
        op_tags={"dagster/compute_kind": "postgres"},
    )
    def merge(context: AssetExecutionContext, reload: ReloadResource) -> Iterator[MaterializeResult[None]]:
        names = {key.path[-1] for key in context.selected_asset_keys}
        with readable_errors():
            ledger = reload.ledger()
            current = current_reload(ledger, family, context.partition_key, names)
            tables = resolved_tables(reload, family.group, names)
            merged = merge_reload(
                reload.target(),
                ledger,
                current,
                tables,
                reload.config.source.zone,
                lock_timeout_ms=reload.config.merge.lock_timeout_ms,
                attempts=reload.config.merge.attempts,
            )
            staged = ledger.tables(current.reload_id)
        for table in tables:
            yield MaterializeResult(
                asset_key=family.key("production", table.name),
                metadata=merged_metadata(
                    current,
                    staged[table.name],
                    table,
                    merged.outcomes[table.name],
                    merged.seconds,
                    merged.attempts,
                ),
            )

    return merge
