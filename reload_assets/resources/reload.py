"""What every step of a reload needs, as one Dagster resource."""

from __future__ import annotations

from functools import cached_property

import psycopg
from dagster import ConfigurableResource, InitResourceContext
from pydantic import Field

from reload_assets.cdc.fence import resume_left_stopped
from reload_assets.config.model import load_config
from reload_assets.errors import ReloadError
from reload_assets.reload.load import describe
from reload_assets.reload.services import Services
from reload_assets.resources.dms import DmsResource
from reload_assets.resources.secrets import SecretsResource


class ReloadResource(ConfigurableResource):
    """The configuration, and through it the target, the source, the ledger and DMS."""

    config_file: str = Field(description="The path of reload.yaml.")
    dms: DmsResource = Field(description="The DMS client.")
    secrets: SecretsResource = Field(description="Where passwords named by {secret: ...} are looked up.")

    @cached_property
    def services(self) -> Services:
        """What the configuration names, made once a run: the next run finds keys and secrets that were changed."""
        return Services(load_config(self.config_file), self.secrets.text, self.dms.client)

    def teardown_after_execution(self, context: InitResourceContext) -> None:
        """When a run ends, however it ends, no load of it goes on and no CDC task stays stopped by it: a run can be
        cancelled between two steps, or in the middle of the clearing up of one.

        Runs at the end of the whole run, because the definitions use one process a run.
        """
        if context.run is None or context.log is None:
            return
        own, services = context.run.run_id, self.services
        try:
            for reload in services.ledger.find_loading(own):
                load = services.load(reload.group_name, context.log.info)
                load.give_up(reload.reload_id, "cancelled", f"Run {own} ended in the middle of the load.")
            for task in services.cdc_tasks():
                resume_left_stopped(
                    task, services.target, services.ledger, lambda run_id: run_id != own, context.log.info
                )
        except (ReloadError, psycopg.Error) as error:
            context.log.warning(f"Whether the run left a load behind could not be found out: {describe(error)}")
