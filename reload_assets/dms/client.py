"""Where the boto3 client is made: the only place that knows credentials, and the only one that sets its retries."""

from __future__ import annotations

from functools import cache
from typing import Any

from reload_assets.dms.calls import clean
from reload_assets.errors.dms import DmsClientInvalid

CONNECT_TIMEOUT_SECONDS = 10
READ_TIMEOUT_SECONDS = 60


def dms_client(
    *,
    region: str,
    endpoint_url: str | None = None,
    access_key_id: str | None = None,
    secret_access_key: str | None = None,
) -> Any:
    """Return a boto3 client for DMS in a region, or for the endpoint URL of a stand-in.

    Without keys boto3 looks for credentials where it always does. Raises DmsError for half a pair of keys,
    a profile of the environment that there is not, or an endpoint URL that is none; nothing is sent yet.
    """
    if (access_key_id is None) != (secret_access_key is None):
        # boto3 takes half a pair, and fails over it in the middle of the first call.
        raise DmsClientInvalid("access_key_id and secret_access_key go together", "give both or neither")
    # Imported by who calls DMS, and not by everything that imports the definitions.
    import boto3
    import botocore.session
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError

    try:
        core = botocore.session.get_session()
        core.register_component("data_loader", _loader())
        session = boto3.Session(
            botocore_session=core,
            region_name=region,
            aws_access_key_id=access_key_id,
            aws_secret_access_key=secret_access_key,
        )
        return session.client(
            "dms",
            endpoint_url=endpoint_url,
            config=Config(
                # Short: the calls module retries on top, with the limits of the configuration.
                retries={"mode": "standard", "total_max_attempts": 2},
                connect_timeout=CONNECT_TIMEOUT_SECONDS,
                read_timeout=READ_TIMEOUT_SECONDS,
            ),
        )
    except (BotoCoreError, ValueError) as error:
        raise DmsClientInvalid(clean(str(error)), "check region, endpoint_url, profile and keys") from None


@cache
def _loader() -> Any:
    """Reading the model of DMS's API takes a fifth of a second: once a process is enough. It holds no credentials."""
    from botocore.loaders import create_loader

    return create_loader()
