"""Where notifications go: the log, an SNS topic, a Slack channel. What a channel raises is tried again later."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cached_property
from typing import Any, Protocol

from reload_assets.errors import ReloadError
from reload_assets.notify.message import Event

_LOG = logging.getLogger("reload_assets.notify")
_CONNECT_SECONDS = 5
_READ_SECONDS = 10
# SNS of this kind delivers a message once, in the order of its group.
_FIFO = ".fifo"


class Channel(Protocol):
    """Takes a message or raises. ``name`` is what the ledger calls it."""

    @property
    def name(self) -> str:
        """The name in ``admin.notifications``."""

    def connect(self) -> None:
        """Make the client, if there is one; nothing is sent. Raises ConfigError."""

    def send(self, event: Event) -> None:
        """Send an event. Raises whatever kept the channel from taking it."""


class LogChannel:
    """Writes into the log of the process that evaluates the sensor."""

    name = "log"

    def connect(self) -> None:
        """Do nothing: the log is always there."""

    def send(self, event: Event) -> None:
        """Write one line per event."""
        facts = "; ".join(f"{name} {value}" for name, value in event.facts.items())
        _LOG.warning("%s. %s. What to do: %s", event.title, facts, event.what_to_do)


class SnsChannel:
    """Publishes to a topic of Amazon SNS."""

    name = "sns"

    def __init__(self, topic_arn: Callable[[], str]) -> None:
        self._find_topic = topic_arn

    @cached_property
    def _topic_arn(self) -> str:
        return self._find_topic()

    @cached_property
    def _client(self) -> Any:
        return _sns_client(self._topic_arn)

    def connect(self) -> None:
        """Make the client. Raises ConfigError."""
        assert self._client is not None

    def send(self, event: Event) -> None:
        """Publish an event. Its kind and its groups are attributes, by which a subscription can filter."""
        once = {"MessageGroupId": "reload_assets", "MessageDeduplicationId": event.key}
        attributes = {"event": event.event, "group": ",".join(event.groups), "code": event.error_code}
        self._client.publish(
            TopicArn=self._topic_arn,
            Subject=event.short_title,
            Message=event.text,
            MessageAttributes={
                name: {"DataType": "String", "StringValue": value} for name, value in attributes.items() if value
            },
            **(once if self._topic_arn.endswith(_FIFO) else {}),
        )


class SlackChannel:
    """Posts to a channel of Slack, by slack_sdk's client."""

    name = "slack"

    def __init__(self, connected: Callable[[], tuple[Any, str]]) -> None:
        """``connected`` returns the client and the channel."""
        self._connected = connected

    @cached_property
    def _place(self) -> tuple[Any, str]:
        return self._connected()

    def connect(self) -> None:
        """Make the client. Raises ConfigError."""
        assert self._place

    def send(self, event: Event) -> None:
        """Post an event as plain text: names in it are not links or mentions."""
        client, channel = self._place
        client.chat_postMessage(channel=channel, text=_escaped(event.text), mrkdwn=False, unfurl_links=False)


def _sns_client(topic_arn: str) -> Any:
    """Return a boto3 client for the region of a topic. Credentials come from the usual AWS chain."""
    # Imported late, as for DMS.
    import boto3
    from botocore.config import Config

    parts = topic_arn.split(":")
    return boto3.client(
        "sns",
        region_name=parts[3] if len(parts) > 3 else None,
        # Few and short: the next tick of the sensor tries again.
        config=Config(
            retries={"mode": "standard", "total_max_attempts": 2},
            connect_timeout=_CONNECT_SECONDS,
            read_timeout=_READ_SECONDS,
        ),
    )


def reason(error: Exception) -> str:
    """Return why a channel did not take a message: our own sentence, the service's code, or the kind of the error.

    No more, because a text of the service could hold a token or an address.
    """
    if isinstance(error, ReloadError):
        return str(error)
    answer: Any = getattr(error, "response", None)
    for path in (("Error", "Code"), ("error",)):
        found = answer
        try:
            for name in path:
                found = found[name]
        except (KeyError, TypeError):
            continue
        return str(found)
    return type(error).__name__


def _escaped(text: str) -> str:
    """Escape the characters that Slack reads as a mention or a link."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
