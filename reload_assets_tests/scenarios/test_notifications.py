"""What happens to reloads, requests and CDC is said once to each channel: the log, SNS and Slack, over real HTTP."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from pathlib import Path
from typing import Any, Literal

import pytest
from dagster import DagsterInstance, SkipReason, build_sensor_context
from dagster._core.errors import DagsterUserCodeProcessError

from reload_assets.config.model import parse_config
from reload_assets.engines.staging_tables import create_staging
from reload_assets.errors.cdc import CdcTaskNeverStarted
from reload_assets.errors.config import SlackMissing
from reload_assets.errors.dms import LoadIncomplete
from reload_assets.ledger.ledger import CheckStatus, Ledger
from reload_assets.ledger.records import CheckResult, Opening
from reload_assets.ledger.requests import note_ended
from reload_assets.local.stack import Stack, checkout_file
from reload_assets.notify.channels import Send
from reload_assets.notify.notifier import Notifier
from reload_assets.postgres.connection import TargetDatabase
from reload_assets.postgres.statements import run
from reload_assets.reload.parts import group_tables
from reload_assets.reload.services import Services
from reload_assets.resolved import definition
from reload_assets.resources.slack import slack_client
from reload_assets.tables import resolve_group
from reload_assets.windows import Window
from reload_assets_tests.receivers import Receiver, receiving
from reload_assets_tests.scenarios.runs import Runner, failures, take_day

TOPIC = "arn:aws:sns:eu-central-2:000000000000:reloads"
WRITTEN = checkout_file("reload.yaml").read_text(encoding="utf-8")
SNS = f"notify: {{sns: {{topic_arn: '{TOPIC}'}}}}\n"
SLACK = "notify: {log: false, slack: {token: {env: SLACK_TOKEN}, channel: C0DATA}}\n"
# Any lag is too much.
NARROW = WRITTEN.replace("cdc:\n", "cdc:\n  max_lag_seconds: 1.0e-6\n")
NOTHING = "Messages sent: 0."


@pytest.fixture(scope="module")
def sns() -> Iterator[Receiver]:
    """SNS; boto3 finds it by the variable that AWS documents for this."""
    with receiving() as receiver, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL_SNS", receiver.url)
        yield receiver


def runner_of(stack: Stack, instance: DagsterInstance, folder: Path, written: str = WRITTEN) -> Runner:
    """The jobs and sensors of a configuration that notifies SNS, as a daemon that has just started has them."""
    file = folder / "reload.yaml"
    file.write_text(written + SNS, encoding="utf-8")
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


@dataclass(frozen=True)
class Past:
    """Writes into the ledger, by its own interface, what runs would have done."""

    target: TargetDatabase

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.target)

    def opened(self, day: date) -> int:
        """A reload of one table, whose load is done; its run is gone."""
        start = datetime.combine(day, time(), timezone.utc)
        window = Window(start, start + timedelta(days=1))
        with self.target.connect() as connection:
            tables = resolve_group(group_tables(parse_config(WRITTEN), "sales"), connection, None, ["documents"])
            opening = Opening("sales", window, window, day.isoformat(), "me", "", "gone", None)
            reload = self.ledger.open(connection, opening, tables)
            create_staging(connection, "staging", reload, tables[0], None)
            number = reload.reload_id
            self.ledger.add_table(connection, number, tables[0], "staging", definition(tables[0]))
            self.ledger.expect_checks(connection, number, "documents", ["row_count", "keys"])
        self.ledger.set_task(number, "task", "arn")
        self.ledger.set_loaded(number, "FULL_LOAD_ONLY_FINISHED", {})
        return number

    def checked(self, number: int, check: str, status: CheckStatus) -> str | None:
        return self.ledger.record_checks(
            number, "documents", [CheckResult("documents", check, status, True, "id 4711")]
        )

    def merged(self, number: int) -> None:
        with self.target.connect(autocommit=True) as connection:
            run(connection, "ledger/merge:set_merged", reload_id=number)


@pytest.fixture(scope="module")
def past(stack: Stack) -> Iterator[Past]:
    """The ledger; afterwards no other module takes up what these tests leave in it."""
    found = {name.removeprefix("RELOAD_TARGET_"): value for name, value in stack.environment.items()}
    yield Past(TargetDatabase(found["HOST"], int(found["PORT"]), found["DATABASE"], found["USER"], found["PASSWORD"]))
    with stack.connect_target() as target:
        target.execute("UPDATE admin.reloads SET confirm_status = 'confirmed' WHERE run_id = 'gone'")


@pytest.fixture
def runner(stack: Stack, instance: DagsterInstance, sns: Receiver, tmp_path: Path) -> Runner:
    """The sensor, after it has sent what other tests left."""
    made = runner_of(stack, instance, tmp_path)
    while tick(made) != NOTHING:
        pass
    sns.taken.clear()
    return made


def subjects(sns: Receiver) -> list[str]:
    return [message["Subject"] for message in sns.taken]


@contextmanager
def changed_table(stack: Stack) -> Iterator[None]:
    """A change of production between load and merge, which is refused."""
    change = "ALTER TABLE production.documents ALTER COLUMN title TYPE varchar({})"
    with stack.connect_target() as target:
        target.execute(change.format(150).encode())
        yield
        target.execute(change.format(200).encode())


def test_each_end_is_said_once_and_again_only_to_a_channel_that_was_down(
    stack: Stack, runner: Runner, sns: Receiver, past: Past, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    days = {name: take_day() for name in ("failed", "cancelled", "rejected", "unmerged", "unconfirmed")}
    numbers = {name: past.opened(day) for name, day in days.items()}
    past.ledger.close(numbers["failed"], "failed", str(LoadIncomplete("task", "DOCUMENTS has 3 rows", "(4711)")))
    past.ledger.close(numbers["cancelled"], "cancelled", "Run gone ended and left it loading.")
    past.checked(numbers["rejected"], "row_count", "failed")
    for name in ("unmerged", "unconfirmed"):
        past.checked(numbers[name], "row_count", "passed")
        assert past.checked(numbers[name], "keys", "passed") == "verified"
    past.merged(numbers["unconfirmed"])
    past.ledger.give_up_confirm(numbers["unconfirmed"], "The row (id)=(4711) could not be read. [source-unreadable]")
    with changed_table(stack):
        refused = runner.run(days["unmerged"].isoformat(), assets=["production/documents"])
    assert "[production-changed]" in failures(refused)[0]
    sns.refuse = 1
    capsys.readouterr()
    with pytest.raises(DagsterUserCodeProcessError, match=r"tried again: sns: AuthorizationError \(reload \d+ "):
        tick(runner)
    # The log has all of it already, and does not wait for SNS. Other checks of the rejected one still run.
    logged = [line for line in capsys.readouterr().err.splitlines() if "What to do: " in line]
    assert [line.split(". ")[0].split(" - ")[-1] for line in logged] == [
        f"reload {numbers['failed']} failed",
        f"reload {numbers['cancelled']} was cancelled, or its run died",
        f"reload {numbers['unconfirmed']} is merged and unconfirmed, although its run may have succeeded",
        f"reload {numbers['unmerged']} was refused before its merge was complete",
    ]
    assert sns.taken == []
    assert runner.query("SELECT count(*) FROM admin.notifications WHERE failure = 'sns: AuthorizationError'") == [(1,)]

    # A daemon that was restarted sends the rest, and a third one nothing.
    past.checked(numbers["rejected"], "keys", "failed")
    assert tick(runner_of(stack, runner.instance, tmp_path)) == "Messages sent: 6."
    past.checked(numbers["rejected"], "keys", "failed")
    assert tick(runner_of(stack, runner.instance, tmp_path)) == NOTHING
    assert runner.query("SELECT count(*) FROM admin.notifications WHERE pending <> '{}' OR sent_at IS NULL") == [(0,)]

    messages = {message["MessageAttributes.entry.1.Value.StringValue"]: message for message in sns.taken}
    assert len(sns.taken) == len(messages) == 5
    secrets = [value for name, value in stack.environment.items() if name.endswith("PASSWORD")]
    for name, number in numbers.items():
        message = messages[f"reload_{name}"]
        lines = message["Message"].splitlines()
        assert lines[1:6] == [
            "group: sales",
            f"window: {days[name].isoformat()}",
            "tables: documents",
            f"reload: {number}",
            f"run: {refused.run_id if name == 'unmerged' else 'gone'}",
        ]
        assert lines[-1].startswith("what to do: ")
        assert (message["TopicArn"], message["region"]) == (TOPIC, "eu-central-2")
        assert message["Subject"].startswith(f"reload_assets (sales): reload {number} ")
        assert [secret for secret in ("4711", *secrets) if secret in str(message)] == []
    assert "documents.keys, documents.row_count" in messages["reload_rejected"]["Message"]
    assert f"code: {LoadIncomplete.code}" in messages["reload_failed"]["Message"]
    assert "code: production-changed" in messages["reload_unmerged"]["Message"]
    assert "About source-unreadable: " in messages["reload_unconfirmed"]["Message"]

    # Another failure of the same reload is another event.
    past.ledger.take_up_failed(past.ledger.get(numbers["failed"]))
    past.ledger.close(numbers["failed"], "failed", "again")
    assert [tick(runner), tick(runner)] == ["Messages sent: 2.", NOTHING]
    # What happened before the installation is old.
    with stack.connect_target() as target:
        target.execute(
            "UPDATE admin.reloads SET closed_at = closed_at - interval '1 day' WHERE reload_id = %s",
            (numbers["failed"],),
        )
    assert tick(runner) == NOTHING


def test_a_stopped_task_and_one_that_is_behind_are_said_once_and_so_is_the_end_of_it(
    stack: Stack, runner: Runner, sns: Receiver, tmp_path: Path
) -> None:
    task = stack.cdc.task
    try:
        # While a reload keeps it stopped, that is as it should be.
        with stack.connect_target() as fence, fence.transaction():
            run(fence, "cdc:lock_fence", task_arn=task.arn)
            task.stop()
            assert tick(runner) == NOTHING
        assert [tick(runner), tick(runner)] == ["Messages sent: 2.", NOTHING]
    finally:
        task.resume()
        stack.drain()
    assert subjects(sns) == ["reload_assets (sales): CDC is stopped: the task is stopped"]
    assert f"CDC task: {task.arn}" in sns.taken[0]["Message"]
    assert [tick(runner), tick(runner)] == ["Messages sent: 2.", NOTHING]
    assert subjects(sns)[1].startswith("reload_assets (sales): CDC runs again: the task lags ")

    (tmp_path / "narrow").mkdir()
    narrow = runner_of(
        stack, runner.instance, tmp_path / "narrow", WRITTEN.replace("cdc:\n", "cdc:\n  max_lag_seconds: 1.0e-6\n")
    )
    assert [tick(narrow), tick(narrow)] == ["Messages sent: 2.", NOTHING]
    assert [tick(runner), tick(runner)] == ["Messages sent: 2.", NOTHING]
    assert [title.split(": ")[1] for title in subjects(sns)[2:]] == ["CDC is behind", "CDC runs again"]


def request(
    past: Past,
    group: str,
    status: Literal["failed", "refused"] = "refused",
    error: str = "see its run",
    reload_id: int | None = None,
) -> int:
    """A request that has ended."""
    with past.target.connect(autocommit=True) as connection:
        row = connection.execute(
            "INSERT INTO admin.reload_requests (group_name, window_start, window_end, reason, reload_id) "
            "VALUES (%s, '2025-01-01Z', 'infinity', 'me', %s) RETURNING request_id",
            (group, reload_id),
        ).fetchone()
    assert row
    note_ended(past.target, row[0], status, error)
    return int(row[0])


def test_requests_that_became_no_reload_are_said_once(runner: Runner, sns: Receiver, past: Past) -> None:
    refused = request(past, "sa\nles", error=str(CdcTaskNeverStarted("cdc")))
    failed = request(past, "sales", status="failed")
    # Its reload says what became of it.
    request(past, "sales", reload_id=1)
    assert [tick(runner), tick(runner)] == ["Messages sent: 4.", NOTHING]
    assert subjects(sns) == [
        f"reload_assets (sa les): request {refused} was refused",
        f"reload_assets (sales): request {failed} failed before a reload was opened",
    ]
    assert "window: 2025-01-01 00:00:00+00 -- infinity" in sns.taken[0]["Message"]
    assert f"code: {CdcTaskNeverStarted.code}" in sns.taken[0]["Message"]


def no_runs(run_ids: object) -> dict[str, str | None]:
    return {}


def test_slack_gets_it_when_its_token_is_there_and_dms_answers_for_itself(
    runner: Runner, past: Past, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("dagster_slack", reason="dagster-slack is missing: nothing shows that messages reach Slack")
    with receiving() as slack:
        urls = iter(["http://127.0.0.1:9/", f"{slack.url}/", f"{slack.url}/"])

        def connected(token: str) -> Any:
            client = slack_client(token)
            client.base_url = next(urls)
            return client

        services = Services(parse_config(WRITTEN + SLACK), str, connected)
        notifier = services.notifier(print, 5)
        number = past.opened(take_day())
        past.ledger.close(number, "failed", "it broke")
        monkeypatch.setenv("RELOAD_CDC_TASK_ARN", "arn:aws:dms:us-east-1:0:task:NONE")
        left = notifier.tick(no_runs).left
        assert "notify.slack.token: the environment variable SLACK_TOKEN is not set" in left[0]
        assert "DMS knows no CDC task arn:aws:dms:us-east-1:0:task:NONE" in left[1]
        monkeypatch.undo()

        monkeypatch.setenv("SLACK_TOKEN", "xoxb-secret")
        assert notifier.tick(no_runs).left == [f"slack: URLError (reload {number} failed)."]
        slack.refuse = 1
        assert notifier.tick(no_runs).left == [f"slack: channel_not_found (reload {number} failed)."]
        request(past, "<!channel> & co")
        assert [notifier.tick(no_runs).messages, notifier.tick(no_runs).messages] == [2, 0]
        named, message = slack.taken
        assert "\ngroup: &lt;!channel&gt; &amp; co\n" in named["text"]
        assert (message["Authorization"], message["channel"]) == ("Bearer xoxb-secret", "C0DATA")
        assert message["text"].startswith(f"reload {number} failed.\ngroup: sales\n")
    failures = runner.query("SELECT failure FROM admin.notifications WHERE failure LIKE '%%secret%%'")
    assert failures == []


def test_slack_without_its_package_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dagster_slack", None)
    with pytest.raises(SlackMissing, match="notify.slack: needs the package dagster-slack: pip install"):
        slack_client("xoxb-secret")


def test_what_one_process_is_sending_another_does_not_send_and_what_no_channel_wants_is_dropped(
    runner: Runner, past: Past
) -> None:
    sent: list[str] = []

    def gone(event: Any) -> None:
        raise ZeroDivisionError

    def send(event: Any) -> None:
        sent.append(event.title)
        assert notifier(lambda event: sent.append("twice")).tick(no_runs).messages == 0

    def notifier(send: Send) -> Notifier:
        return Notifier(past.target, {"log": lambda: send, "gone": lambda: gone}, list)

    number = past.opened(take_day())
    past.ledger.close(number, "failed", "it broke")
    assert notifier(send).tick(no_runs).left == [f"gone: ZeroDivisionError (reload {number} failed)."]
    assert sent == [f"reload {number} failed"]
    # The next tick's configuration has no such channel.
    assert tick(runner) == NOTHING
    assert runner.query("SELECT count(*) FROM admin.notifications WHERE pending <> '{}'") == [(0,)]
