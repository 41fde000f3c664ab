"""``reload-assets reload``: a window, or some keys, from the terminal, by the job that the UI would launch."""

from __future__ import annotations

import getpass
import logging
import os
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from reload_assets.cli.configured import Configured
from reload_assets.cli.key_files import read_key_files, split_options
from reload_assets.errors.windows import InstantInvalid, RequestInvalid
from reload_assets.ledger.request_keys import parse_keys, write_keys
from reload_assets.ledger.requests import Part, at_terminal, note_ended, note_reload
from reload_assets.reload.parts import group_tables
from reload_assets.tables import resolve_group
from reload_assets.windows import Window

if TYPE_CHECKING:
    from dagster import DagsterInstance, EventLogEntry, ExecuteInProcessResult

    from reload_assets.ledger.records import Key, Reload
    from reload_assets.partitions import Family

# The command shows what a person wants to read; Dagster's own log would show each event.
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
_LOOK_SECONDS = 0.3


@click.command()
@click.argument("group")
@click.option("--from", "start", metavar="INSTANT", help="Start of the window.")
@click.option("--to", "end", metavar="INSTANT", help="End of the window, which is not part of it.")
@click.option("--tables", metavar="A,B", help="Reload only these tables of the group.")
@click.option(
    "--keys",
    "key_files",
    multiple=True,
    metavar="TABLE=FILE",
    help="Reload the rows with the keys in a CSV file instead of a window. Once for each table.",
)
@click.option(
    "--columns",
    "limits",
    multiple=True,
    metavar="TABLE=A,B",
    help="Repair only these columns of the rows, and leave all else. Once for each table.",
)
@click.option("--reason", default="", help="Why it is reloaded. Kept in admin.reloads.")
@click.pass_obj
def reload(
    configured: Configured,
    group: str,
    start: str | None,
    end: str | None,
    tables: str | None,
    key_files: tuple[str, ...],
    limits: tuple[str, ...],
    reason: str,
) -> None:
    """Reload one window of a group, or some keys.

    An INSTANT is 2025-01-03T04:10Z, or 2025-01-03 for the beginning of that day in windows.time_zone. A FILE has one
    key per line; its first line may name the columns. The job is that of the UI. The run appears there if DAGSTER_HOME
    is set. Exits with 0 only if everything is confirmed.
    """
    if key_files:
        if start is not None or end is not None or tables is not None:
            raise RequestInvalid("--keys", "goes without --from, --to and --tables; leave these out.")
        files = {table: Path(file) for table, file in split_options("--keys", key_files, "orders=keys.csv").items()}
        found = _reload_keys(configured, group, files, _columns(limits), reason)
    elif start is None or end is None:
        raise RequestInvalid("--from" if start is None else "--to", "is missing; name the window, or give --keys.")
    else:
        zone = configured.config.windows.zone
        window = Window(_instant("--from", start, zone), _instant("--to", end, zone))
        chosen = None if tables is None else [name.strip() for name in tables.split(",") if name.strip()]
        found = [_reload_window(configured, group, Part(window, chosen, None, reason, _columns(limits)))]
    for one in found:
        if one is None:
            click.echo("The reload was not opened.")
        else:
            said = one.error or one.confirm_detail or ""
            click.echo(f"{one.title} is {one.status}, confirm: {one.confirm_status}. {said}".rstrip())
    if any(one is None or one.confirm_status != "confirmed" for one in found):
        click.get_current_context().exit(1)


def _columns(written: Sequence[str]) -> dict[str, list[str]] | None:
    """Return the columns of each table that ``--columns`` names; None without it. Raises RequestInvalid."""
    found = split_options("--columns", written, "orders=note,amount")
    return {table: [name.strip() for name in names.split(",")] for table, names in found.items()} or None


def _reload_window(configured: Configured, group: str, part: Part) -> Reload | None:
    # Imported here because Dagster takes seconds to import.
    from reload_assets.requested import choose_limited, choose_tables, place_window, require_group

    config, window, columns = configured.config, part.window, part.columns
    assert window is not None
    require_group(group, config.groups)
    names = choose_tables(config.groups[group].tables, group, part.tables)
    if columns is not None:
        names = choose_limited(configured.services, group, columns, part.tables)
    now = datetime.now(timezone.utc)
    family, key = place_window(config, group, window, now, is_limited=columns is not None)
    launch = Launch(family, key, names, str(window), part.reason, str(uuid.uuid4()))
    if columns is None:
        return _run(configured, launch)
    # The run reads its columns from the request.
    return _run_requested(configured, group, replace(part, tables=names), launch.run_id, lambda _: launch)


