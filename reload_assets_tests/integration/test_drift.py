"""Drift: rows that differ at two readings of both sides, and not because CDC had not reached them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta, timezone
from typing import Any, cast

import pytest

from reload_assets.cdc.position import Cdc
from reload_assets.compare.compared_columns import Inexact
from reload_assets.compare.drift import Drift, find_drift
from reload_assets.compare.pace import Pace
from reload_assets.config.finders import DriftConfig
from reload_assets.finders.drift import DriftFinder
from reload_assets.finders.finding import Finding
from reload_assets.finders.requesting import Asked
from reload_assets.ledger.install import install
from reload_assets.local.oracle import OracleColumn, OracleTable, create_table
from reload_assets.local.postgres import PostgresServer
from reload_assets.postgres.connection import TargetDatabase
from reload_assets.preflight.drift import look_at_columns
from reload_assets.reload.parts import group_tables
from reload_assets.tables import resolve_group
from reload_assets.windows import Window
from reload_assets_tests.integration.compare_rig import DAY, WINDOW, Both, base_row, made
from reload_assets_tests.integration.confirm_bench import ScriptedCdc
from reload_assets_tests.integration.staged import config
from reload_assets_tests.integration.throwaway import throwaway_database


@pytest.fixture(scope="module")
def both(postgres: PostgresServer) -> Iterator[Both]:
    with throwaway_database(postgres, "drift_source") as source, throwaway_database(postgres, "drift") as target:
        yield from made(source, target)


def test_each_column_that_is_not_compared_has_its_reason(both: Both) -> None:
    (finding,) = look_at_columns(both.table, DriftConfig())
    assert finding.text == (
        "the finder drift does not see when production.hostile differs from the source in BODY, CLOB: set "
        "finders.drift.lobs."
    )
    assert list(look_at_columns(both.table, DriftConfig(lobs=True))) == []


def pace(**values: Any) -> Pace:
    return Pace(**{"rows_per_second": 1e9, "seconds": 600, **values})


def search(
    both: Both,
    *steps: Callable[[], None],
    keys: int = 10,
    inexact: Inexact = "without lobs",
    bounded: Pace | None = None,
) -> Drift:
    """Search; each wait for CDC runs the next of the steps."""
    cdc = cast(Cdc, ScriptedCdc(list(steps)))
    return find_drift(both.target, both.table, WINDOW, both.reader, cdc, bounded or pace(), keys=keys, inexact=inexact)


def under(both: Both, policies: str) -> Both:
    settings = config(f"hostile: {{window_column: updated_at, {policies}}}")
    (table,) = resolve_group(group_tables(settings, "sales"), both.target, both.reader)
    return replace(both, table=table)


def key(number: int) -> tuple[str, str]:
    return str(number), "a"


def nothing() -> None:
    pass


def test_what_differs_at_both_readings_is_drift_and_each_outcome_has_its_keys(both: Both) -> None:
    both.fill([base_row(number, updated_at=DAY + timedelta(hours=1)) for number in range(1, 8)])
    both.target.execute("DELETE FROM production.hostile WHERE id = 1")
    both.set("updated_at", DAY, 2)
    both.set("name", "other", 3)
    both.target.execute(
        "UPDATE production.hostile SET updated_at = updated_at + interval '1 minute' WHERE id IN (4, 5)"
    )
    both.set("name", "other", 4)
    both.production_has(base_row(8))
    both.source_has(base_row(9, updated_at=DAY - timedelta(days=1)))
    both.production_has(base_row(9))
    found = search(under(both, "orphans: delete"))
    assert found.keys == {
        "missing": [key(1)],
        "older": [key(2)],
        "content": [key(3)],
        # Of row 5, only the version differs: a trigger wrote it.
        "later": [key(4)],
        "extra": [key(8), key(9)],
    }
    assert found.counts == {"missing": 1, "older": 1, "content": 1, "later": 1, "extra": 2}
    assert (found.source_rows, found.changing, found.is_whole, found.drifted) == (7, 0, True, 6)
    assert found.effort.source_rows_read >= 14
    assert found.effort.production_rows_read >= 8


def test_an_equal_window_costs_one_reading_of_sums(both: Both) -> None:
    both.fill([base_row(number) for number in (1, 2)])
    found = search(both)
    assert (found.drifted, found.is_whole, found.segments, found.segments_differing) == (0, True, 1, 0)
    assert (found.source_rows, found.production_rows) == (2, 2)
    assert (found.effort.source_rows_read, found.effort.production_rows_read) == (2, 2)


def test_what_cdc_brings_meanwhile_is_no_drift(both: Both) -> None:
    """Production lacks a row when it is summed, and when it is read; then CDC inserts it."""
    both.fill([base_row(1)])
    both.source_has(base_row(2))
    assert search(both).keys == {"missing": [key(2)]}

    def applied() -> None:
        both.production_has(base_row(2))

    # The waits are those for the sums, for the first reading, and for the second one.
    found = search(both, nothing, nothing, applied)
    assert (found.drifted, found.changing, found.segments_differing) == (0, 0, 1)


def test_a_row_that_the_source_changes_between_the_readings_is_read_again(both: Both) -> None:
    """At both readings, production differs from what the source had given, and is right each time."""
    both.fill([base_row(1, name="0")])
    both.set("name", "wrong", 1)

    def changes_to(name: str) -> Callable[[], None]:
        def change() -> None:
            both.source.execute('UPDATE "SALES"."HOSTILE" SET "NAME" = %s', (name,))
            both.set("name", name, 1)

        return change

    # CDC has brought the change when production is read.
    found = search(both, nothing, changes_to("1"), changes_to("2"), changes_to("3"))
    assert (found.drifted, found.changing) == (0, 0)
    # It changes whenever both sides are read.
    found = search(both, nothing, *(changes_to(str(number)) for number in range(10, 20)))
    assert (found.drifted, found.changing) == (0, 0)
    both.set("name", "wrong", 1)
    found = search(both, nothing, *(changes_to(str(number)) for number in range(20, 30)))
    assert (found.drifted, found.changing, found.is_whole) == (0, 1, True)


@pytest.mark.parametrize(
    ("policies", "outcome", "damage"),
    [
        ("equal_version: skip", "content", {"name": "other"}),
        ("version_column: day, null_version: report", "unversioned", {"day": None}),
        ("orphans: report", "extra", None),
    ],
)
def test_what_a_policy_leaves_is_counted_and_is_no_drift(
    both: Both, policies: str, outcome: str, damage: dict[str, Any] | None
) -> None:
    both.fill([base_row(number, day=DAY) for number in (1, 2)])
    if damage is None:
        both.production_has(base_row(3, day=DAY))
    else:
        both.set(*next(iter(damage.items())), 1)
    found = search(under(both, policies))
    assert (found.drifted, found.left) == (0, {outcome: 1})


def test_only_the_first_keys_are_kept_and_all_rows_are_counted(both: Both) -> None:
    both.fill([])
    for number in range(1, 9):
        both.source_has(base_row(number))
    found = search(both, keys=3)
    assert (found.counts, [len(keys) for keys in found.keys.values()]) == ({"missing": 8}, [3])


def test_a_search_pauses_and_stops_in_time_and_what_it_has_read_counts_in_part(both: Both) -> None:
    both.fill([base_row(number, updated_at=DAY + timedelta(hours=2 * number)) for number in range(12)])
    both.target.execute("ANALYZE production.hostile")
    both.target.execute("DELETE FROM production.hostile WHERE id IN (0, 11)")
    now, slept = 0.0, 0.0

    def sleep(seconds: float) -> None:
        nonlocal now, slept
        now, slept = now + seconds, slept + seconds

    bounded = pace(rows_per_second=1, seconds=15, clock=lambda: now, sleep=sleep)
    found = search(both, bounded=bounded)
    # Twelve rows are three reads of five seconds each. Half of the time is for the source's sums, which is two reads.
    assert (found.is_whole, found.source_rows, found.production_rows) == (False, 8, 7)
    assert 14 < slept <= 15
    # The time was over before the row was read twice.
    assert (found.keys, found.changing) == ({}, 1)
    bounded = pace(rows_per_second=1, seconds=60, clock=lambda: now, sleep=sleep)
    now = 0.0
    found = search(both, bounded=bounded)
    assert (found.is_whole, found.source_rows, found.keys) == (True, 12, {"missing": [key(0), key(11)]})


def test_rows_that_differ_by_inexact_columns_alone_are_compared_by_value(both: Both) -> None:
    """The floats' texts differ although they are as good as equal, so the LOB decides."""
    both.fill([base_row(number, body=BODY) for number in (1, 2, 3)])
    both.source.execute('UPDATE "SALES"."HOSTILE" SET "RATE" = 1.00000000000005')
    both.target.execute("UPDATE production.hostile SET rate = 1.0000000000000499")
    both.set("body", BODY[1:], 2)
    both.set("name", "other", 3)
    assert search(both).keys == {"content": [key(3)]}
    assert search(both, inexact="all").keys == {"content": [key(2), key(3)]}


