"""The confirm of selected keys: it compares each of them, and no other row counts as deleted or stale."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from reload_assets.errors.reloads import KeysUnreadable, KeyTextDiffers
from reload_assets.ledger.records import Key
from reload_assets.ledger.selected import canonical_keys
from reload_assets.local.oracle import OracleColumn, OracleTable
from reload_assets.local.postgres import PostgresServer
from reload_assets.reload.parts import group_tables
from reload_assets.tables import resolve_group
from reload_assets_tests.integration.confirm_bench import ConfirmBench, confirm_bench
from reload_assets_tests.integration.merge_bench import EARLIER, GROUP, LATER, NOON, UPDATED_AT
from reload_assets_tests.integration.throwaway import throwaway_database

Make = Callable[..., ConfirmBench]
PRODUCTION = "SELECT k::text, name FROM production.t ORDER BY k"


@pytest.fixture(scope="module")
def databases(postgres: PostgresServer) -> Iterator[tuple[str, str]]:
    with throwaway_database(postgres, "keys") as target, throwaway_database(postgres, "keys") as source:
        yield target, source


@pytest.fixture
def make(databases: tuple[str, str]) -> Iterator[Make]:
    made: list[Any] = []

    def one(key_type: str = "NUMBER(10)", target_type: str = "bigint", **options: Any) -> ConfirmBench:
        table = OracleTable(
            "T",
            [
                OracleColumn("K", key_type, nullable=False),
                OracleColumn("NAME", "VARCHAR2(40)"),
                OracleColumn("UPDATED_AT", "TIMESTAMP(6)"),
            ],
            ["K"],
        )
        ddl = f"CREATE TABLE production.t (k {target_type} PRIMARY KEY, name varchar(40), updated_at timestamp(6))"
        entered = confirm_bench(*databases, ddl, [table], {"t": {**UPDATED_AT, **options}})
        made.append(entered)
        return entered.__enter__()

    yield one
    for entered in made:
        entered.__exit__(None, None, None)


def source_has(bench: ConfirmBench, *rows: tuple[Any, str, str]) -> None:
    for row in rows:
        bench.source.execute('INSERT INTO "SALES"."T" VALUES (%s, %s, %s)', row)


def production_has(bench: ConfirmBench, *rows: tuple[Any, str, str]) -> None:
    for row in rows:
        bench.made.connection.execute("INSERT INTO production.t VALUES (%s, %s, %s)", row)


def keys(*values: Any) -> dict[str, list[Key]]:
    return {"t": [(str(value),) for value in values]}


@pytest.mark.parametrize("policy", ["report", "delete"])
def test_selected_orphans_follow_the_policy_and_others_stay(make: Make, policy: str) -> None:
    bench = make(orphans=policy)
    source_has(bench, *((number, "here", NOON) for number in range(1, 8)))
    production_has(bench, *((number, "here", NOON) for number in range(1, 8)))
    # Of the three that the source lacks, one is selected, at a time of no window.
    production_has(bench, (10, "selected", "2019-05-05"), (11, "beside", NOON), (12, "beside", "2019-05-05"))
    bench.on_production("UPDATE production.t SET name = 'stale' WHERE k = 2")
    reload = bench.merge({"t": [(1, "here", NOON)]}, keys(1, 10, 99))
    done = bench.confirm(reload)
    assert done.settled
    left = [("10", "selected")] if policy == "report" else []
    expected = [(str(number), "stale" if number == 2 else "here") for number in range(1, 8)]
    beside = [("11", "beside"), ("12", "beside")]
    assert sorted(bench.rows(PRODUCTION)) == sorted([*expected, *left, *beside])
    assert bench.rows("SELECT confirm_keys, orphans FROM admin.reload_tables") == [(3, 1 if policy == "report" else 0)]


def test_every_selected_key_is_compared_also_one_that_was_equal_when_it_was_merged(make: Make) -> None:
    """Somebody who is not CDC writes an equal row after the merge; nothing else would read it again."""
    bench = make()
    source_has(bench, (1, "a", NOON), (2, "b", EARLIER))
    production_has(bench, (1, "a", NOON), (2, "b", EARLIER))
    reload = bench.merge({"t": [(1, "a", NOON), (2, "b", EARLIER)]}, keys(1, 2))
    bench.on_production("UPDATE production.t SET name = 'x' WHERE k = 1")
    assert bench.confirm(reload).settled
    assert bench.rows(PRODUCTION) == [("1", "a"), ("2", "b")]


def test_a_row_that_this_reload_brought_back_goes_whatever_the_policy_says(make: Make) -> None:
    bench = make()
    source_has(bench, (1, "a", NOON), (2, "b", NOON))
    production_has(bench, (2, "b", NOON))
    reload = bench.merge({"t": [(1, "a", NOON), (2, "b", NOON)]}, keys(1, 2))
    # CDC has passed this delete before the merge.
    bench.on_source('DELETE FROM "SALES"."T" WHERE "K" = 1')
    assert bench.confirm(reload).settled
    assert bench.rows(PRODUCTION) == [("2", "b")]


@pytest.mark.parametrize("second", ["keys", "window"])
def test_what_a_dead_reload_brought_back_is_not_an_orphan_to_a_later_one(make: Make, second: str) -> None:
    """One of them selects by key, so no overlap of windows shows that both have the row. No sensor has swept yet."""
    bench = make()
    source_has(bench, (1, "a", NOON), (2, "b", NOON))
    production_has(bench, (2, "b", NOON))
    bench.merge({"t": [(1, "a", NOON), (2, "b", NOON)]}, None if second == "keys" else keys(1, 2))
    bench.on_source('DELETE FROM "SALES"."T" WHERE "K" = 1')
    reload = bench.merge({"t": [(2, "b", NOON)]}, keys(1, 2) if second == "keys" else None)
    assert bench.confirm(reload).settled
    assert bench.rows(PRODUCTION) == [("2", "b")]


def test_what_a_dead_reload_brought_back_is_as_any_row_once_a_list_with_it_was_confirmed(make: Make) -> None:
    """The source had the row then. If it deletes it a month later, the policy holds again."""
    bench = make()
    source_has(bench, (1, "a", NOON), (2, "b", NOON))
    production_has(bench, (2, "b", NOON))
    first = bench.merge({"t": [(1, "a", NOON)]}, keys(1))
    bench.made.ledger.give_up_confirm(first.reload_id, "its run died")
    assert bench.confirm(bench.merge({"t": [(1, "a", NOON), (2, "b", NOON)]}, keys(1, 2))).settled
    bench.on_source('DELETE FROM "SALES"."T" WHERE "K" = 1')
    assert bench.confirm(bench.merge({"t": []}, keys(1))).settled
    assert bench.rows(PRODUCTION) == [("1", "a"), ("2", "b")]


def test_a_key_that_the_source_spells_otherwise_is_not_gone(make: Make) -> None:
    """A trigger of production lowers the keys. No staged row shows it, but production's rows beside it do."""
    bench = make("VARCHAR2(10)", "varchar(10)", orphans="delete")
    names = ["AA", "AB", "AC", "AD"]
    source_has(bench, *((name, "n", NOON) for name in names))
    production_has(bench, *((name.lower(), "n", NOON) for name in names))
    reload = bench.merge({"t": []}, keys("ab"))
    with pytest.raises(KeyTextDiffers):
        bench.confirm(reload)
    assert len(bench.rows(PRODUCTION)) == 4


