"""The main command: its options, its subcommands, and the message when one of them fails."""

from __future__ import annotations

from typing import IO, Any

import click
import psycopg

from reload_assets.cli.configured import Configured
from reload_assets.cli.doctor import doctor
from reload_assets.cli.init import init
from reload_assets.cli.install import install
from reload_assets.cli.lint import lint
from reload_assets.cli.reference import reference
from reload_assets.cli.reload import reload
from reload_assets.cli.requests import requests
from reload_assets.cli.sql import sql
from reload_assets.cli.status import status
from reload_assets.errors import ReloadError


class _Failure(click.ClickException):
    """Prints one sentence on stderr, and exits with code 1."""

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(self.message, file=file, err=file is None)


class _Commands(click.Group):
    """Shows errors of the commands without a traceback, because a traceback could show values."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ReloadError as error:
            raise _Failure(str(error)) from None
        except psycopg.Error as error:
            said = (str(error).strip().splitlines() or [type(error).__name__])[0]
            configured = ctx.find_object(Configured)
            assert configured is not None
            raise _Failure(
                f"{configured.file}: target.connection: PostgreSQL says: {said}; fix its cause there."
            ) from None


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--config", metavar="FILE", help="The reload.yaml to use (default: RELOAD_CONFIG, or ./reload.yaml).")
@click.pass_context
def main(context: click.Context, config: str | None) -> None:
    """Set up reload_assets, reload windows from the terminal, and see what became of them."""
    context.obj = Configured(config)


for command in (init, install, doctor, reload, status, requests, sql, lint, reference):
    main.add_command(command)
