"""The section ``notify`` of ``reload.yaml``: where it is said what happened to reloads, requests and CDC tasks."""

from __future__ import annotations

from pydantic import Field

from reload_assets.config.values import Secret, Section, Text


class SnsConfig(Section):
    """A topic of Amazon SNS. Credentials come from the usual AWS chain, the region from the ARN."""

    topic_arn: Text = Field(description="ARN of a standard topic, on which Dagster's AWS role needs sns:Publish.")


class SlackConfig(Section):
    """A channel of Slack."""

    token: Secret = Field(description="Where the token of the bot is: {env: NAME} or {secret: NAME, key: KEY}.")
    channel: Text = Field(description="Name or id of the channel, of which the bot is a member.")


class NotifyConfig(Section):
    """Where to say that a reload failed, was refused or is unconfirmed, or that CDC is stopped or behind."""

    log: bool = Field(True, description="Write each event into the log of the sensor `notifier`, a line each.")
    sns: SnsConfig | None = Field(None, description="A topic of Amazon SNS.")
    slack: SlackConfig | None = Field(
        None, description="A channel of Slack; needs the extra: pip install 'reload_assets[slack]'."
    )
