"""``reload-assets reference``."""

from __future__ import annotations

import click

from reload_assets.config.reference import reference as written_reference


@click.command()
def reference() -> None:
    """Print the reference of reload.yaml (docs/configuration.md)."""
    click.echo(written_reference(), nl=False)
