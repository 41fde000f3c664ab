"""``reload-assets status``: the windows that were reloaded, red or green, as text, JSON or a page with a heatmap."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click
from psycopg.errors import UndefinedTable

from reload_assets.cli.configured import Configured
from reload_assets.errors import did_you_mean
from reload_assets.errors.config import ConfigValue
from reload_assets.errors.reloads import LedgerMissing
from reload_assets.ledger.status import WindowStatus, read_status


@click.command()
@click.argument("group", required=False)
@click.option("--last", default=30, show_default=True, type=click.IntRange(1), help="Windows of each group to show.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one object per window.")
@click.option("--html", "page", type=click.Path(dir_okay=False, path_type=Path), help="Write a page with a heatmap.")
@click.pass_obj
def status(configured: Configured, group: str | None, last: int, as_json: bool, page: Path | None) -> None:
    """Show the latest reload of each window: green, red or running.

    Windows that were never reloaded are not shown. Exits with 1 if a window is red.
    """
    config = configured.config
    if group is not None and group not in config.groups:
        place = f"{config.file}: groups"
        raise ConfigValue(place, f"there is no group {group!r}{did_you_mean(group, config.groups)}")
    with configured.services.target.connect(autocommit=True) as connection:
        try:
            windows = read_status(connection, group, last)
        except UndefinedTable:
            raise LedgerMissing(str(configured.services.target)) from None
    if page is not None:
        from reload_assets.ledger.heatmap import heatmap_page

        page.write_text(heatmap_page(windows, config.windows.zone), encoding="utf-8")
        click.echo(f"{len(windows)} windows written to {page}")
    elif as_json:
        click.echo(json.dumps([_as_json(window) for window in windows], indent=2))
    else:
        for line in status_lines(windows, config.windows.zone):
            click.echo(line)
    if any(window.state == "red" for window in windows):
        click.get_current_context().exit(1)


def _as_json(window: WindowStatus) -> dict[str, Any]:
    return {
        "group": window.group_name,
        "window": window.window.key,
        "state": window.state,
        "changed_rows": window.changed,
        "tables": {
            table.label: {
                "state": table.state,
                "reload_id": table.reload_id,
                "changed_rows": table.changed,
                "reason": table.reason,
            }
            for table in window.tables
        },
    }


def status_lines(windows: Sequence[WindowStatus], zone: ZoneInfo) -> list[str]:
    """Return one line per window, and one below it for each table that is not green. Times are shown in the zone."""
    lines = []
    for window in windows:
        reloads = ", ".join(str(number) for number in sorted({table.reload_id for table in window.tables}))
        lines.append(
            f"{window.state:<8}{window.group_name}  {window.window.shown(zone)}  reload {reloads}  "
            f"{window.changed:,} rows changed"
        )
        for (state, reason), names in _reasons(window).items():
            why = f": {' '.join(reason.split())}" if reason else ""
            lines.append(f"{'':<8}{', '.join(names)} {'is' if len(names) == 1 else 'are'} {state}{why}")
    return lines or ["No window has been reloaded yet."]


def _reasons(window: WindowStatus) -> dict[tuple[str, str], list[str]]:
    """Return the tables that are not green by their state and reason: one error often ends the reload of all."""
    found: dict[tuple[str, str], list[str]] = {}
    for table in window.tables:
        if table.state != "green":
            found.setdefault((table.state, table.reason), []).append(table.label)
    return found
