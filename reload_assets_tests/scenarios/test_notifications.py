"""What happens to reloads, requests and CDC is said once to each channel: to the log, and to SNS over real HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest
from dagster import DagsterInstance, SkipReason, build_sensor_context

from reload_assets.errors.cdc import CdcTaskNeverStarted
from reload_assets.errors.reloads import NotifyIncomplete
from reload_assets.ledger.ledger import Ledger
from reload_assets.ledger.requests import note_ended
from reload_assets.local.dms.faults import EmptyTable, TableError
from reload_assets.local.stack import Stack, checkout_file
from reload_assets.postgres.connection import TargetDatabase
from reload_assets_tests.receivers import Receiver, receiving
from reload_assets_tests.scenarios.runs import Runner, failures, take_day

DOCUMENTS = ["staging/documents", "production/documents"]
TOPIC = "arn:aws:sns:eu-central-2:000000000000:reloads"
WRITTEN = checkout_file("reload.yaml").read_text(encoding="utf-8")
NOTIFY = f"notify: {{sns: {{topic_arn: '{TOPIC}'}}}}\n"


@pytest.fixture(scope="module")
def sns() -> Iterator[Receiver]:
    """SNS; boto3 finds it by the variable that AWS documents for this."""
    with receiving() as receiver, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL_SNS", receiver.url)
        yield receiver


def runner_of(stack: Stack, instance: DagsterInstance, folder: Path, written: str = WRITTEN) -> Runner:
    """The jobs and sensors of a configuration that notifies SNS, as a daemon that has just started has them."""
    file = folder / "reload.yaml"
    file.write_text(written + NOTIFY, encoding="utf-8")
    return Runner(stack, instance, file)


def tick(runner: Runner) -> str:
    """Return what the sensor says after one tick."""
    resources = {"reload": (runner.definitions.resources or {})["reload"]}
    with build_sensor_context(
        runner.instance, repository_def=runner.definitions.get_repository_def(), resources=resources
    ) as context:
        result = runner.definitions.resolve_sensor_def("notifier")(context)
    assert isinstance(result, SkipReason)
    return result.skip_message or ""


def job(stack: Stack) -> TargetDatabase:
    found = {name.removeprefix("RELOAD_TARGET_"): value for name, value in stack.environment.items()}
    return TargetDatabase(found["HOST"], int(found["PORT"]), found["DATABASE"], found["USER"], found["PASSWORD"])


@dataclass(frozen=True)
class Ended:
    """The reloads of the module by how they ended, each with its day."""

    runner: Runner
    numbers: dict[str, int]
    days: dict[str, date]


@pytest.fixture(scope="module")
def ended(
    stack: Stack, instance: DagsterInstance, sns: Receiver, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Ended]:
    """A reload that failed, one that was refused, and one that is unconfirmed."""
    runner = runner_of(stack, instance, tmp_path_factory.mktemp("notify"))
    # What other modules left is not ours.
    while tick(runner) != "0 messages were sent.":
        pass
    sns.taken.clear()
    days = {name: take_day() for name in ("failed", "rejected", "unconfirmed")}
    runs = {}
    stack.dms.faults.set(TableError(table="DOCUMENTS", after_rows=3, message="disk on fire", times=1))
    runs["failed"] = runner.run(days["failed"].isoformat(), assets=DOCUMENTS)
    stack.dms.faults.set(EmptyTable(table="DOCUMENTS", times=1))
    runs["rejected"] = runner.run(days["rejected"].isoformat(), assets=DOCUMENTS)
    stack.dms.faults.clear()
    runs["unconfirmed"] = runner.run(days["unconfirmed"].isoformat(), assets=DOCUMENTS)
    assert [run.success for run in runs.values()] == [False, False, True]
    numbers = {name: int(runner.ledger(run.run_id)["reload_id"]) for name, run in runs.items()}
    with stack.connect_target() as target:
        target.execute(
            "UPDATE admin.reloads SET confirm_status = 'pending' WHERE reload_id = %s", (numbers["unconfirmed"],)
        )
    said = "The row (document_id)=(4711) could not be read. [source-unreadable]"
    Ledger(job(stack)).give_up_confirm(numbers["unconfirmed"], said)
    yield Ended(runner, numbers, days)
    with stack.connect_target() as target:
        # No later module takes it up.
        target.execute("UPDATE admin.reloads SET confirm_status = 'confirmed' WHERE confirm_status = 'unconfirmed'")


def closed(stack: Stack, status: str, ago: str = "0 days") -> int:
    """A reload that ended like this without a run that Dagster knows."""
    with stack.connect_target() as target:
        ((number,),) = target.execute(
            "INSERT INTO admin.reloads (group_name, window_start, window_end, load_start, partition_key, tables, "
            "status, started_by, run_id, closed_at) VALUES ('sales', '2024-02-01Z', '2024-02-02Z', '2024-02-01Z', "
            "'2024-02-01', '{documents}', %s, 'me', 'gone', clock_timestamp() - %s::interval) RETURNING reload_id",
            (status, ago),
        ).fetchall()
    return int(number)


def subjects(sns: Receiver) -> list[str]:
    return [message["Subject"] for message in sns.taken]


def test_each_end_is_said_once_and_again_only_to_a_channel_that_failed(
    stack: Stack,
    instance: DagsterInstance,
    ended: Ended,
    sns: Receiver,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    numbers, runner = ended.numbers, ended.runner
    sns.refuse = 1
    with pytest.raises(NotifyIncomplete, match=r"sns: AuthorizationError \(reload \d+ ") as refused:
        tick(runner)
    assert str(refused.value).startswith("Not everything could be sent, and it will be tried again: sns: ")
    # The log has all of it already, and does not wait for SNS.
    logged = [record.getMessage() for record in caplog.records if record.name == "reload_assets.notify"]
    assert sorted(line.split(". ")[0] for line in logged) == sorted(
        [
            f"reload {numbers['failed']} failed",
            f"reload {numbers['rejected']} was refused: its staged rows did not pass the checks documents.row_count",
            f"reload {numbers['unconfirmed']} is merged and unconfirmed, although its run may have succeeded",
        ]
    )
    assert sns.taken == []
    assert runner.query("SELECT count(*) FROM admin.notifications WHERE failure = 'sns: AuthorizationError'") == [(1,)]

    # A daemon that was restarted sends the rest, and a third one nothing.
    assert tick(runner_of(stack, instance, tmp_path)) == "3 messages were sent."
    assert tick(runner_of(stack, instance, tmp_path)) == "0 messages were sent."
    assert runner.query("SELECT count(*) FROM admin.notifications WHERE pending <> '{}' OR sent_at IS NULL") == [(0,)]
    assert len([record for record in caplog.records if record.name == "reload_assets.notify"]) == 3

    messages = {message["MessageAttributes.entry.1.Value.StringValue"]: message for message in sns.taken}
    assert len(sns.taken) == len(messages) == 3
    for name, number in numbers.items():
        message = messages[f"reload_{name}"]
        ((run_id,),) = runner.query("SELECT run_id FROM admin.reloads WHERE reload_id = %s", number)
        lines = message["Message"].splitlines()
        assert lines[1:6] == [
            "group: sales",
            f"window: {ended.days[name].isoformat()}",
            "tables: documents",
            f"reload: {number}",
            f"run: {run_id}",
        ]
        assert lines[-1].startswith("what to do: ")
        assert (message["TopicArn"], message["region"]) == (TOPIC, "eu-central-2")
        assert message["Subject"].startswith(f"reload_assets (sales): reload {number} ")
        for secret in ("4711", "disk on fire", *(v for n, v in stack.environment.items() if n.endswith("PASSWORD"))):
            assert secret not in str(message)
    assert "code: load-incomplete" in messages["reload_failed"]["Message"]
    assert "code: source-unreadable" in messages["reload_unconfirmed"]["Message"]
    assert "About source-unreadable: " in messages["reload_unconfirmed"]["Message"]


def test_a_refused_merge_and_a_stopped_task_are_said_once_and_so_is_the_end_of_it(
    stack: Stack, instance: DagsterInstance, ended: Ended, sns: Receiver, tmp_path: Path
) -> None:
    runner, day = ended.runner, take_day()
    staged = runner.run(day.isoformat(), assets=DOCUMENTS[:1])
    number = runner.ledger(staged.run_id)["reload_id"]
    tick(runner)
    sns.taken.clear()
    task = stack.cdc.task
    # While a reload keeps it stopped, that is as it should be.
    with stack.connect_target() as fence, fence.transaction():
        fence.execute("SELECT pg_advisory_xact_lock(hashtextextended('reload_assets:fence:' || %s, 0))", (task.arn,))
        task.stop()
        assert tick(runner) == "0 messages were sent."
    try:
        with stack.connect_target() as target:
            target.execute("ALTER TABLE production.documents ALTER COLUMN title TYPE varchar(150)")
            refused = runner.run(day.isoformat(), assets=DOCUMENTS[1:])
            target.execute("ALTER TABLE production.documents ALTER COLUMN title TYPE varchar(200)")
        assert "[production-changed]" in failures(refused)[0]
        assert runner.ledger(refused.run_id)["status"] == "verified"
        assert [tick(runner), tick(runner)] == ["4 messages were sent.", "0 messages were sent."]
    finally:
        task.resume()
        stack.drain()
    assert subjects(sns) == [
        f"reload_assets (sales): reload {number} was refused before its merge was complete",
        "reload_assets (sales): CDC is stopped: the task cdc is stopped",
    ]
    assert "code: production-changed" in sns.taken[0]["Message"]
    assert f"CDC task: {task.arn}" in sns.taken[1]["Message"]
    assert [tick(runner), tick(runner)] == ["2 messages were sent.", "0 messages were sent."]
    assert subjects(sns)[2].startswith("reload_assets (sales): CDC runs again: the task cdc lags ")

    # Any lag is too much, and then none is.
    narrow = runner_of(stack, instance, tmp_path, WRITTEN.replace("cdc:\n", "cdc:\n  max_lag_seconds: 0.000001\n", 1))
    assert [tick(narrow), tick(narrow)] == ["2 messages were sent.", "0 messages were sent."]
    assert [tick(runner), tick(runner)] == ["2 messages were sent.", "0 messages were sent."]
    assert [title.split(": ")[1] for title in subjects(sns)[3:]] == ["CDC is behind", "CDC runs again"]


def test_a_refused_request_is_said_once(stack: Stack, ended: Ended, sns: Receiver) -> None:
    tick(ended.runner)
    sns.taken.clear()
    with stack.connect_target() as target:
        ((number, reloaded),) = target.execute(
            "WITH one AS (INSERT INTO admin.reload_requests (group_name, window_start, window_end, reason) VALUES "
            "(E'sa\\nles', '2025-01-01Z', 'infinity', 'me') RETURNING request_id), "
            "two AS (INSERT INTO admin.reload_requests (group_name, window_start, window_end, reason, reload_id) "
            "VALUES ('sales', '2025-01-01Z', '2025-01-02Z', 'me', 1) RETURNING request_id) "
            "SELECT one.request_id, two.request_id FROM one, two"
        ).fetchall()
    note_ended(job(stack), number, "refused", str(CdcTaskNeverStarted("cdc")))
    # Its reload says what became of it.
    note_ended(job(stack), reloaded, "failed", "see it")
    assert [tick(ended.runner), tick(ended.runner)] == ["2 messages were sent.", "0 messages were sent."]
    assert subjects(sns) == [f"reload_assets (sa les): request {number} was refused"]
    assert "window: 2025-01-01 00:00:00+00 -- infinity" in sns.taken[0]["Message"]
    assert f"code: {CdcTaskNeverStarted.code}" in sns.taken[0]["Message"]


def test_dms_that_does_not_answer_and_a_channel_that_cannot_be_made_are_named_and_keep_nothing_else(
    stack: Stack,
    instance: DagsterInstance,
    ended: Ended,
    sns: Receiver,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tick(ended.runner)
    sns.taken.clear()
    slack = WRITTEN + "notify: {slack: {token: {env: NO_TOKEN}, channel: '#data'}, sns: {topic_arn: '" + TOPIC + "'}}\n"
    file = tmp_path / "slack.yaml"
    file.write_text(slack, encoding="utf-8")
    other = Runner(stack, instance, file)
    monkeypatch.setenv("RELOAD_CDC_TASK_ARN", "arn:aws:dms:us-east-1:0:task:NONE")
    number = closed(stack, "cancelled")
    with pytest.raises(NotifyIncomplete) as raised:
        tick(other)
    assert "slack: " in str(raised.value)
    assert "notify.slack.token: the environment variable NO_TOKEN is not set" in str(raised.value)
    assert "DMS knows no CDC task arn:aws:dms:us-east-1:0:task:NONE" in str(raised.value)
    assert subjects(sns) == [f"reload_assets (sales): reload {number} was cancelled, or its run died"]
    monkeypatch.undo()
    # Slack is no longer configured, so nothing waits for it.
    monkeypatch.setenv("AWS_ENDPOINT_URL_SNS", sns.url)
    assert tick(ended.runner) == "0 messages were sent."
    assert ended.runner.query("SELECT count(*) FROM admin.notifications WHERE pending <> '{}'") == [(0,)]


def test_what_happened_before_the_installation_is_old(stack: Stack, ended: Ended, sns: Receiver) -> None:
    tick(ended.runner)
    sns.taken.clear()
    closed(stack, "failed", "1 day")
    assert tick(ended.runner) == "0 messages were sent."
