"""What every step of a reload needs, as one Dagster resource."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import psycopg
from dagster import ConfigurableResource, InitResourceContext
from pydantic import Field, PrivateAttr

from reload_assets.canonical.oracle_types import Delivery
from reload_assets.cdc.fence import resume_left_stopped
from reload_assets.cdc.position import Cdc
from reload_assets.config.model import ReloadConfig, load_config
from reload_assets.dms.cdc import CdcTask
from reload_assets.errors import ReloadError
from reload_assets.ledger.ledger import Ledger
from reload_assets.postgres.connection import TargetDatabase
from reload_assets.reload import services
from reload_assets.reload.load import Load, describe
from reload_assets.reload.publish import Publication
from reload_assets.reload.remains import Remains
from reload_assets.reload.sweep import Swept, sweep
from reload_assets.resources.dms import DmsResource
from reload_assets.resources.secrets import SecretsResource

if TYPE_CHECKING:
    from reload_assets.source.reader import SourceReader

# Dagster waits 60 s for a sensor. DMS may take longer to stop or resume a task; the next tick looks again.
_PATIENCE_SECONDS = 15.0


class ReloadResource(ConfigurableResource):
    """The configuration, and through it the target, the source, the ledger and DMS."""

    config_file: str = Field(description="The path of reload.yaml.")
    dms: DmsResource = Field(description="The DMS client.")
    secrets: SecretsResource = Field(description="Where passwords named by {secret: ...} are looked up.")
    _config: ReloadConfig | None = PrivateAttr(None)
    _delivery: Delivery | None = PrivateAttr(None)

    @property
    def config(self) -> ReloadConfig:
        """``reload.yaml``, read once a process."""
        if self._config is None:
            self._config = load_config(self.config_file)
        return self._config

    def target(self) -> TargetDatabase:
        """The login to the target database."""
        return services.target(self.config, self.secrets.text)

    def ledger(self) -> Ledger:
        """The ledger in the target database."""
        return Ledger(self.target())

    def source_reader(self) -> SourceReader | None:
        """A reader of the source, to be closed by the caller; None where none is configured."""
        return services.source_reader(self.config, self.secrets.text, self._delivered)

    def _delivered(self) -> Delivery:
        """What DMS makes of the source's values; asked once a process."""
        if self._delivery is None:
            self._delivery = services.delivery(self.config, self.dms.tasks(self.config.dms))
        return self._delivery

    def cdc(self, group: str, say: Callable[[str], None]) -> Cdc | None:
        """The CDC task of a group; None where none is configured."""
        arn = services.cdc_task_arn(self.config, group)
        if arn is None or self.config.cdc is None:
            return None
        ledger = self.ledger()
        task = self.dms.cdc_task(self.config.dms, arn)
        return Cdc(self.config.cdc, task, self.target(), lambda: bool(ledger.find_fenced(arn)), say)

    def cdc_tasks(self, patience: float | None = None) -> list[CdcTask]:
        """The CDC tasks of all groups, each once; none where none is configured. ``patience``: see DmsResource."""
        if self.config.cdc is None:
            return []
        arns = dict.fromkeys(services.cdc_task_arn(self.config, group) for group in self.config.groups)
        return [self.dms.cdc_task(self.config.dms, arn, patience) for arn in arns if arn is not None]

    def sweep(self, run_is_live: Callable[[str], bool], say: Callable[[str], None]) -> Swept:
        """Clean what dead runs left behind, with no more patience for each DMS task than a sensor has."""
        target, ledger = self.target(), self.ledger()
        remains = Remains(target, ledger, self.dms.tasks(self.config.dms, _PATIENCE_SECONDS), say)
        return sweep(remains, self.cdc_tasks(_PATIENCE_SECONDS), run_is_live)

    def load(self, group: str, say: Callable[[str], None]) -> Load:
        """The steps of a load of a group, reporting to ``say``."""
        return Load(
            config=self.config,
            target=self.target(),
            ledger=self.ledger(),
            tasks=self.dms.tasks(self.config.dms),
            cdc=self.cdc(group, say),
            open_source=self.source_reader,
            say=say,
        )

    def production(self, group: str, say: Callable[[str], None]) -> Publication:
        """The steps from staging into production of a group, reporting to ``say``."""
        return Publication(
            config=self.config,
            target=self.target(),
            ledger=self.ledger(),
            tasks=self.dms.tasks(self.config.dms),
            cdc=self.cdc(group, say),
            open_source=self.source_reader,
            say=say,
        )

    def teardown_after_execution(self, context: InitResourceContext) -> None:
        """When a run ends, however it ends, no load of it goes on and no CDC task stays stopped by it: a run can be
        cancelled between two steps, or in the middle of the clearing up of one.

        Runs at the end of the whole run, because the definitions use one process a run.
        """
        if context.run is None or context.log is None:
            return
        own = context.run.run_id
        try:
            for reload in self.ledger().find_loading(own):
                load = self.load(reload.group_name, context.log.info)
                load.give_up(reload.reload_id, "cancelled", f"Run {own} ended in the middle of the load.")
            for task in self.cdc_tasks():
                resume_left_stopped(task, self.target(), self.ledger(), lambda run_id: run_id != own, context.log.info)
        except (ReloadError, psycopg.Error) as error:
            context.log.warning(f"Whether the run left a load behind could not be found out: {describe(error)}")