def test_a_key_is_gone_if_the_source_finds_those_beside_it_although_another_row_is_spelled_like_it(make: Make) -> None:
    """CDC has missed the insert of AB. The rows of the same minute would leave open whether that is ab."""
    bench = make("VARCHAR2(10)", "varchar(10)", orphans="delete")
    names = ["aa", "ac", "ad", "ae"]
    source_has(bench, *((name, "n", NOON) for name in [*names, "AB"]))
    production_has(bench, *((name, "n", NOON) for name in [*names, "ab"]))
    reload = bench.merge({"t": []}, keys("ab"))
    assert bench.confirm(reload).settled
    assert sorted(key for key, _ in bench.rows(PRODUCTION)) == names


def test_rows_of_the_same_minute_decide_where_the_source_finds_no_neighbour(make: Make) -> None:
    """A purge of the source has left nothing beside the selected keys."""
    bench = make("VARCHAR2(10)", "varchar(10)", orphans="delete")
    source_has(bench, ("z9", "n", LATER))
    production_has(bench, *((f"z{number}", "n", NOON) for number in range(1, 9)))
    reload = bench.merge({"t": []}, keys("z3"))
    assert bench.confirm(reload).settled
    assert [key for key, _ in bench.rows(PRODUCTION)] == [f"z{number}" for number in (1, 2, 4, 5, 6, 7, 8)]


