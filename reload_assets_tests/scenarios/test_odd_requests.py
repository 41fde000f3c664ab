"""Rows of admin.reload_requests that Python cannot even hold get their sentence, and the rows after them their runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
import yaml
from dagster import DagsterRunStatus
from psycopg.errors import InsufficientPrivilege, LockNotAvailable

from reload_assets.cli.requests import request_lines
from reload_assets.errors.config import SecretUnreadable
from reload_assets.errors.dms import DmsUnanswered
from reload_assets.errors.target import TargetFull
from reload_assets.ledger import requests as ledger
from reload_assets.ledger.open_requests import list_unfinished
from reload_assets.ledger.records import Key
from reload_assets.local.stack import checkout_file
from reload_assets.reload.failures import describe
from reload_assets.reload.services import Services
from reload_assets.requested import complete_keys
from reload_assets.sensors import requests as sensor
from reload_assets_tests.scenarios.runs import Runner
from reload_assets_tests.scenarios.test_started_by_the_system import Bounds, answer, ask, requests, tick

__all__ = ["requests"]


@pytest.mark.usefixtures("requests")
def test_hazard_25_a_request_that_python_cannot_hold_blocks_nobody(runner: Runner, day: date, bounds: Bounds) -> None:
    start, end = (bound.replace(tzinfo=timezone.utc) for bound in bounds)
    window = {"window_start": start, "window_end": end}
    deep = "[" * 3000 + "]" * 3000
    bad = {
        ask(runner, group_name="sales", reason="r", window_start="-infinity", window_end=end): "window_start",
        ask(runner, group_name="sales", reason="r", window_start=start, window_end="infinity"): "window_end",
        ask(runner, group_name="sales", reason="r", window_start="0044-03-15 BC", window_end=end): "window_start",
        ask(runner, group_name="sales", reason="r", window_start=start, window_end="20000-01-01"): "window_end",
        ask(runner, group_name="sales", reason="r", tables=["orders", None], **window): "tables",
        ask(runner, group_name="", reason="r", **window): "group_name",
        ask(runner, group_name="sales", reason="r", keys=f'{{"orders": {deep}}}'): "keys",
        ask(runner, group_name="sales", reason="r", columns=f'{{"orders": {deep}}}', **window): "columns",
        ask(runner, group_name="sales", reason="r", columns=f'{{"orders": [{"9" * 5000}]}}', **window): "columns",
    }
    good = ask(runner, group_name="sales", reason="a long story; " * 100, tables=["documents", "documents"], **window)
    (request,) = tick(runner)
    assert request.tags["reload_assets/request"] == str(good)
    assert {key.to_user_string() for key in request.asset_selection or []} == {
        "staging/documents",
        "production/documents",
    }
    for number, field in bad.items():
        status, run_id, _, error = answer(runner, number)
        assert (status, run_id) == ("refused", None)
        assert error.startswith(f"{field}: ")


@pytest.mark.usefixtures("requests")
def test_a_request_whose_run_was_deleted_is_not_run_again(runner: Runner, bounds: Bounds) -> None:
    start, end = (bound.replace(tzinfo=timezone.utc) for bound in bounds)
    number = ask(runner, group_name="sales", window_start=start, window_end=end, reason="r", status="started")
    with runner.stack.connect_target() as target:
        target.execute("UPDATE admin.reload_requests SET run_id = 'gone' WHERE request_id = %s", (number,))
    assert tick(runner) == []
    assert answer(runner, number) == ("failed", "gone", None, "The run gone was deleted.")
    assert tick(runner) == []


@pytest.mark.usefixtures("requests")
def test_a_request_for_a_group_that_dagster_does_not_take_says_why(
    configured: Callable[[str], Runner], bounds: Bounds
) -> None:
    written = checkout_file("reload.yaml").read_text(encoding="utf-8")
    runner = configured(written.replace('["team:data-platform"]', "[alice]"))
    start, end = (bound.replace(tzinfo=timezone.utc) for bound in bounds)
    number = ask(runner, group_name="sales", window_start=start, window_end=end, reason="r")
    assert tick(runner) == []
    status, run_id, _, error = answer(runner, number)
    assert (status, run_id) == ("refused", None)
    assert "groups.sales.owners: 'alice' is neither an e-mail address nor team:NAME" in error


@pytest.mark.usefixtures("requests")
def test_a_request_for_a_local_day_is_a_window_of_the_cadence_and_one_before_all_years_is_refused(
    runner: Runner, configured: Callable[[str], Runner], day: date
) -> None:
    text = checkout_file("reload.yaml").read_text(encoding="utf-8")
    windows = "time_zone: America/New_York\n  first: 2025-01-01\n  overlap_minutes: 3000"
    local = configured(text.replace("first: 2025-01-01", windows))
    midnight = datetime(day.year, day.month, day.day, 5, tzinfo=timezone.utc)
    common = {"group_name": "sales", "reason": "r"}
    early = ask(runner, window_start="0001-01-02T00:00Z", window_end="0001-01-03T00:00Z", **common)
    whole = ask(runner, window_start=midnight, window_end=midnight + timedelta(days=1), **common)
    utc = ask(runner, window_start=midnight - timedelta(hours=5), window_end=midnight + timedelta(hours=19), **common)
    assert {request.tags["reload_assets/request"]: request.partition_key for request in tick(local)} == {
        str(whole): day.isoformat(),
        str(utc): f"{day}T00:00:00Z--{day + timedelta(days=1)}T00:00:00Z",
    }
    assert answer(runner, early) == (
        "refused",
        None,
        None,
        "The window 0001-01-02T00:00:00Z--0001-01-03T00:00:00Z cannot be reloaded, as its margin for late commits "
        "begins outside the years 1 to 9999; let it begin later, or end earlier. [window-out-of-range]",
    )


@pytest.mark.usefixtures("requests")
@pytest.mark.parametrize(
    "error",
    [
        DmsUnanswered("DMS", "did not answer", 2),
        TargetFull("db:5432/shop", "too many connections"),
        SecretUnreadable("reload.yaml: source.connection.password", "shop", "ThrottlingException"),
        LockNotAvailable("canceling statement due to lock timeout"),
    ],
)
def test_a_request_waits_while_what_it_needs_does_not_answer(
    runner: Runner, monkeypatch: pytest.MonkeyPatch, bounds: Bounds, error: Exception
) -> None:
    def unanswered(*asked: object) -> None:
        raise error

    number = ask(runner, group_name="sales", keys='{"orders": [1]}', reason="r")
    with monkeypatch.context() as outage:
        outage.setattr(sensor, "complete_keys", unanswered)
        start, end = (bound.replace(tzinfo=timezone.utc) for bound in bounds)
        other = ask(runner, group_name="sales", window_start=start, window_end=end, reason="r")
        assert [request.tags["reload_assets/request"] for request in tick(runner)] == [str(other)]
    assert answer(runner, number)[0] == "pending"
    assert answer(runner, number)[3] == describe(error)
    with runner.stack.connect_target() as target:
        (listed,) = [one for one in list_unfinished(target) if one.request_id == number]
    assert describe(error) in request_lines([listed], ZoneInfo("UTC"))[2]
    assert f"request-{number}" in [request.partition_key for request in tick(runner)]


@pytest.mark.usefixtures("requests")
def test_a_source_that_cannot_be_reached_is_tried_once_and_keeps_no_window_waiting(
    configured: Callable[[str], Runner], monkeypatch: pytest.MonkeyPatch, bounds: Bounds
) -> None:
    document = yaml.safe_load(checkout_file("reload.yaml").read_text(encoding="utf-8"))
    document["source"]["connection"]["port"] = 1
    runner = configured(yaml.safe_dump(document))
    start, end = (bound.replace(tzinfo=timezone.utc) for bound in bounds)
    common = {"group_name": "sales", "reason": "r"}
    keys = [ask(runner, keys=f'{{"orders": [{number}]}}', **common) for number in (1, 2)]
    window = ask(runner, window_start=start, window_end=end, **common)
    tried = []

    def counted(services: Services, group: str, keys: Mapping[str, Sequence[Key]]) -> Mapping[str, Sequence[Key]]:
        tried.append(keys)
        return complete_keys(services, group, keys)

    monkeypatch.setattr(sensor, "complete_keys", counted)
    assert [request.tags["reload_assets/request"] for request in tick(runner)] == [str(window)]
    assert [answer(runner, number)[0] for number in keys] == ["pending", "pending"]
    assert len(tried) == 1


@pytest.mark.usefixtures("requests")
def test_the_run_of_another_targets_request_of_the_same_number_answers_none(runner: Runner, bounds: Bounds) -> None:
    start, end = (bound.replace(tzinfo=timezone.utc) for bound in bounds)
    number = ask(runner, group_name="sales", window_start=start, window_end=end, reason="r")
    (mine,) = tick(runner)
    runner.instance.create_run_for_job(
        runner.definitions.resolve_job_def("reload_sales"),
        status=DagsterRunStatus.SUCCESS,
        tags={**mine.tags, "reload_assets/requested_at": "2025-01-02 03:04:05+00"},
    )
    (again,) = tick(runner)
    assert (again.run_key, answer(runner, number)[0]) == (mine.run_key, "pending")
    # A request that was inserted again after the target had been restored has the number of an earlier one.
    with runner.stack.connect_target() as target:
        target.execute("UPDATE admin.reload_requests SET requested_at = requested_at + interval '1 day'")
    (later,) = tick(runner)
    assert later.run_key != mine.run_key


@pytest.mark.usefixtures("requests")
def test_what_a_finder_asks_for_is_reloaded_although_a_table_has_left_the_group(runner: Runner, bounds: Bounds) -> None:
    start, end = (bound.replace(tzinfo=timezone.utc) for bound in bounds)
    found = {"group_name": "sales", "reason": "r", "found_by": "validation"}
    keys = '{"orders": [1], "returns": [2]}'
    asked = [
        ask(runner, keys=keys, **found),
        ask(runner, keys=keys, whole_windows=True, **found),
        ask(runner, window_start=start, window_end=end, tables=["returns", "orders"], **found),
    ]
    assert tick(runner) == []
    tick(runner)
    parts = "SELECT keys, tables, whole_windows, status FROM admin.reload_requests WHERE split_from = %s ORDER BY 1, 2"
    for number, whole in zip(asked, (False, True), strict=False):
        assert runner.query(parts, number) == [
            ({"orders": ["1"]}, None, whole, "split" if whole else "pending"),
            ({"returns": ["2"]}, None, whole, "refused"),
        ]
    assert runner.query(parts, asked[2]) == [
        (None, ["orders"], False, "pending"),
        (None, ["returns"], False, "refused"),
    ]
    # What a person wrote may be a mistake.
    mine = ask(runner, keys=keys, group_name="sales", reason="r")
    tick(runner)
    assert answer(runner, mine)[0] == "refused"


@pytest.mark.usefixtures("requests")
def test_requests_that_wait_leave_others_their_turn(
    runner: Runner, monkeypatch: pytest.MonkeyPatch, bounds: Bounds
) -> None:
    def denied(*asked: object) -> None:
        raise InsufficientPrivilege("permission denied for table orders")

    monkeypatch.setattr(sensor, "complete_keys", denied)
    monkeypatch.setattr(ledger, "BATCH", 2)
    start, end = (bound.replace(tzinfo=timezone.utc) for bound in bounds)
    common = {"group_name": "sales", "reason": "r"}
    waiting = [ask(runner, keys='{"orders": [1]}', **common) for _ in range(3)]
    good = ask(runner, window_start=start, window_end=end, **common)
    started = ask(runner, window_start=start, window_end=end, status="started", **common)
    assert tick(runner) == []
    assert answer(runner, started)[0] == "failed"
    assert [request.tags["reload_assets/request"] for request in tick(runner)] == [str(good)]
    assert [answer(runner, number)[0] for number in waiting] == ["pending"] * 3
