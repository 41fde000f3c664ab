"""``production/*``: the merge of a verified reload, in one transaction for all its tables, or in one per chunk."""

from collections.abc import Iterator

from dagster import AssetExecutionContext, AssetsDefinition, AssetSpec, MaterializeResult, multi_asset

from reload_assets.assets.current_reload import awaits_confirm, current_reload, take_up
from reload_assets.assets.layers import layer_tags
from reload_assets.assets.load_steps import readable_errors
from reload_assets.assets.metadata import merged_metadata
from reload_assets.assets.partition_key import partition_key
from reload_assets.config.model import ReloadConfig
from reload_assets.partitions import Family
from reload_assets.reload.parts import group_tables
from reload_assets.resolved import unchanged_tables
from reload_assets.resources.reload import ReloadResource

_ROWS = {"cadence": "the window's rows", "adhoc": "the window's rows", "keys": "the requested keys"}


def production_assets(config: ReloadConfig, family: Family) -> AssetsDefinition:
    """Return the merged tables of a group over one family."""
    settings = config.groups[family.group]
    written = group_tables(config, family.group)
    how = "in one transaction"
    if config.merge.mode == "chunked":
        how = f"in transactions of {config.merge.chunk_rows} rows, between which readers see the rows merged in part"

    @multi_asset(
        name=f"merge_{family.name}",
        specs=[
            AssetSpec(
                key=family.key("production", name),
                deps=[family.key("staging", name)],
                partitions_def=family.partitions,
                group_name=family.asset_group,
                tags=layer_tags("production", "postgres"),
                owners=settings.owners,
                description=f"Production table {written.targets[name]} with {_ROWS[family.kind]} as the source "
                f"has them. {table.description or ''}".strip(),
                metadata={"dagster/table_name": str(written.targets[name])},
            )
            for name, table in settings.tables.items()
        ],
        can_subset=True,
        description=f"Merge the verified rows into production {how}, while CDC keeps writing; then read the source "
        "again and correct what CDC had passed by then.",
    )
    def merge(context: AssetExecutionContext, reload: ReloadResource) -> Iterator[MaterializeResult[None]]:
        names = family.tables(context.selected_asset_keys)
        with readable_errors():
            partition = partition_key(context.run)
            production = reload.services.publication(family.group, context.log.info)
            ledger = production.ledger
            current = current_reload(ledger, family, partition, names)
            # The sweeper has to know which run is working on the reload now, and the notifier which one failed.
            take_up(ledger, current, context.run.run_id)
            with production.target.connect(autocommit=True) as connection:
                tables = unchanged_tables(connection, written.place, current, names)
            # If an earlier run died between merge and confirm, this one resumes with the confirm.
            merged = None if awaits_confirm(current, names) else production.merge(current, tables)
            confirmed = production.confirm(current, tables)
            current = ledger.get(current.reload_id)
            staged = ledger.tables(current.reload_id)
        for table in tables:
            yield MaterializeResult(
                asset_key=family.key("production", table.name),
                metadata=merged_metadata(current, config.windows.zone, staged[table.name], table, merged, confirmed),
            )

    return merge
