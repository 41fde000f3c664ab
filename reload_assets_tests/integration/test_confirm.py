"""Confirm: what CDC had passed before the merge's commit is corrected, whatever the interleaving."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from functools import partial
from typing import Any

import pytest

from reload_assets.cdc.position import Skipped
from reload_assets.local.oracle import OracleColumn, OracleTable
from reload_assets.local.postgres import PostgresServer
from reload_assets_tests.integration.confirm_bench import ConfirmBench, confirm_bench
from reload_assets_tests.integration.merge_bench import EARLIER, LATER, NOON, UPDATED_AT
from reload_assets_tests.integration.throwaway import throwaway_database

CUSTOMERS = OracleTable(
    "CUSTOMERS",
    [
        OracleColumn("ID", "NUMBER(10)", nullable=False),
        OracleColumn("NAME", "VARCHAR2(40)"),
        OracleColumn("UPDATED_AT", "TIMESTAMP(6)"),
    ],
    ["ID"],
)
DDL = "CREATE TABLE production.customers (id integer PRIMARY KEY, name varchar(40), updated_at timestamp(6))"
ALL = "SELECT id, name FROM production.customers ORDER BY id"

Make = Callable[..., ConfirmBench]


@pytest.fixture(scope="module")
def databases(postgres: PostgresServer) -> Iterator[tuple[str, str]]:
    with throwaway_database(postgres, "confirm_target") as target, throwaway_database(postgres, "confirm") as source:
        yield target, source


@pytest.fixture
def make(databases: tuple[str, str]) -> Iterator[Make]:
    made: list[Any] = []

    def one(ddl: str = DDL, **options: Any) -> ConfirmBench:
        entered = confirm_bench(*databases, ddl, [CUSTOMERS], {"customers": {**UPDATED_AT, **options}})
        made.append(entered)
        return entered.__enter__()

    yield one
    for entered in made:
        entered.__exit__(None, None, None)


@pytest.fixture
def bench(make: Make) -> ConfirmBench:
    return make()


def source_has(bench: ConfirmBench, *rows: tuple[int, str, str]) -> None:
    for key, name, at in rows:
        bench.on_source(f"""INSERT INTO "SALES"."CUSTOMERS" VALUES ({key}, '{name}', '{at}')""")


def test_nothing_is_done_where_nothing_happened(bench: ConfirmBench) -> None:
    source_has(bench, (1, "a", NOON), (2, "b", NOON))
    bench.on_production(f"INSERT INTO production.customers VALUES (1, 'a', '{NOON}')")
    reload = bench.merge({"customers": [(1, "a", NOON), (2, "b", NOON)]})
    confirmed = bench.confirm(reload)
    assert (confirmed.settled, confirmed.corrections, confirmed.passes) == (True, 0, 2)
    assert bench.audit() == []
    assert bench.cdc.waits == 2


def test_a_row_brought_back_from_the_dead_is_deleted(bench: ConfirmBench) -> None:
    # Deleted in the source after the load; CDC passed the delete before the merge inserted the row.
    reload = bench.merge({"customers": [(1, "a", NOON)]})
    confirmed = bench.confirm(reload)
    assert (confirmed.settled, confirmed.corrections) == (True, 1)
    assert bench.rows(ALL) == []
    ((operation, key, before),) = bench.audit()
    assert (operation, key, before["name"]) == ("deleted", {"id": 1}, "a")
    assert bench.made.ledger.tables(reload.reload_id)["customers"].confirm_deleted == 1


def test_a_row_that_changed_after_the_load_gets_the_sources_values(bench: ConfirmBench) -> None:
    # CDC's update of the row that production lacked touched nothing.
    source_has(bench, (1, "new", LATER))
    reload = bench.merge({"customers": [(1, "old", NOON)]})
    assert bench.confirm(reload).corrections == 1
    assert bench.rows(ALL) == [(1, "new")]


def test_a_reinsert_that_cdc_passed_over_while_our_row_stood_there_is_not_lost(bench: ConfirmBench) -> None:
    # Gone when the source is read first; inserted again while confirm waits, and skipped by CDC, whose insert met
    # our row. A confirm that deletes and does not look again loses it.
    reload = bench.merge({"customers": [(1, "a", NOON)]})
    bench.cdc.steps.append(lambda: source_has(bench, (1, "again", LATER)))
    confirmed = bench.confirm(reload)
    assert bench.rows(ALL) == [(1, "again")]
    assert [operation for operation, _, _ in bench.audit()] == ["deleted", "inserted"]
    assert confirmed.settled


def test_a_row_that_cdc_writes_while_confirm_waits_is_not_overwritten(bench: ConfirmBench) -> None:
    source_has(bench, (1, "second", LATER))
    reload = bench.merge({"customers": [(1, "first", NOON)]})

    def overtake() -> None:
        bench.on_source("""UPDATE "SALES"."CUSTOMERS" SET "NAME" = 'third' WHERE "ID" = 1""")
        bench.on_production(f"UPDATE production.customers SET name = 'third', updated_at = '{LATER}' WHERE id = 1")

    bench.cdc.steps.append(overtake)
    confirmed = bench.confirm(reload)
    assert bench.rows(ALL) == [(1, "third")]
    assert bench.audit() == []
    assert confirmed.settled


def test_a_row_inserted_again_by_cdc_is_not_deleted(bench: ConfirmBench) -> None:
    reload = bench.merge({"customers": [(1, "a", NOON)]})

    def reborn() -> None:
        source_has(bench, (1, "reborn", LATER))
        bench.on_production(
            f"DELETE FROM production.customers; INSERT INTO production.customers VALUES (1, 'reborn', '{LATER}')"
        )

    bench.cdc.steps.append(reborn)
    assert bench.confirm(reload).settled
    assert bench.rows(ALL) == [(1, "reborn")]
    assert bench.audit() == []


def test_a_version_that_was_set_back_does_not_keep_an_old_row(bench: ConfirmBench) -> None:
    # The clock of the source was set back: the newer row has the older version, so the merge took the staged one.
    source_has(bench, (1, "newest", EARLIER))
    bench.on_production(f"INSERT INTO production.customers VALUES (1, 'newest', '{EARLIER}')")
    reload = bench.merge({"customers": [(1, "loaded", NOON)]})
    assert bench.rows(ALL) == [(1, "loaded")]
    assert bench.confirm(reload).corrections == 1
    assert bench.rows(ALL) == [(1, "newest")]


def test_hazard_08_a_row_that_is_newer_and_yet_partly_stale_is_repaired_by_content(bench: ConfirmBench) -> None:
    # CDC carried the version on into a row that had lost its name.
    source_has(bench, (1, "right", LATER))
    bench.on_production(f"INSERT INTO production.customers VALUES (1, 'wrong', '{LATER}')")
    reload = bench.merge({"customers": [(1, "right", NOON)]})
    assert bench.rows(ALL) == [(1, "wrong")]
    assert bench.confirm(reload).corrections == 1
    assert bench.rows(ALL) == [(1, "right")]


@pytest.mark.parametrize(
    ("policy", "left", "corrections"),
    [("report", [(1, "a"), (5, "orphan")], 0), ("delete", [(1, "a")], 1)],
)
def test_hazard_09_an_orphan_follows_the_policy(
    make: Make, policy: str, left: list[tuple[Any, ...]], corrections: int
) -> None:
    bench = make(orphans=policy)
    source_has(bench, (1, "a", NOON))
    bench.on_production(
        f"INSERT INTO production.customers VALUES (5, 'orphan', '{NOON}'), (6, 'of another day', '2025-02-01')"
    )
    confirmed = bench.confirm(bench.merge({"customers": [(1, "a", NOON)]}))
    assert bench.rows(ALL) == [*left, (6, "of another day")]
    assert (confirmed.settled, confirmed.corrections) == (True, corrections)
    assert ("customers 5" in confirmed.detail) == (policy == "report")


def test_hazard_09_an_orphan_can_be_marked_instead(make: Make) -> None:
    bench = make(
        DDL.replace("updated_at timestamp(6)", "updated_at timestamp(6), deleted boolean"),
        columns=["id", "name", "updated_at"],
        orphans="soft_delete",
        soft_delete_column="deleted",
    )
    bench.on_production(f"INSERT INTO production.customers VALUES (5, 'orphan', '{NOON}', false)")
    assert bench.confirm(bench.merge({"customers": []})).corrections == 1
    assert bench.rows("SELECT id, deleted FROM production.customers") == [(5, True)]
    assert bench.confirm(bench.merge({"customers": []})).corrections == 0


def test_hazard_09_a_changed_key_leaves_no_row_under_the_old_one(make: Make) -> None:
    bench = make(orphans="delete")
    source_has(bench, (6, "a", NOON))
    bench.on_production(f"INSERT INTO production.customers VALUES (5, 'a', '{NOON}')")
    assert bench.confirm(bench.merge({"customers": [(6, "a", NOON)]})).settled
    assert bench.rows(ALL) == [(6, "a")]


def test_a_row_that_moved_out_of_the_window_in_the_source_is_updated_and_not_deleted(make: Make) -> None:
    bench = make(orphans="delete")
    source_has(bench, (5, "moved", "2025-02-01"))
    bench.on_production(f"INSERT INTO production.customers VALUES (5, 'stale', '{NOON}')")
    assert bench.confirm(bench.merge({"customers": []})).corrections == 1
    assert bench.rows(ALL) == [(5, "moved")]


def test_hazard_13_a_trigger_that_touches_rows_keeps_no_reload_busy(make: Make) -> None:
    bench = make(
        DDL
        + """;
        CREATE FUNCTION production.touch() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN NEW.updated_at := clock_timestamp() AT TIME ZONE 'UTC'; RETURN NEW; END $$;
        CREATE TRIGGER touch BEFORE INSERT OR UPDATE ON production.customers
        FOR EACH ROW EXECUTE FUNCTION production.touch()"""
    )
    source_has(bench, (1, "a", NOON), (2, "b", NOON))
    staged = {"customers": [(1, "a", NOON), (2, "b", NOON)]}
    assert bench.confirm(bench.merge(staged)).settled
    before = bench.rows("SELECT * FROM production.customers ORDER BY id")
    assert [row[:2] for row in before] == [(1, "a"), (2, "b")]
    again = bench.confirm(bench.merge(staged))
    assert (again.settled, again.corrections) == (True, 0)
    assert bench.rows("SELECT * FROM production.customers ORDER BY id") == before


def test_what_cdc_skipped_because_of_our_row_is_found_by_its_own_list(bench: ConfirmBench) -> None:
    # Row 1 was deleted before the merge brought it back; then the source gave its key to row 2, and CDC could not
    # carry that out: it skipped the change of the key, so that row 2 stands under its old key for ever.
    source_has(bench, (1, "was two", LATER))
    bench.on_production("INSERT INTO production.customers VALUES (2, 'two', '2025-02-01')")
    reload = bench.merge({"customers": [(1, "one", NOON)]})
    now = datetime.now(timezone.utc)
    statement = """UPDATE "production"."customers" SET "id"='1' , "name"='was two' , "updated_at"='x' WHERE "id"='2'"""
    bench.cdc.passed_over.append(Skipped(now, statement, 'violates unique constraint "customers_pkey"'))
    assert bench.confirm(reload).settled
    assert bench.rows(ALL) == [(1, "was two")]


def test_a_change_that_cdc_skipped_of_a_row_that_the_merge_left_as_it_was_is_found(make: Make) -> None:
    # Row 5 was loaded and is the same in production. Then the source gave it the key 7, under which production has a
    # row of another day that the source does not know: CDC could not carry that out, and row 5 stands for ever.
    bench = make(orphans="delete")
    source_has(bench, (7, "five", "2025-02-01"))
    bench.on_production(f"INSERT INTO production.customers VALUES (5, 'five', '{NOON}'), (7, 'nobody', '2025-03-01')")
    reload = bench.merge({"customers": [(5, "five", NOON)]})
    statement = """UPDATE "production"."customers" SET "id"='7' , "name"='five' WHERE "id"='5'"""
    error = 'violates unique constraint "customers_pkey"'
    bench.cdc.passed_over.append(Skipped(datetime.now(timezone.utc), statement, error))
    assert bench.confirm(reload).settled
    assert bench.rows(ALL) == [(7, "five")]


def test_without_a_known_position_only_rows_of_ours_are_corrected(make: Make) -> None:
    bench = make(orphans="delete")
    source_has(bench, (2, "new", LATER), (3, "theirs", LATER))
    bench.on_production(f"INSERT INTO production.customers VALUES (3, 'newer', '{LATER}')")
    reload = bench.merge({"customers": [(1, "gone", NOON), (2, "old", NOON), (3, "x", EARLIER)]})
    confirmed = bench.confirm(reload, without_position=True)
    assert bench.rows(ALL) == [(2, "new"), (3, "newer")]
    assert "nobody can say how far CDC is" in confirmed.detail


def test_what_an_earlier_reload_left_unconfirmed_is_looked_after(bench: ConfirmBench) -> None:
    dead = bench.merge({"customers": [(1, "zombie", NOON)]})
    bench.made.ledger.give_up_confirm(dead.reload_id, "its run died")
    confirmed = bench.confirm(bench.merge({"customers": []}))
    assert bench.rows(ALL) == []
    assert confirmed.corrections == 1


def test_with_a_fence_a_row_that_is_still_changing_is_put_off(bench: ConfirmBench) -> None:
    source_has(bench, (1, "b", LATER))
    reload = bench.merge({"customers": [(1, "a", NOON)]})
    held: list[bool] = []

    @contextmanager
    def fence() -> Iterator[None]:
        if not held:
            # Between the pass and the stop the source has changed the row; CDC has not carried that yet, but will.
            bench.on_source("""UPDATE "SALES"."CUSTOMERS" SET "NAME" = 'c' WHERE "ID" = 1""")
        held.append(True)
        yield

    assert bench.confirm(reload, fence=fence).settled
    assert bench.rows(ALL) == [(1, "c")]
    assert len(bench.audit()) == 1
    assert len(held) == 2


def test_a_correction_that_a_constraint_refuses_is_said_and_the_others_are_made(make: Make) -> None:
    bench = make(
        DDL + "; CREATE TABLE production.visits (customer integer REFERENCES production.customers)", orphans="delete"
    )
    bench.on_production(
        f"INSERT INTO production.customers VALUES (5, 'visited', '{NOON}'), (6, 'never', '{NOON}');"
        "INSERT INTO production.visits VALUES (5)"
    )
    confirmed = bench.confirm(bench.merge({"customers": []}))
    assert bench.rows(ALL) == [(5, "visited")]
    assert not confirmed.settled
    assert "customers 5" in confirmed.detail
    assert "(1 row(s) of production.visits refer to it (foreign key visits_customer_fkey); " in confirmed.detail
    assert [key for _, key, _ in bench.audit()] == [{"id": 6}]


def test_a_refused_correction_leaves_no_trace_in_the_corrections_after_it(make: Make) -> None:
    bench = make(
        DDL + "; CREATE TABLE production.visits (customer integer REFERENCES production.customers)", orphans="delete"
    )
    source_has(bench, (1, "0", LATER))
    bench.on_production(
        f"INSERT INTO production.customers VALUES (5, 'visited', '{NOON}'); INSERT INTO production.visits VALUES (5)"
    )
    reload = bench.merge({"customers": [(1, "loaded", NOON)]})
    # Row 1 changes again while confirm waits, so that there are corrections after the last try at row 5.
    for number in range(1, 6):
        change = f"""UPDATE "SALES"."CUSTOMERS" SET "NAME" = '{number}' WHERE "ID" = 1"""
        bench.cdc.steps.append(partial(bench.on_source, change))
    bench.confirm(reload)
    assert bench.rows(ALL) == [(1, "5"), (5, "visited")]
    assert {key["id"] for _, key, _ in bench.audit()} == {1}
    assert len(bench.audit()) >= 5


def test_a_correction_that_meets_a_lock_is_tried_again(bench: ConfirmBench) -> None:
    source_has(bench, (1, "b", LATER))
    reload = bench.merge({"customers": [(1, "a", NOON)]})
    with bench.made.writer() as writer:
        writer.execute("SELECT FROM production.customers WHERE id = 1 FOR UPDATE")

        # The lock is held over the first attempts and let go before the last.
        timer = threading.Timer(0.6, writer.rollback)
        timer.start()
        confirmed = bench.confirm(reload)
        timer.join()
    assert confirmed.corrections == 1
    assert bench.rows(ALL) == [(1, "b")]


def test_values_are_carried_as_text_and_not_as_the_drivers_own(bench: ConfirmBench) -> None:
    bench.on_source(
        """INSERT INTO "SALES"."CUSTOMERS" VALUES (1, E'tab\\t, \\\\N, "q"', '9999-12-31 23:59:59.999999')"""
    )
    reload = bench.merge({"customers": [(1, "x", NOON)]})
    assert bench.confirm(reload).corrections == 1
    assert bench.rows("SELECT name, updated_at::text FROM production.customers") == [
        ('tab\t, \\N, "q"', "9999-12-31 23:59:59.999999")
    ]


def test_hazard_25_a_time_before_christ_is_written_as_one(bench: ConfirmBench) -> None:
    bench.on_source("""INSERT INTO "SALES"."CUSTOMERS" VALUES (1, 'a', '0044-03-15 12:00:00.000001 BC')""")
    reload = bench.merge({"customers": [(1, "x", NOON)]})
    assert bench.confirm(reload).settled
    assert bench.rows("SELECT name, updated_at::text FROM production.customers") == [
        ("a", "0044-03-15 12:00:00.000001 BC")
    ]
