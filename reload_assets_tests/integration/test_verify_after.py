"""The checks after a merge: they find differences that the merge did not cause, and nothing stops them."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import cast

import psycopg
import pytest
import sqlalchemy as sa

from reload_assets.cdc.position import Cdc
from reload_assets.errors import code_of
from reload_assets.local.oracle import create_schema, create_table
from reload_assets.local.postgres import PostgresServer, free_port
from reload_assets.postgres.connection import TargetDatabase
from reload_assets.source.reader import SourceReader
from reload_assets.verify.staged_in_production import staged_in_production
from reload_assets_tests.integration.merged_rig import (
    INSERT_SOURCE,
    LATER,
    ORDERS,
    PRODUCTION,
    SOURCE,
    TABLES,
    Merged,
    line,
)
from reload_assets_tests.integration.staged import NOON, StagedReload, copied, target_of
from reload_assets_tests.integration.throwaway import throwaway_database


@pytest.fixture(scope="module")
def prepared(postgres: PostgresServer) -> Iterator[Merged]:
    """Both databases, with the same rows on all sides; tests change only a copy, or undo their changes."""
    with (
        throwaway_database(postgres, "after_source") as url,
        throwaway_database(postgres, "after") as target_url,
        psycopg.connect(url, autocommit=True) as source,
        SourceReader(sa.make_url(url), "SALES") as reader,
    ):
        create_schema(source, "SALES")
        for table in SOURCE:
            create_table(source, "SALES", table)
        target = target_of(postgres, target_url, PRODUCTION)
        made = Merged(StagedReload(target, TABLES, reader=reader), source, reader)
        made.staged.finish(source=4)
        yield made


@pytest.fixture
def merged(prepared: Merged) -> Merged:
    """Fresh rows, the same on all sides."""
    source, staged = prepared.source, prepared.staged
    source.execute('TRUNCATE "SALES"."CUSTOMERS", "SALES"."LINES"')
    staged.execute(
        "TRUNCATE production.customers, production.lines, staging.customers_r1, staging.lines_r1, "
        "admin.reload_changes; UPDATE admin.reload_tables SET identical = 0, "
        "staged_rows = CASE table_name WHEN 'lines' THEN 4 ELSE 1 END"
    )
    rows = [line(number) for number in ORDERS]
    source.execute("""INSERT INTO "SALES"."CUSTOMERS" VALUES (1, 'one', %s)""", (NOON,))
    with source.cursor() as cursor:
        cursor.executemany(INSERT_SOURCE, rows)
    staged.stage("customers", [(1, "one", NOON)])
    staged.stage("lines", rows)
    staged.execute("INSERT INTO production.customers TABLE staging.customers_r1")
    staged.execute("INSERT INTO production.lines TABLE staging.lines_r1")
    return Merged(staged, source, prepared.reader)


@pytest.fixture
def apart(postgres: PostgresServer, merged: Merged) -> Iterator[Merged]:
    """A target of its own, for tests that change more than rows."""
    with copied(postgres, merged.staged.target) as target:
        yield Merged(merged.staged.moved_to(target, merged.reader), merged.source, merged.reader)


def test_production_that_equals_the_source_passes(merged: Merged) -> None:
    outcomes = merged.verify()
    assert {outcome.status for outcome in outcomes.values()} == {"passed"}, outcomes
    assert outcomes["staged_in_production"].facts["equal"] == 4
    assert outcomes["foreign_keys"].facts == {"foreign_keys": 1, "rows_without_parent": 0}
    assert outcomes["window_matches_source"].facts == {
        "same": 4,
        "newer": 0,
        "missing": 0,
        "other": 0,
        "content": 0,
        "unversioned": 0,
        "later": 0,
        "extra": 0,
        "segments": 1,
        "segments_differing": 0,
        "not_compared": "NOTE (CLOB), SCAN (BLOB)",
    }
    assert outcomes["window_matches_source"].detail == (
        "The window of production.lines has the keys, versions and content of the source's 4 rows, except NOTE "
        "(CLOB), SCAN (BLOB), which cannot be compared."
    )
    assert merged.verify("customers")["foreign_keys"].detail == "production.customers has no foreign keys."


@pytest.mark.parametrize(
    ("change", "status", "fact", "words"),
    [
        (
            "SET note = 'other' WHERE order_id = 3",
            "failed",
            "other",
            "1 staged row in production with the same version",
        ),
        (
            "SET updated_at = updated_at - interval '1 us' WHERE order_id = 2.5",
            "failed",
            "older",
            "1 staged row in production only as an older version ((order_id, code) (2.50, a))",
        ),
        (
            "SET updated_at = updated_at + interval '1 us', note = 'newer' WHERE order_id = 3",
            "passed",
            "newer",
            "apart from 1 row newer in production",
        ),
        ("SET updated_at = NULL, note = 'lost' WHERE order_id = 3", "passed", "unversioned", "for lack of a version"),
    ],
)
def test_each_staged_row_is_looked_for(merged: Merged, change: str, status: str, fact: str, words: str) -> None:
    merged.produce(f"UPDATE production.lines {change}")
    outcome = merged.verify()["staged_in_production"]
    assert outcome.status == status
    assert words in outcome.detail
    assert outcome.facts[fact] == 1


def test_rows_that_a_merge_lost_are_told_from_rows_deleted_since(merged: Merged) -> None:
    """The source judges. Without it a row was deleted since if the audit says that the merge wrote it, or the merge
    found it there."""
    merged.produce("DELETE FROM production.lines WHERE order_id < 3")
    for reader in (True, False):
        lost = merged.verify(reader=reader)["staged_in_production"]
        assert (lost.status, lost.facts["lost"], lost.facts["deleted_since"]) == ("failed", 2, 0)
        assert "2 staged rows not in production" in lost.detail
    merged.produce(
        "INSERT INTO admin.reload_changes (reload_id, table_name, operation, key) "
        """VALUES (1, 'lines', 'inserted', '{"order_id": 1, "code": "a   "}')"""
    )
    merged.produce("UPDATE admin.reload_tables SET identical = 1 WHERE table_name = 'lines'")
    known = merged.verify(reader=False)["staged_in_production"]
    assert (known.status, known.facts["lost"], known.facts["deleted_since"]) == ("passed", 0, 2)
    assert "2 rows deleted from production since" in known.detail
    assert merged.verify()["staged_in_production"].facts["lost"] == 2, "the source has them"
    merged.source.execute('DELETE FROM "SALES"."LINES" WHERE "ORDER_ID" < 3')
    gone = merged.verify()["staged_in_production"]
    assert (gone.status, gone.facts["deleted_since"]) == ("passed", 2)


OTHER = "UPDATE {} SET note = 'written by CDC' WHERE order_id = 3"
OLDER = "UPDATE {} SET updated_at = updated_at - interval '1 us', scan = 'x' WHERE order_id = 2.5"


@pytest.mark.parametrize(("change", "fact"), [(OTHER, "other"), (OLDER, "older")])
def test_what_production_has_otherwise_is_right_where_the_source_has_it_so(
    merged: Merged, change: str, fact: str
) -> None:
    """CDC wrote the row after the merge, LOBs included, with an equal or an older version."""
    merged.produce(change.format("production.lines"))
    wrong = merged.verify()["staged_in_production"]
    assert (wrong.status, wrong.facts[fact], wrong.facts["changed_since"]) == ("failed", 1, 0)
    source = change.format('"SALES"."LINES"')
    for name in ("note", "scan", "updated_at", "order_id"):
        source = source.replace(f"{name} ", f'"{name.upper()}" ').replace(f"= {name.upper()}", f'= "{name.upper()}"')
    merged.source.execute(source.encode())
    outcome = merged.verify()["staged_in_production"]
    assert (outcome.status, outcome.facts["equal"], outcome.facts["changed_since"]) == ("passed", 3, 1)
    assert "apart from 1 row changed in production since." in outcome.detail


def test_without_a_source_the_row_version_tells_whether_somebody_wrote_since(merged: Merged) -> None:
    merged.produce(OTHER.format("production.lines"))
    since = merged.verify(reader=False)["staged_in_production"]
    assert (since.status, since.facts["changed_since"]) == ("passed", 1)
    merged.produce(
        "WITH written AS (UPDATE production.lines SET note = 'by the merge' WHERE order_id = 3) "
        "INSERT INTO admin.reload_changes (reload_id, table_name, operation, key, before) "
        """VALUES (1, 'lines', 'updated', '{"order_id": 3, "code": "a   "}', '{}')"""
    )
    own = merged.verify(reader=False)["staged_in_production"]
    assert (own.status, own.facts["other"]) == ("failed", 1)
    # Not written since the verdict on staging: the merge skipped it.
    merged.produce("DELETE FROM admin.reload_changes")
    merged.produce("UPDATE admin.reload_checks SET detail = detail")
    passed_over = merged.verify(reader=False)["staged_in_production"]
    assert (passed_over.status, passed_over.facts["other"]) == ("failed", 1)


def test_no_row_that_is_written_while_it_is_looked_at_is_wrong(merged: Merged) -> None:
    """A replication carries changes with equal, older and newer versions; a row that it skipped is found beside."""
    stop, applied = threading.Event(), threading.Lock()

    def replicate() -> None:
        with (
            psycopg.connect(merged.source.info.dsn, password=merged.source.info.password, autocommit=True) as source,
            merged.staged.target.connect(autocommit=True) as production,
        ):
            for number in itertools.count():
                if stop.is_set():
                    return
                values = (f"change {number}", NOON + timedelta(microseconds=number % 3 - 1))
                with applied:
                    source.execute(
                        """UPDATE "SALES"."LINES" SET "NOTE" = %s, "UPDATED_AT" = %s WHERE "ORDER_ID" <> 1""", values
                    )
                    production.execute(
                        "UPDATE production.lines SET note = %s, updated_at = %s WHERE order_id <> 1", values
                    )

    class Replication:
        def wait_passed(self, instant: datetime) -> float:
            with applied:
                return 0.0

    thread = threading.Thread(target=replicate)
    thread.start()
    try:
        staged = merged.staged
        for lost in (False, True):
            if lost:
                merged.produce("DELETE FROM production.lines WHERE order_id = 1")
            for _ in range(8):
                with staged.target.connect(autocommit=True) as connection:
                    outcome = staged_in_production(
                        connection,
                        staged.reload,
                        staged.table("lines"),
                        staged.staged("lines"),
                        merged.reader,
                        cast(Cdc, Replication()),
                    )
                assert (outcome.status, outcome.facts["lost"]) == (("failed", 1) if lost else ("passed", 0)), outcome
                assert (outcome.facts["older"], outcome.facts["other"]) == (0, 0)
    finally:
        stop.set()
        thread.join()


def test_an_emptied_staging_table_proves_nothing(merged: Merged) -> None:
    merged.produce("DELETE FROM staging.lines_r1")
    staged = replace(merged.staged.staged("lines"), staged_rows=4)
    with merged.staged.target.connect(autocommit=True) as connection:
        outcome = staged_in_production(
            connection, merged.staged.reload, merged.staged.table("lines"), staged, merged.reader, None
        )
    assert outcome.status == "could not verify"
    assert "has 0 rows, but 4 were verified" in outcome.detail


def test_hazard_22_equal_content_is_equal_by_oracles_rules(merged: Merged) -> None:
    """'' is NULL, as is an empty LOB; CHAR padding and trailing zeros do not count; NFC and NFD are two texts."""
    merged.produce("UPDATE staging.lines_r1 SET note = '', scan = ''")
    merged.produce("UPDATE production.lines SET note = NULL, scan = NULL")
    merged.produce("UPDATE production.lines SET order_id = 2.5, code = 'a   ' WHERE order_id = 2.5")
    outcomes = merged.verify()
    assert outcomes["staged_in_production"].status == "passed", outcomes
    assert outcomes["window_matches_source"].status == "passed", outcomes
    merged.produce("UPDATE staging.lines_r1 SET note = %s WHERE order_id = 3", "Caf\u00e9")
    merged.produce("UPDATE production.lines SET note = %s WHERE order_id = 3", "Cafe\u0301")
    assert merged.verify()["staged_in_production"].facts["other"] == 1


def test_hazard_12_an_orphan_let_in_past_the_constraint_is_found(merged: Merged) -> None:
    with merged.staged.target.connect(autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("UPDATE production.lines SET customer_id = 99 WHERE order_id = 3")
    outcome = merged.verify()["foreign_keys"]
    assert (outcome.status, outcome.facts["rows_without_parent"]) == ("failed", 1)
    assert "1 row without a parent in production.customers by lines_customer_id_fkey" in outcome.detail
    assert "((order_id, code) 3, a)" in outcome.detail or "((order_id, code) (3, a" in outcome.detail


def test_missing_rows_other_versions_and_orphans_are_counted_apart(merged: Merged) -> None:
    merged.produce("DELETE FROM production.lines WHERE order_id = 1")
    merged.produce("UPDATE production.lines SET updated_at = updated_at - interval '1 us' WHERE order_id = 2.5")
    merged.source.execute('DELETE FROM "SALES"."LINES" WHERE "ORDER_ID" = 3')
    merged.source.execute(
        """UPDATE "SALES"."LINES" SET "UPDATED_AT" = '2025-02-01' WHERE "ORDER_ID" = 12345678901234567890.5"""
    )
    outcome = merged.verify()["window_matches_source"]
    assert outcome.status == "failed"
    assert "1 row missing in production ((order_id, code) (1, a))" in outcome.detail
    assert "1 row of another version in production ((order_id, code) (2.5, a))" in outcome.detail
    assert "2 rows in production only" in outcome.detail
    assert "1 gone from the source and 1 moved out of the window there" in outcome.detail
    assert outcome.facts == {
        "same": 0,
        "newer": 0,
        "missing": 1,
        "other": 1,
        "content": 0,
        "unversioned": 0,
        "later": 0,
        "extra": 2,
        "extra_left": 1,
        "segments": 2,
        "segments_differing": 2,
        "not_compared": "NOTE (CLOB), SCAN (BLOB)",
        "extra_looked_up": 2,
        "extra_gone_from_source": 1,
    }


@pytest.mark.parametrize("moved_to", [LATER, datetime(2025, 3, 1)])
def test_a_newer_row_of_production_is_lag_and_no_difference(merged: Merged, moved_to: datetime) -> None:
    """In the window and outside of it: CDC has applied what the source had not committed when it was read."""
    merged.produce("UPDATE production.lines SET updated_at = %s WHERE order_id = 3", moved_to)
    outcome = merged.verify()["window_matches_source"]
    assert (outcome.status, outcome.facts["newer"], outcome.facts["same"]) == ("passed", 1, 3)
    assert "1 row newer in production than when the source was read" in outcome.detail


def test_an_older_row_of_production_outside_the_window_is_stale(merged: Merged) -> None:
    merged.produce("UPDATE production.lines SET updated_at = '2024-12-01' WHERE order_id = 3")
    outcome = merged.verify()["window_matches_source"]
    assert (outcome.status, outcome.facts["other"], outcome.facts["missing"]) == ("failed", 1, 0)


def test_hazard_25_values_that_python_cannot_hold_are_compared_inside_sql(merged: Merged) -> None:
    """2^53 and 2^53 + 1 are one float, and year 1 BC no datetime: both sides are text that the databases made."""
    marks = ", ".join(["%s"] * 7)
    for number in (2**53, 2**53 + 1):
        row = line(str(number), day="0001-06-01 00:00:00 BC")
        merged.source.execute(INSERT_SOURCE, row)
        if number == 2**53:
            merged.produce(f"INSERT INTO production.lines VALUES ({marks})", *row)
            merged.staged.stage("lines", [row])
            merged.produce("UPDATE admin.reload_tables SET staged_rows = 5 WHERE table_name = 'lines'")
            merged.produce("UPDATE production.lines SET day = '0002-06-01 00:00:00 BC' WHERE order_id = %s", number)
    outcomes = merged.verify()
    assert outcomes["staged_in_production"].facts["other"] == 1
    assert outcomes["window_matches_source"].facts["missing"] == 1
    assert "(9007199254740993, a)" in outcomes["window_matches_source"].detail


@pytest.mark.parametrize(
    ("confirm_status", "status", "detail"),
    [
        ("confirmed", "passed", "2 passes."),
        ("unconfirmed", "failed", "2 passes. Materialize production of its partition once more, without staging."),
        ("pending", "could not verify", "has not been confirmed yet; materialize production of its partition."),
    ],
)
def test_the_check_confirmed_says_how_confirm_ended(
    merged: Merged, confirm_status: str, status: str, detail: str
) -> None:
    outcome = merged.verify(confirm_status=confirm_status)["confirmed"]
    assert (outcome.status, outcome.facts["passes"]) == (status, 2)
    assert detail in outcome.detail


def test_without_a_source_the_comparison_says_so(merged: Merged) -> None:
    outcomes = merged.verify(reader=False)
    assert [outcome.status for outcome in outcomes.values()] == ["passed", "passed", "could not verify", "passed"]
    assert "configure source.connection" in outcomes["window_matches_source"].detail


def test_a_source_that_does_not_answer_is_no_difference(merged: Merged) -> None:
    away = sa.make_url(f"postgresql://me:secret-word@127.0.0.1:{free_port()}/none")
    with SourceReader(away, "SALES") as reader:
        merged.reader = reader
        outcome = merged.verify()["window_matches_source"]
    assert outcome.status == "could not verify"
    assert "secret-word" not in outcome.detail
    assert "cannot be reached" in outcome.detail


def test_a_dropped_staging_table_leaves_the_other_checks(apart: Merged) -> None:
    apart.produce("DROP TABLE staging.lines_r1")
    outcomes = list(apart.verify().values())
    assert [outcome.status for outcome in outcomes] == ["could not verify", "passed", "passed", "passed"]
    assert code_of(outcomes[0].detail) == "staging-gone"


def test_what_the_login_may_not_read_is_could_not_verify(apart: Merged) -> None:
    target = apart.staged.target
    apart.produce("DROP ROLE IF EXISTS only_lines")
    apart.produce("CREATE ROLE only_lines LOGIN PASSWORD 'only'")
    try:
        apart.produce("GRANT USAGE ON SCHEMA production, staging, admin TO only_lines")
        apart.produce("GRANT SELECT ON ALL TABLES IN SCHEMA staging, admin TO only_lines")
        apart.produce("GRANT SELECT ON production.lines TO only_lines")
        apart.staged.target = TargetDatabase(target.host, target.port, target.database, "only_lines", "only")
        outcomes = apart.verify()
        assert outcomes["foreign_keys"].status == "could not verify"
        assert "permission denied for table customers" in outcomes["foreign_keys"].detail
        assert outcomes["window_matches_source"].status == "passed"
    finally:
        apart.staged.target = target
        apart.produce("DROP OWNED BY only_lines")
        apart.produce("DROP ROLE only_lines")


def test_the_types_check_knows_the_sources_types(apart: Merged) -> None:
    outcome = apart.staged.verify("lines", "types")["types"]
    assert outcome.status == "passed", outcome
    assert "ORDER_ID: DMS rounds NUMBER without a precision to 10 decimals" in outcome.detail
    apart.produce("ALTER TABLE production.lines ALTER COLUMN order_id TYPE numeric(30, 5)")
    apart.produce("ALTER TABLE staging.lines_r1 ALTER COLUMN order_id TYPE numeric(30, 5)")
    narrow = apart.staged.verify("lines", "types")["types"]
    assert (narrow.status, narrow.facts["losses"], narrow.facts["differences"]) == ("failed", 1, 0)
    assert "ORDER_ID is NUMBER and order_id is numeric(30,5), which would lose decimals beyond 5" in narrow.detail


def test_lobs_are_those_that_the_source_declares(merged: Merged) -> None:
    outcome = merged.staged.verify("lines", "lob_limit")["lob_limit"]
    assert (outcome.status, outcome.facts["lob_columns"]) == ("passed", 2)
    assert merged.staged.verify("customers", "lob_limit")["lob_limit"].facts["lob_columns"] == 0
