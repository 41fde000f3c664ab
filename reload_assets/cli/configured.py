"""What the commands share: the configuration, and the services made from it."""

from __future__ import annotations

from functools import cached_property

from reload_assets.config.model import ReloadConfig, load_config
from reload_assets.config.values import text
from reload_assets.reload.services import Services


class Configured:
    """Reads the configuration when a command first needs it. Raises ConfigError then."""

    def __init__(self, path: str | None) -> None:
        self._path = path

    @cached_property
    def config(self) -> ReloadConfig:
        """The configuration."""
        return load_config(self._path)

    @cached_property
    def services(self) -> Services:
        """The services made from the configuration."""
        return Services(self.config, self._look_up)

    def _look_up(self, name: str) -> str:
        """Look up a secret where Dagster's resource does: in the region of DMS."""
        import boto3

        region = text(self.config.dms.region, f"{self.config.file}: dms.region")
        client = boto3.client("secretsmanager", region_name=region)
        return str(client.get_secret_value(SecretId=name)["SecretString"])