BODY = "Grüße, 漢字 and more. " * 500


@pytest.mark.parametrize(
    ("there", "here", "is_equal"),
    [
        (BODY, BODY, True),
        (BODY, BODY.replace("more", "less", 1), False),
        (BODY, BODY[::-1], False),
        # Pieces of a thousand characters that change places.
        ("a" * 1000 + "b" * 1000, "b" * 1000 + "a" * 1000, False),
        (BODY, None, False),
        (None, "x", False),
        # As DMS loads it.
        ("", None, True),
        (None, None, True),
    ],
)
def test_a_lob_that_cdc_did_not_carry_is_found_if_lobs_are_compared(
    both: Both, there: str | None, here: str | None, is_equal: bool
) -> None:
    """LogMiner does not carry updates of a LOB: production has the version of the source, and an older text."""
    both.fill([base_row(number, body="same") for number in (1, 2)])
    both.source.execute('UPDATE "SALES"."HOSTILE" SET "BODY" = %s WHERE "ID" = 1', (there,))
    both.set("body", here, 1)
    found = search(both, inexact="all")
    assert found.keys == ({} if is_equal else {"content": [key(1)]})
    assert "BODY" not in found.left_out
    found = search(both)
    assert (found.drifted, found.segments_differing) == (0, 0)
    assert found.left_out["BODY"] == "CLOB"


