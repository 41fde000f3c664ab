"""``reload-assets requests``: the requests that have not ended, and releasing or refusing those that are held."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from zoneinfo import ZoneInfo

import click
from psycopg.errors import UndefinedTable

from reload_assets.cli.configured import Configured
from reload_assets.errors.reloads import LedgerMissing
from reload_assets.finders.held import refuse, release
from reload_assets.ledger.open_requests import OpenRequest, list_unfinished

_HEAD = ("id", "status", "group", "what", "found by", "age")


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one object per request.")
@click.pass_context
def requests(context: click.Context, as_json: bool) -> None:
    """List the requests that have not ended; release or refuse them.

    A held request waits for a person, or for CDC; a pending one may wait for the source, the target or DMS. The line
    below it says why.
    """
    if context.invoked_subcommand is not None:
        return
    configured = context.find_object(Configured)
    assert configured is not None
    with _ledger(configured), configured.services.target.connect(autocommit=True) as connection:
        found = list_unfinished(connection)
    if as_json:
        click.echo(json.dumps([one.as_json() for one in found], indent=2))
        return
    for line in request_lines(found, configured.config.windows.zone):
        click.echo(line)


@requests.command("release")
@click.argument("request_ids", metavar="ID...", type=int, nargs=-1, required=True)
@click.pass_obj
def release_command(configured: Configured, request_ids: tuple[int, ...]) -> None:
    """Let held requests go ahead: all of these or none."""
    with _ledger(configured):
        release(configured.services.target, request_ids)
    click.echo(f"released: {', '.join(map(str, request_ids))}")


@requests.command("refuse")
@click.argument("request_ids", metavar="ID...", type=int, nargs=-1, required=True)
@click.option("--reason", required=True, help="Why, for whoever reads the request later.")
@click.pass_obj
def refuse_command(configured: Configured, request_ids: tuple[int, ...], reason: str) -> None:
    """Refuse requests that have not begun: all of these or none.

    A finder does not ask for them again because of the same evidence.
    """
    with _ledger(configured):
        refuse(configured.services.target, request_ids, reason)
    click.echo(f"refused: {', '.join(map(str, request_ids))}")


@contextmanager
def _ledger(configured: Configured) -> Iterator[None]:
    try:
        yield
    except UndefinedTable:
        raise LedgerMissing(str(configured.services.target)) from None


def request_lines(found: Sequence[OpenRequest], zone: ZoneInfo) -> list[str]:
    """Return a table with one line per request, and one below it that says why it waits. Windows are in the zone."""
    if not found:
        return ["No request is open."]
    rows = [_HEAD, *(_cells(one, zone) for one in found)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(_HEAD))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    shown = lines[:1]
    for line, one in zip(lines[1:], found, strict=True):
        shown.append(line)
        if why := one.held_because or one.waits_because:
            shown.append(f"{'':<{widths[0]}}  {' '.join(why.split())}")
    return shown


def _cells(one: OpenRequest, zone: ZoneInfo) -> tuple[str, ...]:
    by = one.requested_by if one.found_by == "person" else one.found_by
    return str(one.request_id), one.status, one.group_name, one.what(zone), by, _age(one.age_seconds)


def _age(seconds: float) -> str:
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size:.0f} {unit}"
    return f"{seconds:.0f} s"
