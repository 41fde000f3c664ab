"""The command ``reload-assets``: what is done beside Dagster. Each command is a file."""

from reload_assets.cli.main import main

__all__ = ["main"]
