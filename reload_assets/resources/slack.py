"""Slack's client, which costs nothing until it is configured."""

from __future__ import annotations

from typing import Any

from reload_assets.errors.config import SlackMissing

_TIMEOUT_SECONDS = 10


def slack_client(token: str) -> Any:
    """Return a client for a token. Raises SlackMissing without the extra ``slack``."""
    try:
        from dagster_slack import SlackResource
    except ImportError:
        raise SlackMissing() from None
    client = SlackResource(token=token).get_client()
    client.timeout = _TIMEOUT_SECONDS
    return client
