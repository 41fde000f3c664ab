"""The sensor that turns rows of ``admin.reload_requests`` into runs, one run per row."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone

from dagster import (
    DagsterRun,
    DagsterRunStatus,
    DefaultSensorStatus,
    DynamicPartitionsDefinition,
    RunRequest,
    RunsFilter,
    SensorDefinition,
    SensorEvaluationContext,
    SensorResult,
    SkipReason,
    sensor,
)
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition
from psycopg import Error as DatabaseError

from reload_assets.assets.staging import REASON_TAG, REQUEST_TAG, REQUESTED_AT_TAG, REQUESTED_BY_TAG
from reload_assets.config.model import ReloadConfig
from reload_assets.errors import ConfigError, DmsError, ReloadError, SourceUnavailable
from reload_assets.errors.config import SecretUnreadable
from reload_assets.errors.requests import PartWaits
from reload_assets.errors.source import (
    SourceColumnType,
    SourceDenied,
    SourceDriverMissing,
    SourceKeyValue,
    SourceNameUnknown,
    SourceUnreachable,
)
from reload_assets.errors.target import DatabaseUnreachable, SessionLost, TargetFull, TargetReadOnly
from reload_assets.errors.windows import RequestInvalid
from reload_assets.jobs.reload import reload_job_name
from reload_assets.ledger.records import Key
from reload_assets.ledger.request_columns import parse_columns
from reload_assets.ledger.request_keys import parse_keys, write_keys
from reload_assets.ledger.requests import (
    Request,
    is_at_terminal,
    note_ended,
    note_reload,
    note_started,
    note_waiting,
    open_requests,
    part_before,
    set_keys,
    split_request,
)
from reload_assets.partitions import Family
from reload_assets.reload.failures import describe
from reload_assets.reload.services import Services
from reload_assets.requested import (
    assets_of,
    choose_limited,
    choose_tables,
    complete_keys,
    place_keys,
    place_window,
    require_group,
    require_keys,
)
from reload_assets.resources.reload import ReloadResource
from reload_assets.run_process import has_died
from reload_assets.sensors.failed_ticks import readable_ticks
from reload_assets.split_requests import parts_of, too_long, without_gone
from reload_assets.windows import Window

_INTERVAL_SECONDS = 15
# Dagster waits 60 s for a sensor. If DMS takes longer to answer, requests stay held until the next tick.
_PATIENCE_SECONDS = 15.0
# What keeps a request from becoming a run though nothing is wrong with it ...
_NOT_ITS_FAULT = (
    DatabaseUnreachable,
    DmsError,
    PartWaits,
    SecretUnreadable,
    SessionLost,
    SourceUnavailable,
    TargetFull,
    TargetReadOnly,
)
# ... except for what the next tick would find again in the source: only a person changes it.
_LASTING = (SourceColumnType, SourceDenied, SourceDriverMissing, SourceKeyValue, SourceNameUnknown)


def requests_sensor(
    config: ReloadConfig, jobs: Sequence[UnresolvedAssetJobDefinition], left_out: Mapping[str, ConfigError]
) -> SensorDefinition:
    """Return the sensor that watches ``admin.reload_requests``. It is off until switched on.

    ``left_out`` says why groups have no job.
    """

    @sensor(
        name="reload_requests",
        jobs=jobs,
        minimum_interval_seconds=_INTERVAL_SECONDS,
        default_status=DefaultSensorStatus.STOPPED,
        description="Start a reload for each new row of admin.reload_requests and write back what became of it.",
    )
    @readable_ticks()
    def reload_requests(context: SensorEvaluationContext, reload: ReloadResource) -> SensorResult | SkipReason:
        target = reload.services.target
        wanted: list[RunRequest] = []
        additions: dict[str, list[str]] = {}
        waiting = 0
        unreachable: SourceUnreachable | None = None

        def wait(request: Request, why: str) -> None:
            context.log.warning(f"Request {request.request_id} waits: {why}")
            note_waiting(target, request.request_id, why)

        reload.services.settle_requests(_PATIENCE_SECONDS)
        for request in open_requests(target):
            run = _run_of(context, request)
            if run is not None:
                # An earlier tick may have died after it started the run, so a row that has a run is not started again.
                note_started(target, request.request_id, run.run_id)
                note_reload(target, request.request_id)
                waiting += _follow(reload, request, run)
            elif request.status == "pending" and unreachable is not None and _asks_source(request):
                # Each attempt may take as long as a login may.
                wait(request, str(unreachable))
            elif request.status == "pending":
                try:
                    if request.group_name in left_out:
                        raise left_out[request.group_name]
                    placed = _place(reload.services, request, datetime.now(timezone.utc))
                    if placed is None:
                        continue
                    family, key, tables = placed
                    wanted.append(_run_request(family, key, request, tables))
                except (ReloadError, DatabaseError) as error:
                    if isinstance(error, ReloadError) and not _is_passing(error):
                        note_ended(target, request.request_id, "refused", str(error))
                        continue
                    # The next tick asks again, and no request keeps the others from theirs.
                    wait(request, describe(error))
                    if isinstance(error, SourceUnreachable):
                        unreachable = error
                    continue
                if isinstance(family.partitions, DynamicPartitionsDefinition):
                    additions.setdefault(str(family.partitions.name), []).append(key)
            elif is_at_terminal(target, request.request_id):
                waiting += 1
            else:
                note_ended(target, request.request_id, "failed", f"The run {request.run_id} was deleted.")
        if not wanted:
            return SkipReason(f"No new request; {waiting} under way.")
        return SensorResult(
            run_requests=wanted,
            dynamic_partitions_requests=[
                DynamicPartitionsDefinition(name=name).build_add_request(sorted(set(keys)))
                for name, keys in additions.items()
            ],
        )

    return reload_requests


def _run_of(context: SensorEvaluationContext, request: Request) -> DagsterRun | None:
    """Return the newest run of a request. There may be several, because a re-execution has the same tags.

    Requests of other targets have the same numbers, and so may those of this one from before it was restored.
    """
    found = context.instance.get_runs(RunsFilter(tags={REQUEST_TAG: str(request.request_id)}))
    own = (run for run in found if run.tags.get(REQUESTED_AT_TAG) == request.requested_at or _is_noted(request, run))
    return next(own, None)


def _is_noted(request: Request, run: DagsterRun) -> bool:
    """Return whether the request names a run, or the one of which it is a re-execution: the tags of a terminal's."""
    return request.run_id is not None and request.run_id in (run.run_id, run.root_run_id)


