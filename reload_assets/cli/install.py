"""``reload-assets install``."""

from __future__ import annotations

import click

from reload_assets.cli.configured import Configured
from reload_assets.ledger.install import install as install_schemas


@click.command()
@click.pass_obj
def install(configured: Configured) -> None:
    """Create or upgrade the schemas admin and staging in the target."""
    with configured.services.target.connect(autocommit=True) as connection:
        applied = install_schemas(connection, configured.config.target)
    click.echo(f"{len(applied)} schema files applied: {', '.join(applied) or 'all were there'}; views recreated")
