"""``reload-assets reference``."""

from __future__ import annotations

import click

from reload_assets.cli.help_page import commands_page
from reload_assets.config.reference import reference as configuration_page


def _errors_page() -> str:
    # Imported late: the page needs the errors of all steps, and with them everything that the steps import.
    from reload_assets.troubleshooting import page

    return page()


def _commands_page() -> str:
    # Imported late, because the main command imports this module.
    from reload_assets.cli.main import main

    return commands_page(main)


PAGES = {"configuration": configuration_page, "errors": _errors_page, "commands": _commands_page}


@click.command()
@click.argument("page", type=click.Choice(list(PAGES)), default="configuration")
def reference(page: str) -> None:
    """Print a page of docs/: configuration, errors or commands."""
    click.echo(PAGES[page](), nl=False)
