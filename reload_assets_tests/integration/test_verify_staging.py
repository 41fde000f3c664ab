"""Each staging check finds what it is for, says so in one sentence, and reports what it could not verify."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import psycopg
import pytest

from reload_assets.errors import code_of
from reload_assets.local.postgres import PostgresServer
from reload_assets.postgres.connection import TargetDatabase
from reload_assets_tests.integration.staged import NOON, StagedReload, target_of
from reload_assets_tests.integration.throwaway import throwaway_database

ITEMS = """
CREATE TABLE production.items (
    item_id bigint, line_no integer, name varchar(20) NOT NULL, amount numeric(10, 2), note text, scan bytea,
    updated_at timestamp, doubled numeric GENERATED ALWAYS AS (amount * 2) STORED, mine text DEFAULT 'x',
    PRIMARY KEY (item_id, line_no)
);
"""
DDL = f"""
CREATE SCHEMA production;
CREATE TYPE production.mood AS ENUM ('good', 'bad');
CREATE DOMAIN production.share AS numeric(5, 2) CHECK (value >= 0);
{ITEMS}
CREATE TABLE production.odd (
    "order" integer PRIMARY KEY, "a :b {{c}}" text COLLATE "C", feed xml, spot point, feeling production.mood,
    part production.share, codes integer[], day timestamp(3), wait interval day to second(3), pad character(4),
    updated_at timestamp
);
"""
TABLES = """
items: {window_column: updated_at, columns: [item_id, line_no, name, amount, note, scan, updated_at]}
odd: {window_column: updated_at}
"""


@pytest.fixture(scope="module")
def database(postgres: PostgresServer) -> Iterator[TargetDatabase]:
    with throwaway_database(postgres, "verify") as url:
        yield target_of(postgres, url, DDL)


@pytest.fixture
def reload(database: TargetDatabase) -> Iterator[StagedReload]:
    """A reload whose staging holds three good rows of items, not finished yet; production is fixed after the test."""
    made = StagedReload(database, TABLES)
    made.stage("items", [(n, 1, f"item {n}", n, "note", b"scan", NOON) for n in range(3)])
    yield made
    made.ledger.close(made.reload.reload_id, "cancelled", "end of the test")


def test_good_rows_pass_every_check_quickly_and_leave_no_connection(reload: StagedReload) -> None:
    reload.stage("odd", [(1, "x", None, "(1,2)", "good", 1, [1], NOON, timedelta(1), "p", NOON)])
    reload.finish(source=3)
    reload.verify("items")  # imports
    started = time.monotonic()
    outcomes = reload.verify("items")
    assert time.monotonic() - started < 3
    assert list(outcomes) == ["row_count", "types", "window_bounds", "keys", "lob_limit"]
    assert {(o.status, o.blocking) for o in outcomes.values()} == {("passed", True)}, outcomes
    assert (
        outcomes["row_count"].detail
        == f"staging.items_r{reload.reload.reload_id} has 3 rows, as the source has in the window."
    )
    assert outcomes["row_count"].facts == {
        "staged_rows": 3,
        "trimmed_rows": 0,
        "source_rows_before": 3,
        "source_rows_after": 3,
    }
    assert "no description of the source" in outcomes["types"].detail
    assert connections(reload.target) == 0


def connections(target: TargetDatabase) -> int:
    with target.connect(autocommit=True) as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
            "AND backend_type = 'client backend'"
        ).fetchone()
    assert row is not None
    return int(row[0])


def test_no_connection_is_left_where_nothing_could_be_verified(reload: StagedReload) -> None:
    """Another table of the same name is not the one that was loaded; and the connections are closed all the same."""
    reload.finish(source=3)
    name = reload.staged("items").staging_table
    reload.execute(f"DROP TABLE staging.{name}")
    reload.execute(f"CREATE TABLE staging.{name} AS SELECT 1 AS item_id FROM generate_series(1, 3)")
    outcomes = reload.verify("items")
    assert {name: outcome.status for name, outcome in outcomes.items()} == {
        "row_count": "could not verify",
        "types": "failed",
        "window_bounds": "could not verify",
        "keys": "could not verify",
        "lob_limit": "could not verify",
    }
    assert all(outcome.blocking and f"staging.{name}" in outcome.detail for outcome in outcomes.values())
    assert {code_of(outcome.detail) for outcome in outcomes.values()} == {"staging-gone"}
    assert connections(reload.target) == 0


def test_every_type_and_name_that_postgresql_allows_can_be_verified(reload: StagedReload) -> None:
    reload.stage("odd", [(1, "x", None, "(1,2)", "good", 1, [1], NOON, timedelta(1), "p", NOON)])
    reload.finish(source=1)
    outcomes = reload.verify("odd")
    assert {o.status for o in outcomes.values()} == {"passed"}, outcomes


@pytest.mark.parametrize(
    ("source", "after", "status", "blocking", "words"),
    [
        (3, 3, "passed", True, "has 3 rows, as the source has in the window."),
        (
            4,
            4,
            "could not verify",
            False,
            "the source had 4 before the load and 4 after it; their keys do not say which",
        ),
        (2, 5, "could not verify", False, "because there is no description of the source's columns."),
        (100, 1, "could not verify", False, "the source had 100 before the load and 1 after it"),
    ],
)
def test_counts_alone_prove_nothing_but_that_they_are_alike(
    reload: StagedReload, source: int, after: int, status: str, blocking: bool, words: str
) -> None:
    """A live source may have had any number of rows between two counts."""
    reload.finish(source=source, source_after=after)
    outcome = reload.verify("items", "row_count")["row_count"]
    assert (outcome.status, outcome.blocking) == (status, blocking)
    assert words in outcome.detail


def test_rows_that_vanish_from_staging_after_the_load_are_missed(reload: StagedReload) -> None:
    reload.finish(source=3)
    reload.execute(f"DELETE FROM staging.{reload.staged('items').staging_table} WHERE item_id = 2")
    assert reload.staged("items").staged_rows == 3
    outcome = reload.verify("items", "row_count")["row_count"]
    assert outcome.status == "failed"
    assert "has 2 rows where the load left 3: somebody has changed it since" in outcome.detail


@pytest.mark.parametrize(
    ("dms", "configured", "status", "blocking", "words"),
    [
        (None, False, "could not verify", False, "configure source.connection"),
        (3, False, "could not verify", False, "as many as DMS says"),
        (4, False, "failed", True, "DMS says that it loaded 4 rows into staging."),
        (3, True, "could not verify", True, "not counted both before and after the load"),
    ],
)
def test_without_the_sources_count_dms_is_asked(
    reload: StagedReload,
    dms: int | None,
    configured: bool,
    status: str,
    blocking: bool,
    words: str,
) -> None:
    reload.finish(dms=dms)
    outcome = reload.verify("items", "row_count", source_configured=configured)["row_count"]
    assert (outcome.status, outcome.blocking) == (status, blocking)
    assert words in outcome.detail


def test_trimmed_rows_count_as_delivered_by_dms(reload: StagedReload) -> None:
    reload.stage("items", [(9, 1, "late", 1, None, None, datetime(2025, 1, 3))])
    reload.finish(dms=4)
    outcome = reload.verify("items", "row_count", source_configured=False)["row_count"]
    assert (outcome.status, outcome.facts["trimmed_rows"]) == ("could not verify", 1)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            "ALTER COLUMN amount TYPE numeric(12,2)",
            "amount is numeric(10,2) in staging and numeric(12,2) in production (PRECISION MISMATCH)",
        ),
        ("ALTER COLUMN amount TYPE numeric(10,3)", "(SCALE MISMATCH)"),
        ("ALTER COLUMN amount TYPE numeric", "and numeric in production (PRECISION MISMATCH)"),
        ("ALTER COLUMN name TYPE varchar(30)", "(LENGTH MISMATCH)"),
        ("ALTER COLUMN name TYPE varchar", "character varying in production (LENGTH MISMATCH)"),
        ("ALTER COLUMN name TYPE text", "(DATA TYPE MISMATCH)"),
        (
            "ALTER COLUMN updated_at TYPE timestamp(0)",
            "timestamp(0) without time zone in production (PRECISION MISMATCH)",
        ),
        ("ALTER COLUMN note SET NOT NULL", "text not null in production (NULLABILITY MISMATCH)"),
        ("RENAME COLUMN note TO remark", "production has no column for note text (EXTRA COLUMN)"),
        ("ADD COLUMN added integer NOT NULL", "staging has no column for added integer not null (MISSING COLUMN)"),
        ("SET SCHEMA public", "there is no table production.items (MISSING TABLE)"),
    ],
)
def test_a_change_of_production_since_the_load_is_found(reload: StagedReload, change: str, words: str) -> None:
    reload.finish(source=3)
    reload.execute("ALTER TABLE production.items DROP COLUMN doubled")
    try:
        reload.execute(f"ALTER TABLE production.items {change}")
        outcome = reload.verify("items", "types")["types"]
    finally:
        reload.execute(f"DROP TABLE IF EXISTS production.items, public.items; {ITEMS}")
    assert (outcome.status, outcome.blocking) == ("failed", True)
    assert words in outcome.detail
    assert outcome.facts["differences"] == 1


def test_great_expectations_has_its_own_word_on_types(reload: StagedReload) -> None:
    """A view that finds nothing, made worthless by hand, does not make the check pass."""
    reload.finish(source=3)
    reload.execute(
        f"ALTER TABLE staging.{reload.staged('items').staging_table} ALTER COLUMN amount TYPE numeric(12, 4)"
    )
    definition = reload.execute("SELECT pg_get_viewdef('admin.oracle_pg_type_verification'::regclass)")[0][0]
    reload.execute(
        "CREATE OR REPLACE VIEW admin.oracle_pg_type_verification AS "
        f"SELECT * FROM ({definition.rstrip(';')}) AS v WHERE false"
    )
    try:
        outcome = reload.verify("items", "types")["types"]
    finally:
        reload.execute(f"CREATE OR REPLACE VIEW admin.oracle_pg_type_verification AS {definition}")
    assert outcome.status == "failed"
    assert "great_expectations finds other types than production's for amount" in outcome.detail


def test_rows_outside_the_window_and_without_one_are_told_apart(reload: StagedReload) -> None:
    day = datetime(2025, 1, 2)
    edges = [day, day + timedelta(days=1) - timedelta(microseconds=1)]
    reload.stage("items", [(10 + n, 1, "edge", 0, None, None, at) for n, at in enumerate(edges)])
    reload.finish(source=5)
    assert reload.verify("items", "window_bounds")["window_bounds"].status == "passed"
    # As a mapping whose conditions are OR-ed would load them: far outside.
    outside = [datetime(2024, 12, 31), datetime(2025, 1, 3), None]
    reload.stage("items", [(20 + n, 1, "out", 0, None, None, at) for n, at in enumerate(outside)])
    outcome = reload.verify("items", "window_bounds")["window_bounds"]
    assert (outcome.status, outcome.blocking) == ("failed", True)
    assert "2 rows outside [2025-01-02 00:00:00, 2025-01-03 00:00:00) in UTC" in outcome.detail
    assert "from 2024-12-31 00:00:00 to 2025-01-03 00:00:00" in outcome.detail
    assert "and 1 row without a value" in outcome.detail
    assert (outcome.facts["outside"], outcome.facts["without"]) == (2, 1)


def test_keys_that_repeat_and_values_that_lack_are_named(reload: StagedReload) -> None:
    name = reload.staged("items").staging_table
    reload.stage("items", [(1, 1, "again", 0, None, None, NOON), (7, 2, None, 0, None, None, NOON)])
    reload.stage("items", [(None, 3, "no key", 0, None, None, NOON)])
    reload.finish(source=6)
    outcome = reload.verify("items", "keys")["keys"]
    assert (outcome.status, outcome.blocking) == ("failed", True)
    assert outcome.detail == (
        f"staging.{name} has 1 key in 2 rows ((item_id, line_no) (1, 1)); 1 row with a NULL in item_id, which is part "
        "of the key ((item_id, line_no) (NULL, 3)); 1 row with a NULL in name, which production declares NOT NULL "
        "((item_id, line_no) (7, 2)); fix those rows in the source, or groups.sales.tables.items.key, then reload "
        "the window."
    )
    assert outcome.facts == {"duplicate_keys": 1, "duplicate_rows": 2, "null_values": 2}


def test_a_single_key_that_repeats_is_named(reload: StagedReload) -> None:
    row = ("x", None, "(1,2)", "good", 1, [1], NOON, timedelta(1), "p", NOON)
    reload.stage("odd", [(number % 7, *row) for number in range(14)])
    reload.finish(source=14)
    outcome = reload.verify("odd", "keys")["keys"]
    assert outcome.status == "failed"
    assert "has 7 keys in 14 rows (order 0, 1, 2, 3, 4 ...)" in outcome.detail


@pytest.mark.parametrize(("column", "value"), [("note", "x" * 1024), ("scan", b"x" * 1024), ("note", "é" * 511 + "x")])
def test_hazard_26_a_lob_that_was_cut_at_the_limit_fails(reload: StagedReload, column: str, value: str | bytes) -> None:
    """DMS cuts at the limit and only writes a warning into its log; a cut inside a character leaves a byte less."""
    shorter = value[:-1] if column == "note" and value[0] == "x" else value[:-2]
    reload.stage("items", [(8, 1, "short", 0, None, None, NOON)])
    reload.execute(
        f"UPDATE staging.{reload.staged('items').staging_table} SET {column} = %s WHERE item_id = 8", shorter
    )
    reload.finish(source=4)
    fine = reload.verify("items", "lob_limit")["lob_limit"]
    assert (fine.status, fine.facts["lob_columns"]) == ("passed", 2)
    reload.execute(f"UPDATE staging.{reload.staged('items').staging_table} SET {column} = %s WHERE item_id = 1", value)
    outcome = reload.verify("items", "lob_limit")["lob_limit"]
    assert (outcome.status, outcome.blocking) == ("failed", True)
    assert f"1 value of {column} at 1 KB" in outcome.detail
    assert "dms.task.lob_limit_kb (now 1)" in outcome.detail
    assert outcome.facts["cut_values"] == 1


def test_hazard_25_values_that_python_cannot_hold_are_verified_inside_sql(
    postgres: PostgresServer, new_database: Callable[[str], str]
) -> None:
    """psycopg refuses years before 1 and infinity, pandas rounds 2^53 + 1 beside a NULL; no check may meet them."""
    ddl = (
        "CREATE SCHEMA production; CREATE TABLE production.events (at timestamp, number bigint, big numeric, "
        "note text, updated_at timestamp, PRIMARY KEY (at, number));"
        "CREATE TABLE production.instants (at timestamp PRIMARY KEY, updated_at timestamp)"
    )
    tables = "events: {window_column: updated_at}\ninstants: {window_column: updated_at}"
    reload = StagedReload(target_of(postgres, new_database("extremes"), ddl), tables)
    # Oracle's year 0 is PostgreSQL's 1 BC.
    stamps = ["4713-01-01 00:00:00 BC", "0001-01-01 00:00:00 BC", "infinity", "-infinity", "9999-12-31 00:00:00"]
    reload.stage("events", [(at, 2**53 + n, "NaN", None, NOON) for at in stamps for n in (0, 1)])
    reload.stage("instants", [(at, NOON) for at in stamps])
    reload.finish(source=10)
    outcomes = reload.verify("events")
    assert {outcome.status for outcome in outcomes.values()} == {"passed"}, outcomes
    assert reload.verify("instants", "keys")["keys"].status == "passed"
    # 2^53 and 2^53 + 1 are one float: a key that repeats is distinguished from one that only seems to.
    table = reload.staged("events").staging_table
    reload.execute(f"ALTER TABLE staging.{table} DROP CONSTRAINT {table}_pkey")
    reload.stage("events", [("0044-03-15 00:00:00 BC", 2**53 + 1, None, None, NOON)] * 2)
    reload.stage(
        "events", [("infinity", 2**53 + 3, None, None, "infinity"), ("infinity", 5, None, None, "0044-03-15 BC")]
    )
    outcomes = reload.verify("events", "keys", "window_bounds")
    assert "1 key in 2 rows ((at, number) (0044-03-15 00:00:00 BC, 9007199254740993))" in outcomes["keys"].detail
    assert "from 0044-03-15 00:00:00 BC to infinity" in outcomes["window_bounds"].detail


def test_hazard_22_keys_that_only_look_alike_are_two(
    postgres: PostgresServer, new_database: Callable[[str], str]
) -> None:
    """NFC and NFD are two texts in Oracle and stay two; padding makes no second CHAR key, and '' is a value here."""
    ddl = """
    CREATE SCHEMA production;
    CREATE TABLE production.words (word text PRIMARY KEY, updated_at timestamp);
    CREATE TABLE production.codes (code character(4) PRIMARY KEY, updated_at timestamp);
    """
    tables = "words: {window_column: updated_at}\ncodes: {window_column: updated_at}"
    reload = StagedReload(target_of(postgres, new_database("alike"), ddl), tables)
    reload.stage("words", [("Caf\u00e9", NOON), ("Cafe\u0301", NOON), ("caf\u00e9", NOON)])
    reload.stage("codes", [("a", NOON), ("a   ", NOON)])
    reload.finish(source=3)
    assert reload.verify("words", "keys")["keys"].status == "passed"
    repeated = reload.verify("codes", "keys")["keys"]
    assert (repeated.status, repeated.facts["duplicate_keys"]) == ("failed", 1)


def test_what_breaks_on_the_way_is_no_failed_check_and_shows_no_password(
    reload: StagedReload, postgres: PostgresServer
) -> None:
    reload.finish(source=3)
    reload.execute(f"ALTER TABLE staging.{reload.staged('items').staging_table} DROP COLUMN note CASCADE")
    outcomes = reload.verify("items")
    lob = outcomes["lob_limit"]
    assert (lob.status, lob.blocking) == ("could not verify", True)
    assert "column s.note does not exist" in lob.detail
    assert "\n" not in lob.detail
    assert "SELECT" not in lob.detail
    assert [name for name, one in outcomes.items() if one.status == "passed"] == [
        "row_count",
        "types",
        "window_bounds",
        "keys",
    ]
    assert not any(postgres.password in str(outcome) for outcome in outcomes.values())


def test_a_wrong_password_is_never_shown(reload: StagedReload) -> None:
    from reload_assets.verify.expectations import Expectation, validate

    secret = "p@ss/w:rd $HOME {x}%s"
    target = replace(reload.target, password=secret)
    expectation = Expectation("row_count", "ExpectTableRowCountToEqual", {"value": 3})
    verdict = validate(target, "staging", reload.staged("items").staging_table, [expectation])["row_count"][0]
    assert not verdict.success
    assert verdict.problem
    assert "p@ss" not in verdict.problem
    assert "p%40ss" not in verdict.problem
    assert "authentication failed" in verdict.problem


def test_a_password_with_every_kind_of_character_logs_in(reload: StagedReload) -> None:
    secret = "p@ss/w:rd $HOME ${x} {x}%s é"
    reload.finish(source=3)
    with psycopg.connect(
        host=reload.target.host,
        port=reload.target.port,
        dbname=reload.target.database,
        user=reload.target.user,
        password=reload.target.password,
        autocommit=True,
    ) as connection:
        connection.execute("DROP ROLE IF EXISTS hard_to_spell")
        connection.execute(f"CREATE ROLE hard_to_spell SUPERUSER LOGIN PASSWORD '{secret}'")
        try:
            reload.target = replace(reload.target, user="hard_to_spell", password=secret)
            assert reload.verify("items", "row_count")["row_count"].status == "passed"
        finally:
            connection.execute("DROP ROLE hard_to_spell")


def test_only_the_chosen_checks_are_run(reload: StagedReload) -> None:
    reload.finish(source=3)
    assert list(reload.verify("items", "keys", "row_count")) == ["row_count", "keys"]
    with pytest.raises(ValueError, match="There is no check rows; there are row_count, types"):
        reload.verify("items", "rows")
