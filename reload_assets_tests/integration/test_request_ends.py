"""What becomes of requests without a run: healed by other reloads, held and released, split into parts that end."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from reload_assets.cli import main
from reload_assets.config.finders import HealingLimits
from reload_assets.errors import ReloadError
from reload_assets.errors.cdc import CdcBehind
from reload_assets.finders.held import hold_parts, release, release_caught_up
from reload_assets.finders.requesting import ask
from reload_assets.ledger.request_ends import close_healed, close_split
from reload_assets.local.postgres import PostgresServer
from reload_assets.notify.message import Event
from reload_assets.notify.notifier import Notifier
from reload_assets.postgres.connection import TargetDatabase
from reload_assets_tests.integration.requests_rig import (
    asked,
    emptied,
    finding,
    installed_ledger,
    nothing_to_wait_for,
    rows,
)
from reload_assets_tests.integration.staged import DAY, HEAD

GROUPS = {"sales": ["orders", "lines"]}
LIMITED = """'{"orders": ["note"]}'"""
BEHIND = CdcBehind("sales-cdc", "lags 600 s behind the source", 60, "")


@pytest.fixture(scope="module")
def installed(postgres: PostgresServer) -> Iterator[TargetDatabase]:
    with installed_ledger(postgres) as target:
        yield target


@pytest.fixture
def target(installed: TargetDatabase) -> TargetDatabase:
    return emptied(installed)


def requested(target: TargetDatabase, what: str, status: str = "pending", tables: str = "NULL", **more: str) -> int:
    """A request of an hour ago for keys, as JSON, or for the day."""
    columns = {"reason": "'me'", "requested_at": "now() - interval '1 hour'", "status": f"'{status}'", **more}
    columns |= {"keys": f"'{what}'"} if what.startswith("{") else {"window_start": f"'{DAY.start}'", "tables": tables}
    if not what.startswith("{"):
        columns["window_end"] = f"'{DAY.end}'"
    names, values = ", ".join(columns), ", ".join(columns.values())
    insert = f"INSERT INTO admin.reload_requests (group_name, {names}) VALUES ('sales', {values}) RETURNING request_id"
    return int(rows(target, insert)[0][0])


def reloaded(target: TargetDatabase, keys: dict[str, list[list[str]]] | None = None, **columns: str) -> None:
    """A confirmed reload of a window that is a little longer than the day, or of keys; opened half an hour ago."""
    window = ("NULL", "NULL") if keys else (f"'{DAY.start}'::timestamptz - interval '1 hour'", f"'{DAY.end}'")
    values = {
        "group_name": "'sales'",
        "window_start": window[0],
        "window_end": window[1],
        "load_start": window[0],
        "partition_key": "'p'",
        "tables": "'{lines,orders}'",
        "status": "'merged'",
        "started_by": "'me'",
        "run_id": "'r'",
        "confirm_status": "'confirmed'",
        "opened_at": "now() - interval '30 minutes'",
        **columns,
    }
    number = rows(
        target,
        f"INSERT INTO admin.reloads ({', '.join(values)}) VALUES ({', '.join(values.values())}) RETURNING reload_id",
    )[0][0]
    for table, each in (keys or {}).items():
        for key in each:
            texts = ", ".join(f"'{text}'" for text in key)
            rows(target, f"INSERT INTO admin.reload_keys VALUES ({number}, '{table}', ARRAY[{texts}])")


def state(target: TargetDatabase) -> list[tuple[str, int | None]]:
    return rows(target, "SELECT status, reload_id FROM admin.reload_requests ORDER BY request_id")


@pytest.mark.parametrize("status", ["pending", "held", "started"])
def test_a_window_that_another_reload_has_healed_since_is_closed(target: TargetDatabase, status: str) -> None:
    requested(target, "day", status)
    requested(target, "day", status, "'{orders}'")
    reloaded(target)
    assert close_healed(target, GROUPS) == 2
    assert state(target) == [("healed", 1)] * 2


@pytest.mark.parametrize(
    "but",
    [
        {"confirm_status": "'unconfirmed'"},
        {"opened_at": "now() - interval '2 hours'"},
        {"tables": "'{orders}'"},
        {"group_name": "'web'"},
        {"columns": LIMITED},
        {"request_id": "1"},
        {"window_start": f"'{DAY.start}'::timestamptz + interval '1 s'", "load_start": f"'{DAY.start}'"},
    ],
)
def test_a_window_that_no_other_reload_has_healed_stays_open(target: TargetDatabase, but: dict[str, str]) -> None:
    requested(target, "day")
    requested(target, "day", "done")
    requested(target, "day", tables="'{}'")
    reloaded(target, None, **but)
    assert close_healed(target, GROUPS) == 0
    if "request_id" in but:
        # Its own run answers for it, no matter what others do.
        reloaded(target)
        assert close_healed(target, GROUPS) == 0
        return
    reloaded(target, request_id="2")
    assert close_healed(target, {}) == 0
    assert close_healed(target, GROUPS) == 1


def test_keys_are_healed_once_every_one_of_them_is(target: TargetDatabase) -> None:
    requested(target, '{"orders": [7, "8"], "lines": [[7, 1], ["8", "x,y"]]}')
    requested(target, '{"orders": ["8"]}', "held")
    requested(target, '{"orders": ["7"]}', whole_windows="true")
    requested(target, '{"orders": "7"}')
    requested(target, '{"orders": []}')
    reloaded(target, {"orders": [["7"]], "lines": [["8", "x,y"], ["1", "7"]]})
    reloaded(target, {"orders": [["8"]], "lines": [["7", "1"]]}, confirm_status="'unconfirmed'")
    reloaded(target, {"orders": [["8"]]}, group_name="'web'")
    reloaded(target, {"orders": [["8"]]}, columns=LIMITED)
    # Its window may hold the keys, and nobody knows.
    reloaded(target)
    assert close_healed(target, GROUPS) == 0
    reloaded(target, {"orders": [["8"]]})
    assert close_healed(target, GROUPS) == 1
    reloaded(target, {"lines": [["7", "1"]]})
    assert close_healed(target, GROUPS) == 1
    assert state(target) == [("healed", 7), ("healed", 6), *[("pending", None)] * 3]


# A tick of the sensor has 60 s.
@pytest.mark.timeout(20)
def test_long_lists_that_wait_are_compared_with_long_lists_that_were_reloaded(target: TargetDatabase) -> None:
    rows(
        target,
        """INSERT INTO admin.reload_requests (group_name, reason, status, keys) SELECT 'sales', 'flood', 'held', (
            SELECT jsonb_build_object('orders', jsonb_agg(k::text))
            FROM generate_series(r * 10000, r * 10000 + 9999) AS k
        ) FROM generate_series(0, 9) AS r;
        INSERT INTO admin.reloads (group_name, partition_key, tables, status, started_by, run_id, confirm_status)
        SELECT 'sales', 'request-' || r, '{orders}', 'merged', 'me', r, 'confirmed' FROM generate_series(1, 100) AS r;
        INSERT INTO admin.reload_keys
        SELECT r, 'orders', ARRAY[(r * 1000 + k)::text] FROM generate_series(1, 100) AS r, generate_series(0, 999) AS k
        """,
    )
    # All but the first 1000 keys.
    assert close_healed(target, GROUPS) == 9
    assert state(target) == [("held", None), *[("healed", last) for last in range(19, 100, 10)]]


def test_what_was_seen_after_a_reload_is_not_healed_by_it(target: TargetDatabase) -> None:
    requested(target, '{"orders": ["7"]}')
    requested(target, "day")
    reloaded(target)
    reloaded(target, {"orders": [["7"]]})
    assert asked(target, finding("1", ("7",)), finding("2", window=DAY)).open_already == [1, 2]
    assert close_healed(target, GROUPS) == 0


def test_an_open_repair_of_columns_answers_no_finder(target: TargetDatabase) -> None:
    requested(target, '{"orders": ["7"]}', columns=LIMITED)
    requested(target, "day", columns=LIMITED)
    assert asked(target, finding("1", ("7",)), finding("2", window=DAY)).open_already == []


def test_a_split_request_ends_when_its_last_part_does(target: TargetDatabase) -> None:
    for _ in range(2):
        requested(target, '{"orders": ["7"]}', "split")
    parts = [requested(target, "day", split_from=str(parent)) for parent in (1, 1, 2, 2)]

    def end(part: int, status: str) -> None:
        rows(target, f"UPDATE admin.reload_requests SET status = '{status}' WHERE request_id = {part}")

    end(parts[0], "done")
    end(parts[2], "failed")
    assert close_split(target) == 0
    end(parts[1], "healed")
    end(parts[3], "refused")
    assert close_split(target) == 2
    assert rows(target, "SELECT status, error FROM admin.reload_requests WHERE request_id < 3 ORDER BY request_id") == [
        ("done", None),
        ("failed", "Of the requests into which it was split, these failed: 5, 6; see their errors."),
    ]


def test_the_parts_of_a_finders_request_are_held_beyond_the_limit_of_a_day(target: TargetDatabase) -> None:
    requested(target, '{"orders": ["7"]}', "split", found_by="'skipped'")
    parts = [requested(target, "day", split_from="1", found_by="'skipped'") for _ in range(4)]
    requested(target, "day", split_from="1")
    limits = HealingLimits(windows_per_day=2)
    assert hold_parts(target, limits) == 2
    held = rows(target, "SELECT request_id, held_because FROM admin.reload_requests WHERE status = 'held' ORDER BY 1")
    assert [number for number, _ in held] == parts[2:]
    assert "asked for 3 windows within 24 hours, and finders.limits.windows_per_day is 2" in held[0][1]
    release(target, [parts[2]])
    assert hold_parts(target, limits) == 0
    # Of a request that a person has released, the windows were not known then.
    released = requested(
        target, '{"orders": ["8"]}', "split", found_by="'skipped'", held_because="'x. [held-by-limit]'"
    )
    requested(target, "day", split_from=str(released), found_by="'skipped'")
    assert hold_parts(target, limits) == 0


def test_what_is_held_for_cdc_goes_ahead_when_it_has_caught_up_and_the_rest_does_not(target: TargetDatabase) -> None:
    ask(
        target,
        HealingLimits(keys_per_tick=1),
        [finding("1", ("1",), finder="drift"), finding("2", window=DAY, table="lines", finder="skipped")],
        lambda group, tables: BEHIND,
    )
    asked(target, finding("3", ("2",)), finding("4", ("3",)), keys_per_tick=1)
    looked: list[tuple[str, Sequence[str]]] = []

    def only_orders(group: str, tables: Sequence[str]) -> ReloadError | None:
        looked.append((group, list(tables)))
        return None if list(tables) == ["orders"] else BEHIND

    assert release_caught_up(target, only_orders) == [1]
    assert looked == [("sales", ["orders"]), ("sales", ["lines"])]
    assert [status for status, _ in state(target)] == ["pending", "held", "held"]
    assert release_caught_up(target, nothing_to_wait_for) == [2]


Command = Callable[..., Result]


@pytest.fixture
def command(target: TargetDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """``reload-assets requests``."""
    monkeypatch.setenv("P", str(target.password))
    login = f"{{host: {target.host}, port: {target.port}, database: {target.database}, user: {target.user}, "
    head = HEAD.replace("{host: h, port: 1, database: d, user: u, ", login)
    head = head.replace("{first: 2025-01-01}", "{first: 2025-01-01, time_zone: Europe/Zurich}")
    file = tmp_path / "reload.yaml"
    file.write_text(f"{head}      orders: {{window_column: updated_at}}\n", encoding="utf-8")

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(main, ["--config", str(file), "requests", *arguments], catch_exceptions=False)

    return run


def test_the_command_lists_open_requests_and_releases_and_refuses_held_ones(
    target: TargetDatabase, command: Command
) -> None:
    assert command().stdout == "No request is open.\n"
    asked(target, finding("1", ("1",)), finding("2", ("1", "1"), ("2", "1"), table="lines"), keys_per_tick=2)
    asked(target, finding("3", ("1",), complete=False, finder="skipped"))
    requested(target, "day", tables="'{orders}'", requested_by="'ann'")
    requested(target, "day", "done")
    rows(target, "UPDATE admin.reload_requests SET requested_at = now() - interval '50 h' WHERE request_id = 1")
    lines = command().stdout.splitlines()
    day = "2025-01-02T01:00:00+01:00--2025-01-03T01:00:00+01:00: orders"
    assert [" ".join(line.split()) for line in lines[:2] + lines[3:]] == [
        "id status group what found by age",
        "1 held sales keys: lines 2, orders 1 validation 2 d",
        "2 pending sales windows of keys: orders 1 skipped 0 s",
        f"3 pending sales {day} ann 1 h",
    ]
    assert (
        lines[2].split()
        == rows(target, "SELECT held_because FROM admin.reload_requests WHERE request_id = 1")[0][0].split()
    )
    (first, _, third) = json.loads(command("--json").stdout)
    assert (first["keys"], first["status"]) == ({"orders": ["1"], "lines": [["1", "1"], ["2", "1"]]}, "held")
    assert (third["window_start"], third["found_by"]) == ("2025-01-02T00:00:00+00:00", "person")

    for arguments, code in (
        (("release", "1", "77"), "request-unknown"),
        (("release", "1", "2"), "request-not-open"),
        (("refuse", "1", "4", "--reason", "no"), "request-not-open"),
    ):
        result = command(*arguments)
        assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
        assert f"[{code}]" in result.stderr
    assert rows(target, "SELECT status FROM admin.reload_requests WHERE request_id = 1") == [("held",)]
    assert command("release", "1").stdout == "released: 1\n"
    assert command("refuse", "1", "2", "--reason", "a test").stdout == "refused: 1, 2\n"
    assert rows(
        target,
        "SELECT status, error, held_because IS NULL FROM admin.reload_requests WHERE request_id IN (1, 2) "
        "ORDER BY request_id",
    ) == [("refused", "a test", False), ("refused", "a test", True)]
    # Refused for good.
    assert asked(target, finding("1", ("1",))).pending == []


def test_the_command_also_lists_requests_that_nobody_has_checked_yet(target: TargetDatabase, command: Command) -> None:
    requested(
        target, "day", tables="'{orders,NULL}'", columns="""'{"orders": null, "lines": "note"}'""", requested_by="'ann'"
    )
    requested(target, '{"orders": 7}', columns="'[1]'", requested_by="'ann'")
    _, *lines = command().stdout.splitlines()
    day = "2025-01-02T01:00:00+01:00--2025-01-03T01:00:00+01:00: orders, None (only note of lines; None of orders)"
    assert [" ".join(line.split()).partition("sales ")[2].partition(" ann")[0] for line in lines] == [
        day,
        "keys: none",
    ]


def test_what_people_write_into_a_request_stops_neither_finders_nor_the_list_nor_notifications(
    target: TargetDatabase, command: Command
) -> None:
    insert = "INSERT INTO admin.reload_requests (group_name, reason, window_start, window_end, tables, columns) VALUES "
    for start, end in (("0044-03-15 BC", "20000-01-01"), ("-infinity", "infinity")):
        rows(target, f"""{insert} ('sales', 'r', '{start}', '{end}', '{{NULL,orders}}', '{{"orders": 7}}')""")
        rows(target, f"{insert} ('sales', 'r', '{start}', '{end}', NULL, NULL)")
    requested(target, '{"orders": null, "lines": [null, {"a": 1}]}')
    rows(target, "INSERT INTO admin.reload_requests (group_name, reason, keys) VALUES ('sales', 'r', 'null')")
    assert asked(target, finding("1", ("1",)), finding("2", window=DAY)).pending == [7, 8]
    close_healed(target, GROUPS)
    lines = command().stdout.splitlines()
    assert len(lines) == 9
    assert " ?--?: None, orders (only 7 of orders) " in lines[1]
    sent: list[Event] = []
    rows(target, "UPDATE admin.reload_requests SET status = 'refused', updated_at = clock_timestamp()")
    Notifier(target, {"log": lambda: sent.append}, list).tick(lambda run_ids: {})
    assert len(sent) == 8
    assert sum(one.facts.get("tables") == "None, orders" for one in sent) == 2


def test_a_held_request_is_counted_and_said_once(target: TargetDatabase) -> None:
    sent: list[Event] = []
    notifier = Notifier(target, {"log": lambda: sent.append}, list)
    asked(target, finding("1", ("1",)), finding("3", ("1",), group="web"), keys_per_tick=0)
    ask(target, HealingLimits(), [finding("2", window=DAY)], lambda group, tables: BEHIND)
    requested(target, '{"orders": ["7"]}', "failed", updated_at="now()")
    requested(target, "day", "done", split_from="4")
    for _ in range(2):
        notifier.tick(lambda run_ids: {})
    release(target, [1])
    notifier.tick(lambda run_ids: {})
    assert [one.title for one in sent] == [
        "what the finder validation asks for is held back: request 1 and 1 more",
        "what the finder validation asks for is held back: request 3",
    ]
    assert [one.groups for one in sent] == [["sales", "web"], ["sales"]]
    assert [one.error_code for one in sent] == ["held-by-limit", "held-for-cdc"]
    assert "reload-assets requests release ID" in sent[0].what_to_do
    found: dict[Any, Any] = {
        (name, *sorted(labels.values())): value
        for name, labels, value in rows(target, "SELECT name, labels, value FROM admin.metrics")
    }
    assert found["reload_assets_requests", "held", "sales"] == 1
    assert found["reload_assets_findings_total", "orders", "sales", "validation"] == 2
