"""AWS Secrets Manager as a Dagster resource that costs nothing until a secret is read."""

from __future__ import annotations

import warnings

from dagster import BetaWarning, ConfigurableResource
from pydantic import Field


class SecretsResource(ConfigurableResource):
    """Reads secrets through ``dagster_aws``. Credentials come from the usual AWS chain."""

    region_name: str = Field(description="AWS region of the secrets.")

    def text(self, name: str) -> str:
        """Return the text of a secret, by its name or ARN. Raises botocore's errors."""
        # The package brings all its resources and half of Dagster with it, which is as long as all other imports of the
        # definitions take. Where passwords are in variables nobody needs it.
        from dagster_aws.secretsmanager import SecretsManagerResource

        with warnings.catch_warnings():
            # Known and wanted.
            warnings.filterwarnings("ignore", "Class `SecretsManagerResource`", BetaWarning)
            client = SecretsManagerResource(region_name=self.region_name).get_client()
        return str(client.get_secret_value(SecretId=name)["SecretString"])