def _reload_keys(
    configured: Configured,
    group: str,
    files: Mapping[str, Path],
    columns: Mapping[str, Sequence[str]] | None,
    reason: str,
) -> list[Reload | None]:
    """Reload keys from files; where they are too many, the windows that hold them, one after the other."""
    # Imported here for the same reason.
    from reload_assets.requested import choose_limited, choose_tables, complete_keys, require_group
    from reload_assets.split_requests import parts_of, too_long

    config, services = configured.config, configured.services
    require_group(group, config.groups)
    names = choose_tables(config.groups[group].tables, group, list(files), "--keys")
    if columns is not None:
        choose_limited(services, group, columns, names)
    with services.source() as reader, services.target.connect(autocommit=True) as connection:
        resolved = resolve_group(group_tables(config, group), connection, reader, names)
    keys: Mapping[str, Sequence[Key]] = read_key_files(files, {table.name: table.key for table in resolved})
    # Parents that are added make no list too long.
    if not too_long(config, keys):
        if columns is None:
            keys = complete_keys(services, group, keys)
        return [_reload_listed(configured, group, Part(None, None, write_keys(keys), reason, columns))]
    parts = parts_of(services, group, keys, datetime.now(timezone.utc), reason, columns)
    click.echo(f"More than {config.keys.most} keys of a table (keys.most): {len(parts)} reloads of what holds them.")
    found = []
    for part in parts:
        if part.window is not None:
            found.append(_reload_window(configured, group, part))
            continue
        if columns is None:
            # A later part may have the parents of its rows.
            part = replace(part, keys=write_keys(complete_keys(services, group, parse_keys(part.keys or ""))))
        found.append(_reload_listed(configured, group, part))
    return found


def _reload_listed(configured: Configured, group: str, part: Part) -> Reload | None:
    """Insert a request with the keys, and answer it here."""
    from reload_assets.requested import place_keys

    keys = parse_keys(part.keys or "")
    what = ", ".join(f"{len(some)} keys of {name}" for name, some in keys.items())
    run_id = str(uuid.uuid4())

    def launch(request_id: int) -> Launch:
        family, partition = place_keys(configured.config, group, request_id)
        return Launch(family, partition, list(keys), what, part.reason, run_id)

    return _run_requested(configured, group, part, run_id, launch)


def _run_requested(
    configured: Configured, group: str, part: Part, run_id: str, launch: Callable[[int], Launch]
) -> Reload | None:
    """Insert a request, answer it by a run here, and note how that ended. ``launch`` makes the run of the request."""
    services, by = configured.services, f"{getpass.getuser()} at a terminal"
    with at_terminal(services.target, group, part, by, run_id) as request_id:
        try:
            found = _run(configured, launch(request_id), request_id)
        except BaseException as error:
            note_ended(services.target, request_id, "failed", str(error) or type(error).__name__)
            raise
        note_reload(services.target, request_id)
        is_done = found is not None and found.status == "merged"
        note_ended(services.target, request_id, "done" if is_done else "failed", f"Run {run_id} failed.")
    return found


@dataclass(frozen=True)
class Launch:
    """A run to launch: the partition of a family, its tables, and what is selected, for messages."""

    family: Family
    partition: str
    tables: Sequence[str]
    selected: str
    reason: str
    run_id: str


def _run(configured: Configured, launch: Launch, request_id: int | None = None) -> Reload | None:
    """Run the job in this process, for a request if there is one. Returns the reload as the ledger has it then.

    None if it was not opened.
    Ctrl-C cancels the run and closes the reload. Raises ConfigError for a group that Dagster does not take.
    """
    # Imported here because Dagster takes seconds to import.
    from dagster import DynamicPartitionsDefinition

    from reload_assets.assets.staging import REASON_TAG, REQUEST_TAG, REQUESTED_BY_TAG
    from reload_assets.code_location import build_code_location
    from reload_assets.jobs.reload import reload_job_name
    from reload_assets.requested import assets_of
    from reload_assets.run_process import process_tags

    config = configured.config
    family, key, run_id = launch.family, launch.partition, launch.run_id
    location = build_code_location(config)
    if family.group in location.left_out:
        raise location.left_out[family.group]
    job = location.definitions.resolve_job_def(reload_job_name(family))
    by = f"{getpass.getuser()} at a terminal"
    requested = {} if request_id is None else {REQUEST_TAG: str(request_id), REQUESTED_BY_TAG: by}
    with _instance() as instance:
        if isinstance(family.partitions, DynamicPartitionsDefinition):
            instance.add_dynamic_partitions(str(family.partitions.name), [key])
        click.echo(f"Reloading {launch.selected} of {family.group}: {', '.join(launch.tables)} (run {run_id})")
        with _showing(instance, run_id):
            result = job.execute_in_process(
                instance=instance,
                run_id=run_id,
                partition_key=key,
                asset_selection=assets_of(family, launch.tables),
                tags={REASON_TAG: launch.reason, "user": by, **requested, **process_tags()},
                run_config=_QUIET,
                raise_on_error=False,
            )
    if not result.success and _was_interrupted(result):
        _close(configured, run_id)
    return configured.services.ledger.find_by_run(run_id)


