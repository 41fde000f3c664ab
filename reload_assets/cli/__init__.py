"""The command ``reload-assets``, for what is done outside Dagster. Each subcommand has its own module."""

from reload_assets.cli.main import main

__all__ = ["main"]
