"""AWS Secrets Manager, which costs nothing until a secret is read."""

from __future__ import annotations

import warnings

from dagster import BetaWarning


def read_secret(region: str, name: str) -> str:
    """Return the text of a secret, by its name or ARN, with ``dagster_aws``. Raises botocore's errors.

    Credentials come from the usual AWS chain.
    """
    # Imported late: the import takes as long as all other imports of the definitions together, and nobody needs it if
    # the passwords are in environment variables.
    from dagster_aws.secretsmanager import SecretsManagerResource

    with warnings.catch_warnings():
        # Wanted: the resource is a beta feature of dagster_aws, and would warn each time.
        warnings.filterwarnings("ignore", "Class `SecretsManagerResource`", BetaWarning)
        client = SecretsManagerResource(region_name=region).get_client()
    return str(client.get_secret_value(SecretId=name)["SecretString"])
