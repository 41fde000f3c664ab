"""``reload-assets reload``: one window from the terminal, by the job that the UI would launch."""

from __future__ import annotations

import getpass
import logging
import os
import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from reload_assets.cli.configured import Configured
from reload_assets.errors.windows import InstantInvalid
from reload_assets.windows import Window

if TYPE_CHECKING:
    from dagster import DagsterInstance, EventLogEntry, ExecuteInProcessResult

    from reload_assets.ledger.records import Reload

# The command shows what a person wants to read; Dagster's own log would show each event.
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
_LOOK_SECONDS = 0.3


@click.command()
@click.argument("group")
@click.option("--from", "start", required=True, metavar="INSTANT", help="Start of the window.")
@click.option("--to", "end", required=True, metavar="INSTANT", help="End of the window, which is not part of it.")
@click.option("--tables", metavar="A,B", help="Reload only these tables of the group.")
@click.option("--reason", default="", help="Why the window is reloaded. Kept in admin.reloads.")
@click.pass_obj
def reload(configured: Configured, group: str, start: str, end: str, tables: str | None, reason: str) -> None:
    """Reload one window of a group and show the progress.

    An INSTANT is 2025-01-03T04:10Z, or 2025-01-03 for the beginning of that day in windows.time_zone. The job is that
    of the UI. The run appears there if DAGSTER_HOME is set. Exits with 0 only if the reload is confirmed.
    """
    zone = configured.config.windows.zone
    window = Window(_instant("--from", start, zone), _instant("--to", end, zone))
    chosen = None if tables is None else [name.strip() for name in tables.split(",") if name.strip()]
    found = _run(configured, group, window, chosen, reason)
    if found is None:
        click.echo("The reload was not opened.")
    else:
        said = found.error or found.confirm_detail or ""
        click.echo(f"{found.title} is {found.status}, confirm: {found.confirm_status}. {said}".rstrip())
    if found is None or found.confirm_status != "confirmed":
        click.get_current_context().exit(1)


def _run(
    configured: Configured, group: str, window: Window, chosen: Sequence[str] | None, reason: str
) -> Reload | None:
    """Run the job in this process. Returns the reload as the ledger has it then; None if it was not opened.

    Ctrl-C cancels the run and closes the reload. Raises ConfigError for a group that Dagster does not take.
    """
    # Imported here because Dagster takes seconds to import.
    from dagster import DynamicPartitionsDefinition

    from reload_assets.assets.staging import REASON_TAG
    from reload_assets.code_location import build_code_location
    from reload_assets.jobs.reload import reload_job_name
    from reload_assets.requested import assets_of, choose_tables, place_window
    from reload_assets.run_process import process_tags

    config = configured.config
    family, key = place_window(config, group, window, datetime.now(timezone.utc))
    names = choose_tables(config.groups[group].tables, group, chosen)
    location = build_code_location(config)
    if group in location.left_out:
        raise location.left_out[group]
    job = location.definitions.resolve_job_def(reload_job_name(family))
    run_id = str(uuid.uuid4())
    with _instance() as instance:
        if isinstance(family.partitions, DynamicPartitionsDefinition):
            instance.add_dynamic_partitions(str(family.partitions.name), [key])
        click.echo(f"Reloading {window} of {group}: {', '.join(names)} (run {run_id})")
        with _showing(instance, run_id):
            result = job.execute_in_process(
                instance=instance,
                run_id=run_id,
                partition_key=key,
                asset_selection=assets_of(family, names),
                tags={REASON_TAG: reason, "user": f"{getpass.getuser()} at a terminal", **process_tags()},
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
