"""The DMS client as a Dagster resource."""

from __future__ import annotations

from typing import Any

from dagster import ConfigurableResource
from pydantic import Field

from reload_assets.dms.client import dms_client


class DmsResource(ConfigurableResource):
    """Configures how boto3 reaches AWS DMS. Credentials come from the usual AWS chain."""

    region: str = Field(description="AWS region.")
    endpoint_url: str | None = Field(default=None, description="Another address of the DMS API, such as a stand-in.")

    def client(self) -> Any:
        """Return a new boto3 client. It renews expiring credentials by itself."""
        return dms_client(region=self.region, endpoint_url=self.endpoint_url)
