"""The wording of notifications, and channels that cannot be made."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from reload_assets.errors.config import ConfigValue
from reload_assets.notify.cdc_watch import news
from reload_assets.notify.channels import reason, to_sns
from reload_assets.notify.message import Event


def event(kind: str = "reload_failed", group: str = "sales", code: str | None = None) -> Event:
    return Event(1, kind, "reload 7", [group], "2025-01-03", ["orders"], 7, "run", code, "")


@pytest.mark.parametrize("group", ["sales", "s" * 200, "m\u00fcll\r\nSubject: x\x1b[0m"])
def test_a_subject_is_what_sns_takes(group: str) -> None:
    found = event(group=group).short_title
    assert len(found) < 100
    assert found.isascii()
    assert found.isprintable()


def test_a_code_brings_its_advice_and_an_unknown_one_does_not() -> None:
    known = event(code="staging-gone").text.splitlines()
    assert known[-2] == "code: staging-gone"
    assert " About staging-gone: " in known[-1]
    assert "About" not in event(code="of-another-version").text


@pytest.mark.parametrize("arn", ["reloads", "arn:aws:sqs:eu-central-1:123456789012:reloads", "arn:aws:sns::1:reloads"])
def test_a_text_that_is_not_the_arn_of_a_topic_is_named(arn: str) -> None:
    with pytest.raises(ConfigValue, match=r"notify.sns.topic_arn: '.*' is not the ARN of an SNS topic; write arn:aws:"):
        to_sns(arn, "reload.yaml: notify.sns.topic_arn")


def test_the_reason_of_a_refusal_is_its_code() -> None:
    said = {"Error": {"Code": "NotFound", "Message": "token xoxb-secret"}}
    assert reason(ClientError(said, "Publish")) == "NotFound"  # type: ignore[arg-type]
    assert reason(TimeoutError("https://secret@example")) == "TimeoutError"


@pytest.mark.parametrize(
    ("before", "status", "lag", "after"),
    [
        ("cdc_runs", "running", 299, None),
        ("cdc_runs", "running", 301, "cdc_behind"),
        ("cdc_behind", "running", 301, None),
        # Around the limit, a task is not reported each time.
        ("cdc_behind", "running", 151, None),
        ("cdc_behind", "running", 149, "cdc_runs"),
        ("cdc_stopped", "running", 299, "cdc_runs"),
        ("cdc_stopped", "running", 301, "cdc_behind"),
        ("cdc_stopped", "running", None, None),
        ("cdc_runs", "failed", None, "cdc_stopped"),
        ("cdc_stopped", "failed", None, None),
        ("cdc_runs", "stopping", None, None),
        ("cdc_stopped", "starting", None, None),
    ],
)
def test_what_is_new_about_a_cdc_task(before: str, status: str, lag: float | None, after: str | None) -> None:
    found = news(before, status, lag, 300)
    assert (found.event if found else None) == after
