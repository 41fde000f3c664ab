"""``reload-assets lint``."""

from __future__ import annotations

from typing import TextIO

import click

from reload_assets.dms.lint import lint_mapping


@click.command()
@click.argument("file", type=click.File(encoding="utf-8"))
@click.option("--target-schema", default="", metavar="NAME", help="TargetMetadata.TargetSchema of the task's settings.")
@click.pass_context
def lint(context: click.Context, file: TextIO, target_schema: str) -> None:
    """Find the mistakes of a DMS table mapping.

    FILE is the mapping as JSON, or - for standard input. Prints one line per mistake, with the fix. DMS accepts most of
    them silently.
    """
    try:
        mapping = file.read()
    except UnicodeDecodeError:
        raise click.BadParameter(f"{file.name!r} is not UTF-8 text.", param_hint="'FILE'") from None
    found = lint_mapping(mapping, target_schema=target_schema)
    for finding in found:
        click.echo(finding)
    if found:
        context.exit(1)
    click.echo(f"{file.name}: no mistakes found")
