"""``production/*``: the merge of a verified reload, in one transaction for all its tables, or in one per chunk."""

from collections.abc import Iterator
from functools import partial

from dagster import (
    AssetsDefinition,
    GraphDefinition,
    In,
    Nothing,
    OpExecutionContext,
    Out,
    Output,
    op,
)

from reload_assets.assets.chain import chain
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
    targets = group_tables(config, family.group).targets
    names = list(settings.tables)
    outputs = {name: _output(family, name) for name in names}
    return AssetsDefinition.from_graph(
        _merge_graph(config, family),
        keys_by_input_name={_input(family, name): family.key("staging", name) for name in names},
        keys_by_output_name={outputs[name]: family.key("production", name) for name in names},
        internal_asset_deps={outputs[name]: {family.key("staging", name)} for name in names},
        partitions_def=family.partitions,
        group_name=family.asset_group,
        can_subset=True,
        tags_by_output_name={outputs[name]: layer_tags("production", "postgres") for name in names},
        owners_by_output_name={outputs[name]: settings.owners for name in names},
        descriptions_by_output_name={
            outputs[name]: f"Production table {targets[name]} with {_ROWS[family.kind]} as the source has them. "
            f"{table.description or ''}".strip()
            for name, table in settings.tables.items()
        },
        metadata_by_output_name={outputs[name]: {"dagster/table_name": str(targets[name])} for name in names},
    )


def _merge_graph(config: ReloadConfig, family: Family) -> GraphDefinition:
    written = group_tables(config, family.group)
    tables = list(written.tables)
    how = "in one transaction"
    if config.merge.mode == "chunked":
        how = f"in transactions of {config.merge.chunk_rows} rows, between which readers see the rows merged in part"

    @op(
        name=f"find_selection_{family.name}",
        ins={_input(family, name): In(Nothing) for name in tables},
        out=Out(Nothing),
        description="Refuse a run that is not for one partition.",
    )
    def find_selection(context: OpExecutionContext) -> None:
        # Not in the merge's own op: Dagster looks up the staged partitions before an op that yields assets begins, and
        # fails with a stack trace of its own if the run has none.
        with readable_errors():
            family.selected_window(partition_key(context.run))

    @op(
        name=f"merge_{family.name}",
        ins={"selection": In(Nothing)},
        out={_output(family, name): Out(Nothing, is_required=False) for name in tables},
        description=f"Merge the verified rows into production {how}, while CDC keeps writing; then read the source "
        "again and correct what CDC had passed by then.",
    )
    def merge(context: OpExecutionContext, reload: ReloadResource) -> Iterator[Output[None]]:
        names = family.tables(context.selected_asset_keys)
        with readable_errors():
            partition = partition_key(context.run)
            production = reload.services.publication(family.group, context.log.info)
            ledger = production.ledger
            current = current_reload(ledger, family, partition, names)
            # The sweeper has to know which run is working on the reload now, and the notifier which one failed.
            take_up(ledger, current, context.run.run_id)
            with production.target.connect(autocommit=True) as connection:
                resolved = unchanged_tables(connection, written.place, current, names)
            # If an earlier run died between merge and confirm, this one resumes with the confirm.
            merged = None if awaits_confirm(current, names) else production.merge(current, resolved)
            confirmed = production.confirm(current, resolved)
            current = ledger.get(current.reload_id)
            staged = ledger.tables(current.reload_id)
        for table in resolved:
            metadata = merged_metadata(current, config.windows.zone, staged[table.name], table, merged, confirmed)
            yield Output(None, _output(family, table.name), metadata=metadata)

    return chain(
        f"publish_{family.name}",
        "Merge one verified selection of the group into production.",
        [find_selection, merge],
        "selection",
        tables,
        partial(_input, family),
        partial(_output, family),
    )


def _input(family: Family, table: str) -> str:
    # With something before it: a label alone may be a word of Dagster's or Python's own.
    return f"staged_{family.labels[table]}"


def _output(family: Family, table: str) -> str:
    return f"merged_{family.labels[table]}"
