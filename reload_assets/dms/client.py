"""Makes the boto3 client. Only this module knows credentials, and only this module sets boto3's retries."""

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

    Without keys, boto3 looks for credentials in the usual places. Raises DmsError for half a pair of keys, for a
    profile in the environment that does not exist, or for an invalid endpoint URL. Nothing is sent yet.
    """
    if (access_key_id is None) != (secret_access_key is None):
        # boto3 accepts half a pair, and fails only in the middle of the first call.
        raise DmsClientInvalid("access_key_id and secret_access_key go together", "give both or neither")
    # Imported late: only code that calls DMS needs boto3, and its import would slow down that of the definitions.
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
                # Few, because the module ``calls`` retries as well, within the limits of the configuration.
                retries={"mode": "standard", "total_max_attempts": 2},
                connect_timeout=CONNECT_TIMEOUT_SECONDS,
                read_timeout=READ_TIMEOUT_SECONDS,
            ),
        )
    except (BotoCoreError, ValueError) as error:
        raise DmsClientInvalid(clean(str(error)), "check region, endpoint_url, profile and keys") from None


@cache
def _loader() -> Any:
    """Return botocore's loader, shared by all clients of the process, because it reads DMS's API model for 0.2 s.

    It holds no credentials.
    """
    from botocore.loaders import create_loader

    return create_loader()
