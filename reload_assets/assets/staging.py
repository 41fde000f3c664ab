"""``staging/*``: a graph of ops, so that the UI shows each step of a DMS load."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from dagster import (
    AssetsDefinition,
    DagsterRun,
    GraphDefinition,
    In,
    Nothing,
    OpExecutionContext,
    Out,
    Output,
    op,
)

from reload_assets.assets.chain import chain
from reload_assets.assets.layers import layer_tags
from reload_assets.assets.load_steps import giving_up_on_failure, readable_errors, run_is_live
from reload_assets.assets.metadata import staged_metadata
from reload_assets.assets.partition_key import partition_key
from reload_assets.config.model import ReloadConfig
from reload_assets.dms.tasks import Progress
from reload_assets.errors import ReloadError
from reload_assets.errors.cdc import CdcBehind, CdcNotRunning
from reload_assets.errors.requests import HeldForCdc
from reload_assets.errors.windows import RequestInvalid
from reload_assets.ledger.records import Opening
from reload_assets.ledger.requests import hold_again, note_ended
from reload_assets.partitions import Family, request_of
from reload_assets.reload.load import Load
from reload_assets.requested import requested_columns, requested_keys
from reload_assets.resources.reload import ReloadResource

_SELECTION = {"cadence": "one window", "adhoc": "one window", "keys": "a list of keys"}
_ROWS = {"cadence": "The window's rows", "adhoc": "The window's rows", "keys": "The rows with the requested keys"}

REASON_TAG = "reload_assets/reason"
REQUEST_TAG = "reload_assets/request"
REQUESTED_AT_TAG = "reload_assets/requested_at"
REQUESTED_BY_TAG = "reload_assets/requested_by"


def staging_assets(config: ReloadConfig, family: Family) -> AssetsDefinition:
    """Return the staged tables of a group over one family, loaded together."""
    settings = config.groups[family.group]
    tables = list(settings.tables)
    return AssetsDefinition.from_graph(
        _load_graph(family, tables),
        keys_by_input_name={_input(family, name): family.source_key(name) for name in tables},
        keys_by_output_name={_output(family, name): family.key("staging", name) for name in tables},
        internal_asset_deps={_output(family, name): {family.source_key(name)} for name in tables},
        partitions_def=family.partitions,
        group_name=family.asset_group,
        can_subset=True,
        tags_by_output_name={_output(family, name): layer_tags("staging", "postgres", "dms") for name in tables},
        owners_by_output_name={_output(family, name): settings.owners for name in tables},
        descriptions_by_output_name={
            _output(family, name): f"{_ROWS[family.kind]} of {name}, loaded into a staging table of their own. "
            f"{table.description or ''}".strip()
            for name, table in settings.tables.items()
        },
    )


def _load_graph(family: Family, tables: list[str]) -> GraphDefinition:
    suffix = family.name

    def _steps(context: OpExecutionContext, reload: ReloadResource) -> Load:
        with readable_errors():
            return reload.services.load(family.group, context.log.info)

    @op(
        name=f"open_reload_{suffix}",
        ins={_input(family, name): In(Nothing) for name in tables},
        out=Out(int, description="The reload's id in the ledger."),
        description="Freeze the selection, refuse what cannot be reloaded, make the staging tables.",
        tags={"dagster/compute_kind": "postgres"},
    )
    def open_reload(context: OpExecutionContext, reload: ReloadResource) -> int:
        with readable_errors(), _answering(context.run, reload):
            partition = partition_key(context.run)
            window = family.selected_window(partition)
            overlap = reload.services.config.windows.overlap
            request_id = _request_id(context.run) if window else request_of(partition)
            opening = Opening(
                group=family.group,
                window=window,
                loaded_window=window.widened(overlap) if window else None,
                keys={} if window else requested_keys(reload.services, family, partition),
                partition_key=partition,
                started_by=_started_by(context.run),
                reason=context.run.tags.get(REASON_TAG, ""),
                run_id=context.run_id,
                request_id=request_id,
                columns=requested_columns(reload.services, family, partition, request_id),
            )
            load = reload.services.load(family.group, context.log.info)
            only = family.tables(context.selected_asset_keys)
            opened = load.open(
                opening, only, run_is_live=lambda run_id: run_is_live(context.instance, context.run_id, run_id)
            )
        context.add_output_metadata({"reload": opened.reload_id, "selection": opened.selected, "tables": opened.tables})
        return opened.reload_id

    @op(
        name=f"create_task_{suffix}",
        description="Create the one-time DMS task and wait until it is ready; keys may need none.",
        tags={"dagster/compute_kind": "dms"},
    )
    def create_task(context: OpExecutionContext, reload: ReloadResource, reload_id: int) -> int:
        load = _steps(context, reload)
        with giving_up_on_failure(context, load, reload_id):
            arn = load.create_task(load.ledger.get(reload_id))
        context.add_output_metadata({"DMS task ARN": arn or "none: the source connection reads the rows"})
        return reload_id

    @op(
        name=f"start_task_{suffix}",
        description="Start the load.",
        tags={"dagster/compute_kind": "dms"},
    )
    def start_task(context: OpExecutionContext, reload: ReloadResource, reload_id: int) -> int:
        load = _steps(context, reload)
        with giving_up_on_failure(context, load, reload_id):
            load.start_task(load.ledger.get(reload_id))
        return reload_id

    @op(
        name=f"wait_for_load_{suffix}",
        description="Watch the load until it has ended; a retry attaches to the same task.",
        tags={"dagster/compute_kind": "dms"},
    )
    def wait_for_load(context: OpExecutionContext, reload: ReloadResource, reload_id: int) -> int:
        load = _steps(context, reload)
        with giving_up_on_failure(context, load, reload_id):
            load.ledger.set_run(reload_id, context.run_id)
            result = load.wait(load.ledger.get(reload_id), lambda progress: context.log.info(_written(progress)))
        context.add_output_metadata(
            {
                "stop reason": result.stop_reason,
                "load seconds": round(result.seconds, 1),
                "rows according to DMS": sum(result.rows.values()),
            }
        )
        return reload_id

    @op(
        name=f"drop_task_{suffix}",
        description="Delete the DMS task.",
        tags={"dagster/compute_kind": "dms"},
    )
    def drop_task(context: OpExecutionContext, reload: ReloadResource, reload_id: int) -> int:
        load = _steps(context, reload)
        with giving_up_on_failure(context, load, reload_id):
            load.drop_task(load.ledger.get(reload_id))
        return reload_id

    @op(
        name=f"finish_staging_{suffix}",
        description="Trim the staged rows to the selection, key and analyze the staging tables.",
        out={_output(family, name): Out(Nothing, is_required=False) for name in tables},
    )
    def finish(context: OpExecutionContext, reload: ReloadResource, reload_id: int) -> Iterator[Output[None]]:
        load = _steps(context, reload)
        with giving_up_on_failure(context, load, reload_id):
            loaded = load.ledger.get(reload_id)
            resolved = load.finish(loaded)
            staged = load.ledger.tables(reload_id)
        for name, table in resolved.items():
            metadata = staged_metadata(loaded, load.config.windows.zone, staged[name], table)
            yield Output(None, _output(family, name), metadata=metadata)

    return chain(
        f"load_{suffix}",
        f"Load {_SELECTION[family.kind]} of the group into staging.",
        [open_reload, create_task, start_task, wait_for_load, drop_task, finish],
        "reload_id",
        tables,
        partial(_input, family),
        partial(_output, family),
    )


def _input(family: Family, table: str) -> str:
    # With something before it: a label alone may be a word of Dagster's or Python's own.
    return f"oracle_{family.labels[table]}"


def _output(family: Family, table: str) -> str:
    return f"staged_{family.labels[table]}"


def _started_by(run: DagsterRun) -> str:
    """Return who or what launched the run, according to the tags that Dagster sets."""
    tags = run.tags
    if request := tags.get(REQUEST_TAG):
        return f"request {request} by {tags.get(REQUESTED_BY_TAG, 'nobody named')}"
    for tag, kind in (("dagster/backfill", "backfill"), ("dagster/schedule_name", "schedule")):
        if tag in tags:
            return f"{kind} {tags[tag]}"
    return tags.get("user") or "Dagster UI"


@contextmanager
def _answering(run: DagsterRun, reload: ReloadResource) -> Iterator[None]:
    """Write into the request of a run why no reload was opened: the ledger has no reload that could say it.

    What a finder asks for goes ahead later if CDC has only fallen behind, or was stopped, since it was asked for.
    """
    try:
        yield
    except ReloadError as error:
        request = run.tags.get(REQUEST_TAG, "")
        if request.isdecimal():
            target, number = reload.services.target, int(request)
            is_for_cdc = isinstance(error, (CdcBehind, CdcNotRunning))
            if not (is_for_cdc and hold_again(target, number, str(HeldForCdc(number, str(error))))):
                note_ended(target, number, "failed", str(error))
        raise


def _request_id(run: DagsterRun) -> int | None:
    """Return the request that a run answers. Raises RequestInvalid for a tag that somebody else wrote."""
    request = run.tags.get(REQUEST_TAG)
    if request and not request.isdecimal():
        raise RequestInvalid(
            f"the run's tag {REQUEST_TAG}", f"{request!r} is not the number of a request; leave the tag out."
        )
    return int(request) if request else None


def _written(progress: Progress) -> str:
    return (
        f"DMS {progress.status}: {progress.percent} %, {progress.tables_loaded} tables loaded, "
        f"{progress.tables_loading} loading, {progress.tables_queued} queued, {progress.tables_errored} errored, "
        f"{progress.rows} rows, {progress.elapsed_seconds:.0f} s"
    )
