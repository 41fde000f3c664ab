"""Everything that a step of a reload needs, as one Dagster resource."""

from __future__ import annotations

from functools import cached_property

from dagster import ConfigurableResource, InitResourceContext
from pydantic import Field

from reload_assets.config.model import load_config
from reload_assets.config.values import text
from reload_assets.errors import ReloadError
from reload_assets.reload.services import Services
from reload_assets.resources.secrets import read_secret
from reload_assets.resources.slack import slack_client


class ReloadResource(ConfigurableResource):
    """Gives access to the configuration, and through it to the target, the source, the ledger and DMS."""

    config_file: str = Field(description="The path of reload.yaml.")

    @cached_property
    def services(self) -> Services:
        """Everything that the configuration names. Made once per run, so the next run sees changed keys and secrets.

        Variables of the environment are read where they are used, so that one that is not set is named by its place.
        """
        config = load_config(self.config_file)

        def look_up(name: str) -> str:
            return read_secret(text(config.dms.region, f"{config.file}: dms.region"), name)

        return Services(config, look_up, slack_client)

    def teardown_after_execution(self, context: InitResourceContext) -> None:
        """Stop the loads of the ending run and resume the CDC task that it stopped.

        The steps do that themselves, but a run can be cancelled between two steps, or while a step cleans up. Dagster
        calls this at the end of the whole run, because the definitions use one process per run.
        """
        if context.run is None or context.log is None:
            return
        services = self.services
        try:
            left = services.sweeper(context.log.info).end_run(context.run.run_id).left
        except ReloadError as error:
            left = [str(error)]
        if left:
            context.log.warning(f"What the run left behind could not all be cleaned: {' '.join(left)}")
