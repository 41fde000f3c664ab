"""What the commands share: the configuration, and the services made from it."""

from __future__ import annotations

from functools import cached_property

from reload_assets.config.model import ReloadConfig, config_file, load_config
from reload_assets.config.values import text
from reload_assets.reload.services import Services
from reload_assets.resources.slack import slack_client


class Configured:
    """Reads the configuration when a command first needs it. Raises ConfigError then."""

    def __init__(self, path: str | None) -> None:
        self._path = path

    @property
    def file(self) -> str:
        """The name of the configuration's file, for messages. It need not exist."""
        return str(config_file(self._path))

    @cached_property
    def config(self) -> ReloadConfig:
        """The configuration."""
        return load_config(self._path)

    @cached_property
    def services(self) -> Services:
        """The services made from the configuration."""
        return services_of(self.config)


def services_of(config: ReloadConfig) -> Services:
    """Return the services made from a configuration."""

    def look_up(name: str) -> str:
        """Look up a secret where Dagster's resource does: in the region of DMS."""
        import boto3

        region = text(config.dms.region, f"{config.file}: dms.region")
        client = boto3.client("secretsmanager", region_name=region)
        return str(client.get_secret_value(SecretId=name)["SecretString"])

    return Services(config, look_up, slack_client)
