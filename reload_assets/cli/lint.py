"""``reload-assets lint``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from reload_assets.dms.findings import Finding
from reload_assets.dms.lint_codes import ADVICE, CHAPTERS, ERROR
from reload_assets.dms.lint_documents import decoded, lint_document

_KINDS = {"mapping": "this table mapping", "settings": "these settings", "task": "this task"}


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, readable=True, allow_dash=True))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, for scripts.")
@click.option("--target-schema", default="", metavar="NAME", help="TargetMetadata.TargetSchema of the task's settings.")
@click.pass_context
def lint(context: click.Context, file: str, as_json: bool, target_schema: str) -> None:
    """Find the mistakes of a DMS table mapping or of task settings.

    FILE is the JSON of a mapping, of settings, or of a task as DMS describes it; - is standard input. Prints one line
    per mistake, with the fix. Ends with 1 for an error, which AWS refuses or ignores, and with 0 for advice: AWS takes
    it, and a reload would not.
    """
    content = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    try:
        text = decoded(content)
    except UnicodeDecodeError:
        said = f"{file!r} is not UTF-8 text, nor UTF-16 with a byte order mark."
        raise click.BadParameter(said, param_hint="'FILE'") from None
    name = "<stdin>" if file == "-" else file
    kind, found = lint_document(text, target_schema=target_schema)
    count = {severity: sum(one.kind.severity == severity for one in found) for severity in (ERROR, ADVICE)}
    if as_json:
        findings = [_described(finding) for finding in found]
        click.echo(json.dumps({"file": name, "document": kind, **count, "findings": findings}, indent=2))
    else:
        for finding in found:
            click.echo(f"{finding.kind.severity}: {finding}")
        if not found:
            click.echo(f"{name}: no mistakes found in {_KINDS[kind]}")
    if count[ERROR]:
        context.exit(1)


def _described(finding: Finding) -> dict[str, Any]:
    return {
        "severity": finding.kind.severity,
        "code": finding.code,
        "rule_id": finding.rule_id,
        "message": finding.message,
        "fix": {"member": finding.fix.member, "value": finding.fix.value} if finding.fix else None,
        "source": finding.kind.source,
        "url": CHAPTERS.get(finding.kind.source),
    }
