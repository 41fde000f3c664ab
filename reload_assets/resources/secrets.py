"""AWS Secrets Manager as a Dagster resource that costs nothing until a secret is read."""

from __future__ import annotations

import warnings

from dagster import BetaWarning, ConfigurableResource
from pydantic import Field


class SecretsResource(ConfigurableResource):
    """Reads secrets with ``dagster_aws``. Credentials come from the usual AWS chain."""

    region_name: str = Field(description="AWS region of the secrets.")

    def text(self, name: str) -> str:
        """Return the text of a secret, by its name or ARN. Raises botocore's errors."""
        # Imported late: the import takes as long as all other imports of the definitions together, and nobody needs it
        # if the passwords are in environment variables.
        from dagster_aws.secretsmanager import SecretsManagerResource

        with warnings.catch_warnings():
            # Wanted: the resource is a beta feature of dagster_aws, and would warn each time.
            warnings.filterwarnings("ignore", "Class `SecretsManagerResource`", BetaWarning)
            client = SecretsManagerResource(region_name=self.region_name).get_client()
        return str(client.get_secret_value(SecretId=name)["SecretString"])
