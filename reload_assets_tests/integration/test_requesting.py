"""What finders see becomes requests: each piece of evidence once, within limits, and nothing that is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from reload_assets.config.finders import HealingLimits
from reload_assets.errors import ReloadError
from reload_assets.errors.cdc import CdcBehind, CdcTableSuspended
from reload_assets.finders.finding import Finding
from reload_assets.finders.requesting import Asked, ask
from reload_assets.local.postgres import PostgresServer
from reload_assets.postgres.connection import TargetDatabase
from reload_assets.windows import Window
from reload_assets_tests.integration.merge_bench import InThread, await_true
from reload_assets_tests.integration.requests_rig import asked, emptied, finding, installed_ledger, linked, rows
from reload_assets_tests.integration.staged import DAY

NEXT_DAY = Window(DAY.end, DAY.end + timedelta(days=1))
LIMITS = HealingLimits()


@pytest.fixture(scope="module")
def installed(postgres: PostgresServer) -> Iterator[TargetDatabase]:
    with installed_ledger(postgres) as target:
        yield target


@pytest.fixture
def target(installed: TargetDatabase) -> TargetDatabase:
    return emptied(installed)


def test_a_group_gets_one_request_for_its_keys_and_each_piece_of_evidence_counts_once(target: TargetDatabase) -> None:
    found = [
        finding("1", ("7",), kind="RECORD_DIFF"),
        finding("2", ("7",), ("8",), kind="MISSING_TARGET"),
        finding("3", ("7", "1"), ("7", "2,3"), table="lines", kind="RECORD_DIFF"),
        finding("4", ("7",), complete=False),
        finding("5", table="orders", window=DAY),
        finding("6", table="lines", window=DAY),
        finding("7", ("x",), table="visits", group="web"),
    ]
    first = asked(target, *found, found[0])
    assert (first.new_findings, first.pending, first.held) == (7, [1, 2, 3, 4], {})
    assert rows(
        target,
        "SELECT group_name, status, keys, whole_windows, window_start, tables, reason, found_by, requested_by = "
        "current_user FROM admin.reload_requests ORDER BY request_id",
    ) == [
        (
            "sales",
            "pending",
            {"orders": ["7", "8"], "lines": [["7", "1"], ["7", "2,3"]]},
            False,
            None,
            None,
            "DMS validation lists 4 rows of orders and lines that differ",
            "validation",
            True,
        ),
        (
            "sales",
            "pending",
            {"orders": ["7"]},
            True,
            None,
            None,
            "DMS validation lists at least 1 row of orders that differ",
            "validation",
            True,
        ),
        (
            "sales",
            "pending",
            None,
            False,
            DAY.start,
            ["orders", "lines"],
            f"DMS validation lists rows of orders and lines in {DAY} that differ",
            "validation",
            True,
        ),
        (
            "web",
            "pending",
            {"visits": ["x"]},
            False,
            None,
            None,
            "DMS validation lists 1 row of visits that differ",
            "validation",
            True,
        ),
    ]
    evidence = rows(target, "SELECT evidence FROM admin.reload_requests WHERE request_id = 1")[0][0]
    assert (evidence["findings"], evidence["kinds"]) == (3, {"RECORD_DIFF": 2, "MISSING_TARGET": 1})
    assert [one["finding_id"] for one in evidence["examples"]] == [1, 2, 3]
    assert linked(target) == [1, 1, 1, 2, 3, 3, 4]
    # The same evidence, even after its request has ended.
    rows(target, "UPDATE admin.reload_requests SET status = 'done'")
    assert asked(target, *found) == Asked()
    # Another finder's evidence of the same name is other evidence.
    assert asked(target, finding("1", ("7",), finder="skipped")).pending == [5]


@pytest.mark.parametrize("status", ["pending", "held", "started", "split"])
def test_what_an_open_request_asks_for_is_not_asked_for_again(target: TargetDatabase, status: str) -> None:
    rows(
        target,
        "INSERT INTO admin.reload_requests (group_name, keys, reason, status) VALUES "
        f"""('sales', '{{"orders": [1001, "1002"], "lines": [[1001, 1]], "odd": 7}}', 'me', '{status}'), """
        f"('sales', '[]', 'me', '{status}'); "
        "INSERT INTO admin.reload_requests (group_name, window_start, window_end, tables, reason, status) VALUES "
        f"('sales', '{DAY.start}', '{NEXT_DAY.end}', '{{orders}}', 'me', '{status}'), "
        f"('web', '-infinity', 'infinity', NULL, 'me', '{status}')",
    )
    found = asked(
        target,
        finding("1", ("1001",)),
        finding("2", ("1001", "1"), table="lines"),
        finding("3", ("1002",), ("1003",)),
        finding("4", ("1001",), group="web"),
        finding("5", window=NEXT_DAY),
        finding("6", window=NEXT_DAY, table="lines"),
    )
    assert (found.open_already, found.pending) == ([1, 3], [5, 6, 7])
    assert rows(target, "SELECT keys, tables FROM admin.reload_requests WHERE request_id > 4 ORDER BY request_id") == [
        ({"orders": ["1003"]}, None),
        ({"orders": ["1001"]}, None),
        (None, ["lines"]),
    ]
    assert rows(target, "SELECT request_id FROM admin.findings ORDER BY finding_id") == [
        (1,),
        (1,),
        (5,),
        (6,),
        (3,),
        (7,),
    ]
    # More than the keys may be wrong: only a request for whole windows covers that.
    assert asked(target, finding("7", ("1001",), complete=False)).pending == ([] if status == "split" else [8])


def test_what_was_seen_after_the_confirm_of_an_open_request_is_asked_for(target: TargetDatabase) -> None:
    now = datetime.now(timezone.utc)
    rows(
        target,
        """INSERT INTO admin.reload_requests (group_name, keys, reason, status) VALUES
        ('sales', '{"orders": [1]}', 'me', 'started');
        INSERT INTO admin.reloads (group_name, window_start, window_end, load_start, partition_key, tables, status,
        started_by, run_id, request_id, confirm_status, confirm_ended_at)
        VALUES ('sales', NULL, NULL, NULL, 'request-1', '{orders}', 'merged', 'me', 'r', 1, 'confirmed', """
        f"'{now.isoformat()}')",
    )
    minute = timedelta(minutes=1)
    assert asked(target, finding("1", ("1",), seen_at=now - minute)).open_already == [1]
    assert asked(target, finding("2", ("1",), seen_at=now + minute)).pending == [2]


@pytest.mark.parametrize("status", ["started", "done", "healed", "failed", "refused"])
def test_what_was_seen_after_a_part_of_a_split_request_had_ended_is_asked_for(
    target: TargetDatabase, status: str
) -> None:
    now = datetime.now(timezone.utc)
    minute = timedelta(minutes=1)
    reload = {"started": "request_id", "done": "request_id", "healed": "reload_id"}.get(status)
    rows(
        target,
        f"""INSERT INTO admin.reload_requests (group_name, keys, reason, status) VALUES
        ('sales', '{{"orders": [1, 2]}}', 'me', 'split');
        INSERT INTO admin.reload_requests
        (group_name, window_start, window_end, tables, reason, status, split_from, reload_id, updated_at) VALUES
        ('sales', '{DAY.start}', '{DAY.end}', '{{orders}}', 'me', '{status}', 1,
        {1 if reload == "reload_id" else "NULL"}, '{now + (9 * minute if reload else 0 * minute)}'),
        ('sales', '{NEXT_DAY.start}', '{NEXT_DAY.end}', '{{orders}}', 'me', 'held', 1, NULL, NULL)""",
    )
    if reload:
        rows(
            target,
            f"""INSERT INTO admin.reloads (group_name, window_start, window_end, load_start, partition_key, tables,
            status, started_by, run_id, request_id, confirm_status, confirm_ended_at) VALUES ('sales', '{DAY.start}',
            '{DAY.end}', '{DAY.start}', 'p', '{{orders}}', 'merged', 'me', 'r',
            {2 if reload == "request_id" else "NULL"}, 'confirmed', '{now}')""",
        )
    assert asked(target, finding("1", ("1",), seen_at=now - minute)).open_already == [1]
    assert asked(target, finding("2", ("1",), seen_at=now + minute)).pending == [4]


def test_two_ticks_at_the_same_time_ask_once(target: TargetDatabase) -> None:
    found = [finding(str(number), (str(number),)) for number in range(20)]
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    with target.connect() as first:
        first.execute("SELECT pg_advisory_xact_lock(hashtextextended('reload_assets:findings', 0))")
        ticks = [InThread(lambda: asked(target, *found)) for _ in range(2)]
        await_true(lambda: rows(target, waiting) == [(2,)])
    results = [tick.result() for tick in ticks]
    assert sorted((one.new_findings, one.pending, one.open_already) for one in results) == [(0, [], []), (20, [1], [])]


@pytest.mark.parametrize(
    ("limits", "found", "held", "because"),
    [
        (
            {"keys_per_tick": 2},
            [("a", 2), ("b", 1)],
            [1, 2],
            "asks for 3 keys at once, and ",
        ),
        ({"keys_per_tick": 3}, [("a", 2), ("b", 1)], [], ""),
        ({"requests_per_tick": 1}, [("a", 2), ("b", 1)], [1, 2], "makes 2 requests at once"),
        ({"keys_per_day": 2}, [("a", 2), ("b", 1)], [2], "asked for 3 keys within 24 hours"),
        ({"keys_per_day": 0}, [("a", 1)], [1], "asked for 1 key within 24 hours"),
    ],
)
def test_a_flood_of_keys_is_held(
    target: TargetDatabase, limits: dict[str, int], found: list[tuple[str, int]], held: list[int], because: str
) -> None:
    findings = [
        finding(f"{group}{number}", (str(number),), group=group) for group, count in found for number in range(count)
    ]
    result = asked(target, *findings, **limits)
    assert list(result.held) == held
    assert result.pending == [number for number in range(1, len(found) + 1) if number not in held]
    for number, why in rows(target, "SELECT request_id, held_because FROM admin.reload_requests WHERE status = 'held'"):
        assert because in why
        assert f"`reload-assets requests release {number}`" in why
        assert why.endswith("[held-by-limit]")


def test_a_day_has_a_limit_that_what_is_held_refused_or_a_persons_does_not_use_up(target: TargetDatabase) -> None:
    def windows(first: int, count: int) -> list[Finding]:
        days = [timedelta(days=number) for number in range(first, first + count)]
        return [finding(f"w{day}", window=Window(DAY.start + day, DAY.end + day)) for day in days]

    def again(number: int) -> Asked:
        return asked(target, *windows(number, 1), windows_per_day=2)

    assert asked(target, *windows(0, 3), windows_per_day=2).pending == [1, 2]
    rows(target, "UPDATE admin.reload_requests SET found_by = 'person' WHERE request_id = 1")
    assert again(3).pending == [4]
    assert list(again(4).held) == [5]
    rows(target, "UPDATE admin.reload_requests SET status = 'refused' WHERE request_id = 2")
    assert again(5).pending == [6]
    rows(target, "UPDATE admin.reload_requests SET requested_at = requested_at - interval '25 hours'")
    assert again(6).pending == [7]
    # The windows of a request that was split count, and its keys do not.
    rows(target, "UPDATE admin.reload_requests SET requested_at = requested_at - interval '25 hours'")
    assert asked(target, finding("k", ("1",), complete=False)).pending == [8]
    rows(
        target,
        "UPDATE admin.reload_requests SET status = 'split' WHERE request_id = 8; "
        "INSERT INTO admin.reload_requests (group_name, window_start, window_end, reason, found_by, split_from) "
        "SELECT 'sales', now() - interval '9 days', now(), 'split', 'validation', 8 FROM generate_series(1, 2)",
    )
    assert list(again(7).held) == [11]
    assert asked(target, finding("l", ("1",), table="lines"), keys_per_day=1).pending == [12]
    # Nor do they after all of these have ended.
    rows(target, "UPDATE admin.reload_requests SET whole_windows = FALSE, status = 'done' WHERE request_id = 8")
    assert asked(target, finding("m", ("2",), table="lines"), keys_per_day=2).pending == [13]


@pytest.mark.parametrize(
    ("counts", "because"),
    [
        ({"source_rows": 100, "production_rows": 90, "missing": 10, "differing": 10}, None),
        (
            {"source_rows": 100, "production_rows": 90, "missing": 11},
            "11 rows of orders .* it has only 10 rows less",
        ),
        ({"source_rows": 100, "production_rows": 120, "missing": 1, "extra": 18}, "it has only 0 rows less than the"),
        ({"source_rows": 100, "production_rows": 100, "differing": 21}, "21 of 100 rows of orders in"),
        ({"differing": 101}, "101 rows of orders in .* look wrong, and finders.limits.rows_per_window is 100"),
        ({"differing": 100, "missing": None, "source_rows": "many"}, None),
        ({}, None),
    ],
)
def test_counts_that_cannot_be_right_or_are_too_many_are_held(
    target: TargetDatabase, counts: dict[str, Any], because: str | None
) -> None:
    result = asked(target, finding("1", window=DAY, **counts), rows_per_window=100, share_per_window=0.2)
    assert result.pending == ([] if because else [1])
    if because:
        with pytest.raises(AssertionError, match=because):
            raise AssertionError(result.held[1])


def test_while_cdc_lags_a_request_is_held_for_it_unless_a_limit_holds_it_anyway(target: TargetDatabase) -> None:
    looked: list[tuple[str, Sequence[str]]] = []

    def why_wait(group: str, tables: Sequence[str]) -> ReloadError | None:
        looked.append((group, tables))
        return CdcBehind("sales-cdc", "lags 600 s behind the source", 60, "") if group == "sales" else None

    found = [
        finding("1", ("1",)),
        finding("2", ("1",), table="lines"),
        finding("3", ("1",), group="web"),
        finding("4", window=DAY, differing=200_000),
    ]
    result = ask(target, LIMITS, found, why_wait)
    assert (list(result.held), result.pending) == ([1, 3], [2])
    assert result.held[1].endswith("The sensor reload_requests then releases it. [held-for-cdc]")
    assert "lags 600 s behind the source" in result.held[1]
    assert result.held[3].endswith("[held-by-limit]")
    assert looked == [("sales", ["lines", "orders"]), ("web", ["orders"])]
    assert str(result) == "New findings: 4; requested: request 2; held: request 1, 3."
    # It will go ahead by itself, so it counts for the day.
    assert list(asked(target, finding("5", ("9",)), keys_per_day=3).held) == [4]
    # DMS is asked only about what is new.
    assert ask(target, LIMITS, found, why_wait) == Asked()
    assert len(looked) == 2


def test_a_table_that_cdc_has_suspended_holds_nothing_of_others(target: TargetDatabase) -> None:
    def why_wait(group: str, tables: Sequence[str]) -> ReloadError | None:
        return CdcTableSuspended("sales-cdc", "SALES.LINES (Table error)") if "lines" in tables else None

    found = [
        finding("1", ("1",)),
        finding("2", ("1", "1"), table="lines"),
        finding("3", window=DAY),
        finding("4", table="lines", window=DAY),
    ]
    result = ask(target, LIMITS, found, why_wait)
    assert (result.pending, list(result.held)) == ([1, 3], [2, 4])
    assert rows(target, "SELECT keys, tables FROM admin.reload_requests ORDER BY request_id") == [
        ({"orders": ["1"]}, None),
        ({"lines": [["1", "1"]]}, None),
        (None, ["orders"]),
        (None, ["lines"]),
    ]
