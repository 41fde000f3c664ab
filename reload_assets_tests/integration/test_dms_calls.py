"""Calls that fail: what is tried again, and what each error says, over real HTTP."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from reload_assets.dms.client import dms_client
from reload_assets.dms.mappings import TableLoad, table_mappings
from reload_assets.dms.settings import task_settings
from reload_assets.dms.tasks import LoadTasks, PollLimits, TaskRequest
from reload_assets.errors import DmsError, DmsUnreachable
from reload_assets.errors.dms import DmsClientInvalid, DmsCredentialsMissing, DmsUnanswered
from reload_assets.local.dms.faults import DropConnection, Throttle
from reload_assets.local.postgres import free_port
from reload_assets_tests.integration.standin_bench import Bench

FAST = PollLimits(interval=0.02, max_interval=0.1, ready_timeout=5, load_timeout=10, remove_timeout=5, call_attempts=2)
ARN = "arn:aws:dms:us-east-1:000000000000:task:X"
SECRET = "very-secret-key"
# Status, body.
Answer = tuple[int, bytes]


def tasks_at(url: str) -> LoadTasks:
    client = dms_client(region="eu-west-1", endpoint_url=url, access_key_id="AKIAX", secret_access_key=SECRET)
    return LoadTasks(client, FAST)


@contextmanager
def answering(answer: Callable[[str, bytes], Answer | None]) -> Iterator[str]:
    """An HTTP server that answers an operation and its body, or closes the connection for None; its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            answered = answer(self.headers["X-Amz-Target"].split(".")[1], body)
            if answered is None:
                return
            self.send_response(answered[0])
            self.send_header("Content-Length", str(len(answered[1])))
            self.end_headers()
            self.wfile.write(answered[1])

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def fault(code: str, message: str = "Because.") -> bytes:
    return json.dumps({"__type": code, "message": message}).encode()


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (
            400,
            fault("AccessDeniedException", "User x may not."),
            "denied access when looking up the task .*: User x may",
        ),
        (400, fault("AccessDeniedFault"), "grant the role that DMS action"),
        (400, fault("ExpiredTokenException"), "refused the session token .*: it has expired; renew it"),
        (
            400,
            fault("UnrecognizedClientException"),
            r"refused the credentials .*: Because \(Unrec.*check keys and region",
        ),
        (403, fault("InvalidSignatureException"), "check keys and region"),
        (
            400,
            fault("InvalidParameterValueException", "No\nsuch filter."),
            r": No such filter \(InvalidParameterValueEx",
        ),
    ],
)
def test_a_refusal_is_one_sentence_that_names_the_place_and_the_mend(status: int, body: bytes, said: str) -> None:
    with answering(lambda operation, sent: (status, body)) as url:
        with pytest.raises(DmsError, match=said) as error:
            tasks_at(url).wait_ready(ARN)
        assert not isinstance(error.value, DmsUnreachable)
        assert f"DMS at {url} (eu-west-1)" in str(error.value)
        assert SECRET not in str(error.value)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (500, fault("InternalFailure"), "answered with HTTP 500 when looking up"),
        (503, b"<html>busy</html>", "answered with HTTP 503 when looking up"),
        (400, fault("ThrottlingException", "Rate exceeded"), "throttled every attempt when looking up"),
    ],
)
def test_a_server_that_never_gets_better_is_unreachable(status: int, body: bytes, said: str) -> None:
    with answering(lambda operation, sent: (status, body)) as url, pytest.raises(DmsUnreachable, match=said) as error:
        tasks_at(url).wait_ready(ARN)
    assert error.value.sentence.endswith("(attempts: 2).")


def test_an_answer_that_is_not_dms_s_never_passes_for_a_task_that_is_gone() -> None:
    with (
        answering(lambda operation, sent: (200, b"<html>no DMS here</html>")) as url,
        pytest.raises(DmsUnanswered, match="an answer without ReplicationTasks when looking up"),
    ):
        tasks_at(url).remove(ARN)


def test_an_endpoint_url_where_nobody_listens_is_named_without_its_password() -> None:
    port = free_port()
    with pytest.raises(DmsUnanswered, match=f"DMS at http://127.0.0.1:{port} .*check endpoint_url") as error:
        tasks_at(f"http://user:{SECRET}@127.0.0.1:{port}").find({"run": "1"})
    assert SECRET not in str(error.value)


def test_throttled_and_dropped_calls_are_tried_again(bench: Bench) -> None:
    tasks = tasks_at(bench.url)
    bench.faults.set(Throttle(operation="DescribeReplicationTasks", times=3))
    assert tasks.find({"run": "1"}) == []
    bench.faults.set(DropConnection(times=3))
    assert tasks.find({"run": "1"}) == []


def losing_answers(bench: Bench, *operations: str) -> Callable[[str, bytes], Answer | None]:
    """Hand every call on to the stand-in, and lose the first answer of the operations."""
    to_lose = set(operations)

    def answer(operation: str, body: bytes) -> Answer | None:
        headers = {"X-Amz-Target": f"AmazonDMSv20160101.{operation}", "Content-Type": "application/x-amz-json-1.1"}
        try:
            with urllib.request.urlopen(urllib.request.Request(bench.url, body, headers), timeout=5) as response:
                answered = response.status, response.read()
        except urllib.error.HTTPError as error:
            answered = error.code, error.read()
        if operation in to_lose:
            to_lose.discard(operation)
            return None
        return answered

    return answer


def test_a_lost_answer_neither_makes_a_second_task_nor_fails_the_load(bench: Bench) -> None:
    orders = TableLoad("SALES", "ORDERS", "UPDATED_AT", "staging", "orders")
    wanted = TaskRequest(
        identifier="reload-sales-1-a",
        source_endpoint_arn=bench.source,
        target_endpoint_arn=bench.target,
        replication_instance_arn=bench.instance,
        table_mappings=table_mappings([orders], datetime(2025, 1, 1), datetime(2025, 2, 1)),
        settings=task_settings(commit_rate=10_000, max_sub_tasks=8, lob_max_kb=32),
        tags={"reload/id": "1"},
    )
    lost = losing_answers(
        bench, "CreateReplicationTask", "StartReplicationTask", "DescribeReplicationTasks", "DeleteReplicationTask"
    )
    with answering(lost) as url:
        tasks = tasks_at(url)
        arn = tasks.create(wanted)
        tasks.wait_ready(arn)
        tasks.start(arn)
        result = tasks.wait_loaded(arn, {("SALES", "ORDERS")})
        assert result.rows["SALES", "ORDERS"] == bench.count("staging.orders") > 0
        assert tasks.find({"reload/id": "1"}) == [arn]
        tasks.remove(arn)
        assert tasks.find({"reload/id": "1"}) == []


def test_missing_credentials_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    client = dms_client(region="eu-west-1", endpoint_url=f"http://127.0.0.1:{free_port()}")
    with pytest.raises(DmsCredentialsMissing):
        LoadTasks(client, FAST).wait_ready(ARN)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"endpoint_url": "no url"}, "Invalid endpoint: no url; check region, endpoint_url"),
        ({"access_key_id": "AKIAX"}, "access_key_id and secret_access_key go together"),
    ],
)
def test_a_client_that_cannot_be_made_is_named(
    settings: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    with pytest.raises(DmsClientInvalid, match=said):
        dms_client(region="eu-west-1", **settings)
