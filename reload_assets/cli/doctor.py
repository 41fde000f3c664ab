"""``reload-assets doctor``."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime, timezone

import click

from reload_assets.cli.configured import Configured
from reload_assets.config.model import ReloadConfig
from reload_assets.preflight.finding import Finding, Findings, found
from reload_assets.reload.services import Services
from reload_assets.verify.outcome import counted


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one list of objects, for scripts.")
@click.pass_context
def doctor(context: click.Context, as_json: bool) -> None:
    """Find out before the first load what is wrong.

    Looks at reload.yaml, at both databases, at DMS, at the CDC task and at notify. Changes nothing. Prints one line per
    finding: ok, warn or problem, what was found where, what to do, and a [code], which docs/troubleshooting.md
    explains. A problem would keep a reload from succeeding; it does not keep doctor from going on. With a problem, the
    exit code is 1. No statement on a database takes longer than 30 seconds.

    --json: the objects have severity, code, place (source, target, dms, cdc, windows, notify, configuration, a group,
    or a production table), text, and fix (what to do; it may be empty).
    """
    configured: Configured = context.obj
    # Asked once: whoever reads the output elsewhere wants one line per finding.
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    findings = Findings(lambda finding: None if as_json else click.echo(shown(finding, width)))
    with findings.looking("configuration"):
        config, services = configured.config, configured.services
        findings.take("windows", _windows(config))
        findings.take("configuration", _groups(config))
        from reload_assets.reload.checkup import CheckUp

        CheckUp(services, findings).run()
        _look_at_channels(findings, services)
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings.all], indent=2))
    # Not a finding, so not among their lines.
    click.echo(f"{counted(findings.problems, 'problem')}, {counted(findings.count('warn'), 'warning')}", err=True)
    if findings.problems:
        context.exit(1)


def shown(finding: Finding, width: int | None) -> str:
    """Return a finding as one line, or wrapped at words to a terminal of ``width`` columns."""
    line = f"{finding.severity:<7} {' '.join(str(finding).splitlines())}"
    if width is None:
        return line
    return textwrap.fill(line, width, subsequent_indent=" " * 8, break_long_words=False, break_on_hyphens=False)


def _windows(config: ReloadConfig) -> Iterator[Finding]:
    """Yield which windows the cadence has. Raises ConfigError for a cadence that is none."""
    from reload_assets.cadence import described
    from reload_assets.partitions import cadence_partitions

    windows = config.windows
    cadence = described(cadence_partitions(windows, config.file), windows.first, datetime.now(timezone.utc))
    which = f"{cadence.windows:,} from {cadence.first} to {cadence.last}" if cadence.windows else "none yet"
    yield found("windows-known", "windows", f"windows: {windows.cadence} in {windows.time_zone}, {which}")
    for warning in cadence.warnings:
        yield found("cadence-odd", "windows", warning)


def _groups(config: ReloadConfig) -> Iterator[Finding]:
    """Yield the groups that Dagster does not take."""
    from reload_assets.code_location import build_code_location

    for error in build_code_location(config).left_out.values():
        yield Finding("problem", error.code, "configuration", error.sentence, error.advice)


def _look_at_channels(findings: Findings, services: Services) -> None:
    """Make each channel of notifications. Nothing is sent."""
    usable = []
    for name, make in services.channels(lambda said: None).items():
        with findings.looking(f"notify.{name}"):
            make()
            usable.append(name)
    if usable:
        findings.add(found("notify-ready", "notify", f"notify: events go to {', '.join(usable)}"))
    else:
        what = "notify: no channel, so nobody hears of a reload that failed or of CDC that is stopped"
        findings.add(found("notify-silent", "notify", what, "name one in notify"))