@pytest.mark.parametrize(
    ("there", "here", "is_equal"),
    [
        ("0.1", 0.1, True),
        # DMS carries fifteen digits.
        ("0.12345678901234567890", 0.123456789012346, True),
        # Equal to fifteen digits, although the first fourteen are rounded to different ones.
        ("1.00000000000005", 1.0000000000000499, True),
        ("-1e100", -1e100, True),
        ("0", 0.0, True),
        ("0.1", 0.1000001, False),
        ("1", None, False),
    ],
)
def test_floats_are_compared_as_far_as_dms_carries_them(
    both: Both, there: str, here: float | None, is_equal: bool
) -> None:
    both.fill([base_row(1)])
    both.source.execute('UPDATE "SALES"."HOSTILE" SET "RATE" = %s::numeric', (there,))
    both.set("rate", here, 1)
    found = search(both)
    assert found.keys == ({} if is_equal else {"content": [key(1)]})
    assert found.left_out == {"BODY": "CLOB"}


# Oracle's type, production's, a value of the source, the same in production, and another one.
OTHERS = {
    "nbody": ("NCLOB", "text", BODY, BODY, BODY[:-1]),
    "scan": ("BLOB", "bytea", bytes(range(256)) * 30, bytes(range(256)) * 30, bytes(range(255)) * 30),
    "single": ("BINARY_FLOAT", "real", "0.1", 0.1, 0.11),
    "double": ("BINARY_DOUBLE", "double precision", "NaN", float("nan"), float("inf")),
    "sent": ("TIMESTAMP(6) WITH TIME ZONE", "timestamptz", "2025-01-02 01:30+02", "2025-01-01 23:30Z", "2025-01-02Z"),
}


@pytest.fixture(scope="module")
def others(both: Both) -> Both:
    columns = [OracleColumn("ID", "NUMBER(9)", nullable=False), OracleColumn("UPDATED_AT", "TIMESTAMP(6)")]
    columns += [OracleColumn(name.upper(), one[0]) for name, one in OTHERS.items()]
    create_table(both.source, "SALES", OracleTable("OTHERS", columns, ["ID"]))
    listed = ", ".join(f"{name} {one[1]}" for name, one in OTHERS.items())
    both.target.execute(
        f"CREATE TABLE production.others (id integer PRIMARY KEY, updated_at timestamp, {listed})".encode()
    )
    settings = group_tables(config("others: {window_column: updated_at}"), "sales")
    (table,) = resolve_group(settings, both.target, both.reader)
    return replace(both, table=table)


@pytest.mark.parametrize("column", [None, *OTHERS])
def test_every_other_type_that_can_be_is_compared(others: Both, column: str | None) -> None:
    there = [one[2] for one in OTHERS.values()]
    here = [one[4] if name == column else one[3] for name, one in OTHERS.items()]
    marks = ", ".join(["%s"] * len(OTHERS))
    for connection, name, values in (
        (others.source, '"SALES"."OTHERS"', there),
        (others.target, "production.others", here),
    ):
        connection.execute(f"TRUNCATE {name}".encode())
        connection.execute(f"INSERT INTO {name} VALUES (1, %s, {marks})".encode(), [DAY, *values])
    found = search(others, inexact="all")
    assert found.keys == ({"content": [("1",)]} if column else {})
    assert found.left_out == {}


