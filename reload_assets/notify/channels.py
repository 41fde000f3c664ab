"""Where notifications go: the log, an SNS topic, a Slack channel. What a channel raises is tried again later."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from reload_assets.errors import ReloadError
from reload_assets.errors.config import ConfigValue
from reload_assets.notify.message import Event

Send = Callable[[Event], None]
"""Sends an event, or raises whatever kept the channel from taking it."""

_CONNECT_SECONDS = 5
_READ_SECONDS = 10


def to_log(say: Callable[[str], None]) -> Send:
    """Return what gives each event to a log, as one line."""

    def send(event: Event) -> None:
        facts = "; ".join(f"{name} {value}" for name, value in event.facts.items())
        say(f"{event.title}. {facts}. What to do: {event.what_to_do}")

    return send


def to_sns(topic_arn: str, place: str) -> Send:
    """Return what publishes to a topic of Amazon SNS. Credentials come from the usual AWS chain.

    An event's kind, group and code are attributes, by which a subscription can filter. Raises ConfigError for a text,
    of the field ``place``, that is not the ARN of a topic.
    """
    # Imported late, as for DMS.
    import boto3
    from botocore.config import Config

    parts = topic_arn.split(":")
    if len(parts) != 6 or parts[0] != "arn" or parts[2] != "sns" or not all(parts):
        raise ConfigValue(place, f"{topic_arn!r} is not the ARN of an SNS topic; write arn:aws:sns:REGION:ACCOUNT:NAME")
    client: Any = boto3.client(
        "sns",
        region_name=parts[3],
        # Few and short: the next tick of the sensor tries again.
        config=Config(
            retries={"mode": "standard", "total_max_attempts": 2},
            connect_timeout=_CONNECT_SECONDS,
            read_timeout=_READ_SECONDS,
        ),
    )

    def send(event: Event) -> None:
        attributes = {"event": event.event, "group": ",".join(event.groups), "code": event.error_code}
        client.publish(
            TopicArn=topic_arn,
            Subject=event.short_title,
            Message=event.text,
            MessageAttributes={
                name: {"DataType": "String", "StringValue": value} for name, value in attributes.items() if value
            },
        )

    return send


def to_slack(client: Any, channel: str) -> Send:
    """Return what posts to a channel of Slack by slack_sdk's client, as plain text: names are not links or mentions."""

    def send(event: Event) -> None:
        text = event.text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        client.chat_postMessage(channel=channel, text=text, mrkdwn=False, unfurl_links=False)

    return send


def reason(error: Exception) -> str:
    """Return why a channel did not take a message: our own sentence, the service's code, or the kind of the error.

    No more, because a text of the service could hold a token or an address.
    """
    if isinstance(error, ReloadError):
        return str(error)
    # boto3's answers have {"Error": {"Code": ...}}, Slack's have {"error": ...}.
    answer: Any = getattr(error, "response", None) or {}
    code = (answer.get("Error") or {}).get("Code") or answer.get("error")
    return str(code or type(error).__name__)