def _follow(reload: ReloadResource, request: Request, run: DagsterRun) -> int:
    """Write the end of a run into its request. Returns 1 while the run is still under way, else 0."""
    died = not run.is_finished and has_died(run.tags)
    if not run.is_finished and not died:
        return 1
    if run.status is DagsterRunStatus.SUCCESS:
        note_ended(reload.services.target, request.request_id, "done", "")
    else:
        note_ended(
            reload.services.target,
            request.request_id,
            "failed",
            f"The process of the run {run.run_id} died."
            if died
            else f"The run {run.run_id} ended as {run.status.value}; see it.",
        )
    return 0


def _is_passing(error: ReloadError) -> bool:
    return isinstance(error, _NOT_ITS_FAULT) and not isinstance(error, _LASTING)


def _asks_source(request: Request) -> bool:
    return request.keys is not None or request.columns is not None


def _place(services: Services, request: Request, now: datetime) -> tuple[Family, str, Sequence[str]] | None:
    """Return the family, partition and tables of a request; None if it has been split into others."""
    config, group = services.config, request.group_name
    require_group(group, config.groups)
    known = config.groups[group].tables
    reason = f"{request.reason} [request {request.request_id}]"
    if parts := without_gone(request, known, reason):
        split_request(services.target, request, parts)
        return None
    columns = None if request.columns is None else parse_columns(request.columns)
    if request.keys is None:
        before = part_before(services.target, request.request_id) if columns is None else None
        if before is not None:
            raise PartWaits(request.request_id, before)
        window = Window(_instant("window_start", request.window_start), _instant("window_end", request.window_end))
        wanted = None if request.tables is None else [str(name) for name in request.tables]
        chosen = choose_tables(known, group, wanted)
        if columns is not None:
            chosen = choose_limited(services, group, columns, wanted)
        return *place_window(config, group, window, now, is_limited=columns is not None), chosen
    if request.window_start is not None or request.window_end is not None or request.tables is not None:
        raise RequestInvalid("keys", "goes without window_start, window_end and tables; leave these NULL.")
    keys: Mapping[str, Sequence[Key]] = parse_keys(request.keys)
    tables = choose_tables(known, group, list(keys), "keys")
    if columns is not None:
        choose_limited(services, group, columns, tables)
    # Parents that are added make no list too long: a part of a split list would be split again, for ever.
    if too_long(config, keys, whole_windows=request.whole_windows):
        parts = parts_of(services, group, keys, now, reason, columns, whole_windows=request.whole_windows)
        split_request(services.target, request, parts)
        return None
    if columns is not None:
        require_keys(services, group, keys)
    else:
        completed = complete_keys(services, group, keys)
        if completed != keys:
            set_keys(services.target, request.request_id, write_keys(completed))
            tables = list(completed)
    return *place_keys(config, group, request.request_id), tables


def _instant(field: str, instant: datetime | None) -> datetime:
    if instant is None:
        raise RequestInvalid(field, "is not an instant of the years 1 to 9999; write one such as 2025-01-03T00:00Z.")
    return instant.astimezone(timezone.utc)


def _run_request(family: Family, key: str, request: Request, tables: Sequence[str]) -> RunRequest:
    return RunRequest(
        # Dagster starts one run per run key and sensor, so a tick that is evaluated twice does not start a run twice.
        run_key=f"request/{request.request_id}/{request.requested_at}",
        job_name=reload_job_name(family),
        partition_key=key,
        asset_selection=assets_of(family, tables),
        tags={
            REQUEST_TAG: str(request.request_id),
            REASON_TAG: request.reason,
            REQUESTED_BY_TAG: request.requested_by,
            REQUESTED_AT_TAG: request.requested_at,
        },
    )