def test_keys_are_kept_once_as_canonical_text_and_wrong_ones_are_named(make: Make) -> None:
    bench = make()
    reload = bench.made.stage({"t": []}, keys={"t": [("007",), ("7",), (" 12 ",)]})
    found = bench.rows("SELECT key FROM admin.reload_keys WHERE reload_id = (SELECT max(reload_id) FROM admin.reloads)")
    assert sorted(found) == [(["12"],), (["7"],)]
    assert reload.window is None
    with pytest.raises(KeysUnreadable, match=r"2 of the selected keys cannot be keys of t \(x; 1\.5\)"):
        bench.made.stage({"t": []}, keys={"t": [("1",), ("x",), ("2",), ("1.5",)]})


@pytest.mark.parametrize(
    ("types", "right", "wrong"),
    [
        (("NUMBER(10)", "bigint"), {"7.0": "7", " -07 ": "-7", "1e3": "1000", "-0": "0"}, ["7.5", "1e19", "NaN", ""]),
        (("RAW(8)", "bytea"), {"00FF": "00ff", "\\x00ff": "00ff"}, ["0x00FF", "00F", ""]),
        (("NUMBER(10,2)", "numeric(10,2)"), {"1.50": "1.5", "1e2": "100"}, ["1.005", "0.004"]),
        # DMS rounds such a number, and production has it rounded.
        (("NUMBER", "numeric"), {"1.00000000000001": "1"}, ["1,5"]),
        (
            ("DATE", "timestamp(0)"),
            {
                "2025-01-03": "2025-01-03 00:00:00.000000",
                "03-Jan-2025 10:00": "2025-01-03 10:00:00.000000",
                "2025-01-03T10:00:00.000000000": "2025-01-03 10:00:00.000000",
                "0044-03-15 00:00:00.000000 BC": "0044-03-15 00:00:00.000000 BC",
            },
            ["2025-01-03T10:00:00Z", "2025-01-03 10:00:00+05", "2025-01-03 10:00:00.6", "03-JAN-25", "now"],
        ),
        (("TIMESTAMP(3)", "timestamp(3)"), {}, ["2025-01-03 10:00:00.1235"]),
        (("CHAR(5)", "char(5)"), {"ab": "ab", "ab      ": "ab"}, ["", "   ", "abcdef"]),
        (("VARCHAR2(5)", "varchar(5)"), {"äbcde": "äbcde", "a ": "a "}, ["", "abcdef", "abcde "]),
    ],
    ids=lambda one: str(one[0]) if isinstance(one, tuple) else "",
)
def test_a_key_that_production_would_round_guess_or_cut_is_named(
    make: Make, types: tuple[str, str], right: dict[str, str], wrong: list[str]
) -> None:
    bench = make(*types)
    with bench.made.target.connect() as connection:
        (table,) = resolve_group(group_tables(bench.made.config, GROUP), connection, bench.reader)
        for written, canonical in right.items():
            assert canonical_keys(connection, table, [(written,)]) == [(canonical,)]
        for written in wrong:
            named = re.escape(f"1 of the selected keys cannot be keys of t ({written})")
            with pytest.raises(KeysUnreadable, match=named):
                canonical_keys(connection, table, [*((one,) for one in right), (written,)])


def test_a_long_list_of_wrong_keys_is_refused_without_a_try_of_each(make: Make) -> None:
    """It is of another column, say. The sensor has a minute for all requests."""
    bench = make()
    with bench.made.target.connect() as connection:
        (table,) = resolve_group(group_tables(bench.made.config, GROUP), connection, bench.reader)
        log: list[str] = []
        connection.add_notice_handler(lambda notice: log.append(str(notice.message_primary)))
        connection.execute("SET client_min_messages = log")
        connection.execute("SET log_min_error_statement = panic")
        connection.execute("SET log_statement = 'all'")
        with pytest.raises(KeysUnreadable, match=r"100 or more of the selected keys .* \(0\.5; 1\.5; 2\.5\)"):
            canonical_keys(connection, table, [(f"{number}.5",) for number in range(20_000)])
    assert 0 < sum("jsonb_array_elements" in one for one in log) < 1_000
