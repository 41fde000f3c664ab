"""What every step of a reload needs, as one Dagster resource."""

from __future__ import annotations

import warnings

from dagster import BetaWarning, ConfigurableResource
from dagster_aws.secretsmanager import SecretsManagerResource
from pydantic import Field, PrivateAttr

from reload_assets import access
from reload_assets.config import ReloadConfig, load_config
from reload_assets.database import Target
from reload_assets.dms.tasks import LoadTasks
from reload_assets.ledger import Ledger
from reload_assets.resources.dms import DmsResource
from reload_assets.source.reader import SourceReader

# Known and wanted: Dagster warns at each copy it makes of this resource, which is several times a run.
warnings.filterwarnings("ignore", "Class `SecretsManagerResource`", BetaWarning)


class ReloadResource(ConfigurableResource):
    """The configuration, and through it the target, the source, the ledger and DMS."""

    config_file: str = Field(description="The path of reload.yaml.")
    dms: DmsResource = Field(description="The DMS client.")
    secrets: SecretsManagerResource = Field(description="Where passwords named by {secret: ...} are looked up.")
    _config: ReloadConfig | None = PrivateAttr(None)

    @property
    def config(self) -> ReloadConfig:
        """``reload.yaml``, read once a process."""
        if self._config is None:
            self._config = load_config(self.config_file)
        return self._config

    def target(self) -> Target:
        """The login to the target database."""
        return access.target(self.config, self._lookup)

    def ledger(self) -> Ledger:
        """The ledger in the target database."""
        return Ledger(self.target())

    def source_reader(self) -> SourceReader | None:
        """A reader of the source, to be closed by the caller; None where none is configured."""
        return access.source_reader(self.config, self._lookup)

    def tasks(self) -> LoadTasks:
        """The DMS load tasks."""
        return self.dms.tasks(self.config.dms)

    def _lookup(self, name: str) -> str:
        return str(self.secrets.get_client().get_secret_value(SecretId=name)["SecretString"])