# Oracle's type of the key, production's, keys of the source that both sides have, and one that production cannot have.
NARROW = {
    "integer": ("NUMBER(10)", "integer", ["1", "2"], "9999999999"),
    "decimal": ("NUMBER(12,2)", "numeric(6,2)", ["1", "1234.5"], "123456.78"),
    "text": ("VARCHAR2(20)", "varchar(4)", ["abcd", "b"], "abcdef"),
    "padded": ("CHAR(6)", "char(4)", ["abcd", "b"], "abcdef"),
    "domain": ("NUMBER(9)", "production.small", ["1", "2"], "5000"),
}


@pytest.mark.parametrize("kind", NARROW)
def test_a_key_that_production_cannot_have_is_missing_and_hides_no_other_row(both: Both, kind: str) -> None:
    there, here, right, wide = NARROW[kind]
    columns = [OracleColumn("K", there, nullable=False), OracleColumn("UPDATED_AT", "TIMESTAMP(6)")]
    create_table(both.source, "SALES", OracleTable(f"NARROW_{kind.upper()}", columns, ["K"]))
    if kind == "domain":
        both.target.execute("CREATE DOMAIN production.small AS integer CHECK (value < 1000)")
    table = f"production.narrow_{kind}"
    both.target.execute(f"CREATE TABLE {table} (k {here} PRIMARY KEY, updated_at timestamp(6))".encode())
    for key in [*right, wide]:
        both.source.execute(f'INSERT INTO "SALES"."NARROW_{kind.upper()}" VALUES (%s, %s)'.encode(), (key, DAY))
    both.target.execute(f"INSERT INTO {table} VALUES (%s, %s)".encode(), (right[0], DAY))
    settings = group_tables(config(f"narrow_{kind}: {{window_column: updated_at}}"), "sales")
    (resolved,) = resolve_group(settings, both.target, both.reader)
    found = search(replace(both, table=resolved))
    assert {outcome: sorted(keys) for outcome, keys in found.keys.items()} == {
        "missing": sorted([(right[1],), (wide,)])
    }


def test_what_no_reload_brings_is_said_and_not_asked_for(both: Both) -> None:
    columns = [OracleColumn("K", "NUMBER(10)", nullable=False), OracleColumn("UPDATED_AT", "TIMESTAMP(6)")]
    create_table(both.source, "SALES", OracleTable("BEYOND", columns, ["K"]))
    both.target.execute("CREATE TABLE production.beyond (k integer PRIMARY KEY, updated_at timestamp(6))")
    both.source.execute("""INSERT INTO "SALES"."BEYOND" VALUES (1, %s), (2, %s), (9999999999, %s)""", [DAY] * 3)
    both.target.execute("INSERT INTO production.beyond VALUES (1, %s)", (DAY,))
    settings = config("beyond: {window_column: updated_at}")
    install(both.target, settings.target)
    info = both.target.info
    asked: list[Finding] = []

    def ask(findings: Iterable[Finding]) -> Asked:
        asked.extend(findings)
        return Asked()

    finder = DriftFinder(
        "sales",
        group_tables(settings, "sales"),
        DriftConfig(),
        settings.source.zone,
        TargetDatabase(info.host, info.port, info.dbname, info.user, info.password),
        lambda: nullcontext(both.reader),
        None,
        ask,
        str,
    )
    day = Window(DAY.replace(tzinfo=timezone.utc), DAY.replace(tzinfo=timezone.utc) + timedelta(days=1))
    ((compared,), _) = finder.compare(day, ["beyond"], "a run")
    assert compared.drift is not None
    assert compared.drift.counts == {"missing": 2}
    assert (
        "No reload brings 1 row (k 9999999999), whose keys do not fit the key of production (k integer)"
        in compared.detail
    )
    assert [finding.keys for finding in asked] == [[("2",)]]
    both.target.execute("INSERT INTO production.beyond VALUES (2, %s)", (DAY,))
    finder.compare(day, ["beyond"], "another run")
    assert len(asked) == 1
    assert both.target.execute("SELECT is_equal, missing FROM admin.comparisons ORDER BY 2").fetchall() == [
        (False, 1),
        (False, 2),
    ]
