"""``reload-assets reference``."""

from __future__ import annotations

import click

from reload_assets.config.reference import reference as configuration_page


def _errors_page() -> str:
    # Imported late: the page needs the errors of all steps, and with them everything that the steps import.
    from reload_assets.troubleshooting import page

    return page()


PAGES = {"configuration": configuration_page, "errors": _errors_page}


@click.command()
@click.argument("page", type=click.Choice(list(PAGES)), default="configuration")
def reference(page: str) -> None:
    """Print a page of docs/: configuration or errors."""
    click.echo(PAGES[page](), nl=False)