def _was_interrupted(result: ExecuteInProcessResult) -> bool:
    """Return whether Ctrl-C ended a run, and not a step that failed."""
    from dagster._core.events import RunFailureReason

    failures = [event for event in result.all_events if event.event_type_value == "PIPELINE_FAILURE"]
    return not failures or failures[-1].job_failure_data.failure_reason is RunFailureReason.UNEXPECTED_TERMINATION


def _close(configured: Configured, run_id: str) -> None:
    """Close the reload of a run that was interrupted after its load.

    Before that, the load closes it. What is verified could still be merged from the UI, but a person who stops a
    command expects that nothing stays open. A merge in chunks does stay open: a later run completes its window.
    """
    found = configured.services.ledger.find_by_run(run_id)
    if found is not None and (found.status in ("loaded", "verified") or found.confirm_status == "pending"):
        configured.services.sweeper(click.echo).give_up(found.reload_id, "cancelled", f"Run {run_id} was interrupted.")


@contextmanager
def _instance() -> Iterator[DagsterInstance]:
    """Yield the Dagster instance of DAGSTER_HOME, so that the run appears in the UI; else one that is not kept."""
    from dagster import DagsterInstance

    if os.environ.get("DAGSTER_HOME"):
        with DagsterInstance.get() as instance:
            yield instance
    else:
        click.echo("DAGSTER_HOME is not set: the run will not appear in the UI. The ledger keeps it all the same.")
        with DagsterInstance.ephemeral() as instance:
            yield instance


@contextmanager
def _showing(instance: DagsterInstance, run_id: str) -> Iterator[None]:
    """Print what the run says while it runs."""
    ended = threading.Event()
    cursor: list[str | None] = [None]

    def show() -> None:
        found = instance.event_log_storage.get_records_for_run(run_id, cursor[0])
        cursor[0] = found.cursor
        for record in found.records:
            for line in _lines(record.event_log_entry):
                click.echo(line)

    def follow() -> None:
        while not ended.wait(_LOOK_SECONDS):
            show()

    follower = threading.Thread(target=follow, name="show-progress", daemon=True)
    follower.start()
    try:
        yield
    finally:
        ended.set()
        follower.join()
        show()


def _lines(entry: EventLogEntry) -> Iterator[str]:
    """Return what a person wants to read of an event: the steps' own words, checks that fail, and failures."""
    from dagster import DagsterExecutionInterruptedError

    from reload_assets.assets.load_steps import said_by

    event: Any = entry.dagster_event
    if event is None:
        # Dagster notes at a lower level where it keeps what a step returns, and names each step that it skips.
        if int(entry.level) >= logging.INFO and not entry.user_message.startswith("Dependencies for step"):
            yield f"  {entry.user_message}"
    elif event.event_type_value == "ASSET_CHECK_EVALUATION":
        found = event.asset_check_evaluation_data
        mark = "ok" if found.passed else "FAILED"
        said = "" if found.passed else f": {found.description or ''}"
        yield f"  check {found.asset_key.path[-1]}.{found.check_name} {mark}{said}"
    elif event.is_step_failure:
        data = event.step_failure_data
        if data.error and data.error.cls_name == DagsterExecutionInterruptedError.__name__:
            # A person pressed Ctrl-C and knows it: where the step was then is of no use.
            yield f"  {event.step_key} was interrupted"
        else:
            yield f"  {event.step_key} failed: {said_by(data)}"


def _instant(option: str, written: str, zone: ZoneInfo) -> datetime:
    """Read an instant, or a day of the cadence's time zone, which begins at its midnight."""
    try:
        found = datetime.fromisoformat(written.replace("Z", "+00:00"))
    except ValueError:
        raise InstantInvalid(option, written) from None
    if found.tzinfo is None:
        if "T" in written or " " in written:
            raise InstantInvalid(option, written)
        return found.replace(tzinfo=zone).astimezone(timezone.utc)
    return found.astimezone(timezone.utc)
