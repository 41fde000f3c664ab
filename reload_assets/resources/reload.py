"""Everything that a step of a reload needs, as one Dagster resource."""

from __future__ import annotations

from functools import cached_property

from dagster import ConfigurableResource, InitResourceContext
from pydantic import Field

from reload_assets.config.model import load_config
from reload_assets.errors import ReloadError
from reload_assets.reload.services import Services
from reload_assets.resources.dms import DmsResource
from reload_assets.resources.secrets import SecretsResource
from reload_assets.resources.slack import slack_client


class ReloadResource(ConfigurableResource):
    """Gives access to the configuration, and through it to the target, the source, the ledger and DMS."""

    config_file: str = Field(description="The path of reload.yaml.")
    dms: DmsResource = Field(description="The DMS client.")
    secrets: SecretsResource = Field(description="Where passwords named by {secret: ...} are looked up.")

    @cached_property
    def services(self) -> Services:
        """Everything that the configuration names. Made once per run, so the next run sees changed keys and secrets."""
        return Services(load_config(self.config_file), self.secrets.text, slack_client, self.dms.client)

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
