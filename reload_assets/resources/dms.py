"""The DMS client as a Dagster resource."""

from __future__ import annotations

from typing import Any

from dagster import ConfigurableResource
from pydantic import Field, PrivateAttr

from reload_assets.config.model import DmsConfig
from reload_assets.dms.cdc import CdcTask
from reload_assets.dms.client import dms_client
from reload_assets.dms.tasks import LoadTasks, PollLimits


class DmsResource(ConfigurableResource):
    """How boto3 reaches AWS DMS. Credentials come from the usual AWS chain unless a profile is named."""

    region: str = Field(description="AWS region.")
    endpoint_url: str | None = Field(default=None, description="Another address of the DMS API, such as a stand-in.")
    profile: str | None = Field(default=None, description="Profile of the AWS configuration files.")
    connect_timeout: float = Field(default=10, description="Seconds to wait for a connection.")
    read_timeout: float = Field(default=60, description="Seconds to wait for an answer.")
    _made: Any = PrivateAttr(None)

    def tasks(self, settings: DmsConfig, patience: float | None = None) -> LoadTasks:
        """The life cycle of load tasks over this client. ``patience``: the most seconds to wait for a task to change
        its state, instead of what is configured."""
        return LoadTasks(self._client(), _limits(settings, patience))

    def cdc_task(self, settings: DmsConfig, arn: str, patience: float | None = None) -> CdcTask:
        """A CDC task over this client. ``patience`` as for load tasks."""
        return CdcTask(self._client(), _limits(settings, patience), arn)

    def _client(self) -> Any:
        """One client for all steps of a run: to make one takes longer than most calls. It may be shared by threads, and
        renews credentials that expire by itself. The next run makes its own, and so finds keys that were changed."""
        if self._made is None:
            self._made = dms_client(
                region=self.region,
                endpoint_url=self.endpoint_url,
                profile=self.profile,
                connect_timeout=self.connect_timeout,
                read_timeout=self.read_timeout,
            )
        return self._made


def _limits(settings: DmsConfig, patience: float | None) -> PollLimits:
    polling = settings.polling
    return PollLimits(
        interval=polling.interval_seconds,
        max_interval=polling.max_interval_seconds,
        ready_timeout=patience or polling.ready_timeout_seconds,
        load_timeout=polling.load_timeout_seconds,
        remove_timeout=patience or polling.remove_timeout_seconds,
        # Whoever is in a hurry comes again.
        call_attempts=2 if patience else polling.call_attempts,
    )
