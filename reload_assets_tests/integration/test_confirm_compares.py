"""The end of a confirm: rows that are in no list of keys are found by comparing, and no row is settled unread."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import Any

import pytest

from reload_assets.confirm.reread import ReaderRows
from reload_assets.local.oracle import OracleColumn, OracleTable
from reload_assets.local.postgres import PostgresServer
from reload_assets_tests.integration.confirm_bench import ConfirmBench, confirm_bench
from reload_assets_tests.integration.merge_bench import EARLIER, LATER, NOON
from reload_assets_tests.integration.throwaway import throwaway_database

DOCS = OracleTable(
    "DOCS",
    [
        OracleColumn("ID", "NUMBER(10)", nullable=False),
        OracleColumn("NAME", "VARCHAR2(40)"),
        OracleColumn("HITS", "NUMBER(10)"),
        OracleColumn("BODY", "CLOB"),
        OracleColumn("AT", "TIMESTAMP(6)"),
        OracleColumn("CHANGED", "TIMESTAMP(6)"),
    ],
    ["ID"],
)
DDL = (
    "CREATE TABLE production.docs (id integer PRIMARY KEY, name varchar(40), hits integer, body text, at timestamp(6), "
    "changed timestamp(6), deleted boolean); CREATE INDEX ON production.docs (at)"
)
BY_VERSION = DDL + "; CREATE INDEX ON production.docs (changed)"
OPTIONS = {
    "window_column": "at",
    "version_column": "changed",
    "columns": ["id", "name", "hits", "body", "at", "changed"],
}
ALL = "SELECT id, name, hits, body FROM production.docs ORDER BY id"

Make = Callable[..., ConfirmBench]
Row = tuple[Any, ...]


@pytest.fixture(scope="module")
def databases(postgres: PostgresServer) -> Iterator[tuple[str, str]]:
    with throwaway_database(postgres, "compares_target") as target, throwaway_database(postgres, "compares") as source:
        yield target, source


@pytest.fixture
def make(databases: tuple[str, str]) -> Iterator[Make]:
    made: list[Any] = []

    def one(ddl: str = BY_VERSION, **options: Any) -> ConfirmBench:
        entered = confirm_bench(*databases, ddl, [DOCS], {"docs": {**OPTIONS, **options}})
        made.append(entered)
        return entered.__enter__()

    yield one
    for entered in made:
        entered.__exit__(None, None, None)


def row(key: int, name: str = "n", body: str = "b", at: str = NOON, changed: str | None = NOON, hits: int = 0) -> Row:
    return key, name, hits, body, at, changed


def source_has(bench: ConfirmBench, *rows: Row) -> None:
    for one in rows:
        bench.source.execute(b'INSERT INTO "SALES"."DOCS" VALUES (%s, %s, %s, %s, %s, %s)', one)


def production_has(bench: ConfirmBench, *rows: Row) -> None:
    for key, name, hits, body, at, changed in rows:
        version = f"'{changed}'" if changed else "NULL"
        bench.on_production(
            f"INSERT INTO production.docs VALUES ({key}, '{name}', {hits}, '{body}', '{at}', {version})"
        )


def now() -> str:
    return datetime.now(timezone.utc).replace(tzinfo=None).isoformat()


# A LOB, or with minimal supplemental logging any column, does not travel with a change of the key.
LOB, COLUMN = row(1, body="old"), row(1, name="old")
LEAVING = {"equal_version": "skip", "null_version": "report"}


@pytest.mark.parametrize(
    # A row that leaves the window with its key is found by its version, or where that is not of now, by who wrote it.
    ("version", "stale", "leaving"),
    [
        ("kept", LOB, LEAVING),
        ("kept", COLUMN, {}),
        ("now", LOB, {}),
        ("now", COLUMN, LEAVING),
        ("old", COLUMN, LEAVING),
        ("old", LOB, {}),
        ("none", LOB, LEAVING),
        ("none", COLUMN, {}),
    ],
)
def test_a_wrong_column_that_cdc_carried_on_to_another_key_is_corrected(
    make: Make, version: str, stale: Row, leaving: dict[str, str]
) -> None:
    bench = make(**leaving)
    # Production lacked row 1. The source changed a column after the load, which CDC skipped, and the merge brought the
    # old row. Then the source changes the key, which CDC applies to the old row.
    source_has(bench, row(1, changed=LATER))
    reload = bench.merge({"docs": [stale]})
    at = {"now": f"'{now()}'", "old": "timestamp '2024-01-01'", "none": "NULL"}.get(version)

    def change_key() -> None:
        if at is not None:
            bench.on_source(f"""UPDATE "SALES"."DOCS" SET "ID" = 2, "AT" = '2025-02-01', "CHANGED" = {at}""")
            bench.on_production(f"UPDATE production.docs SET id = 2, at = '2025-02-01', changed = {at}")
        else:
            bench.on_source('UPDATE "SALES"."DOCS" SET "ID" = 2')
            bench.on_production("UPDATE production.docs SET id = 2")

    bench.cdc.steps.append(change_key)
    confirmed = bench.confirm(reload)
    assert confirmed.settled, confirmed.detail
    assert bench.rows(ALL) == [row(2)[:4]]


@pytest.mark.parametrize(("stale", "leaving"), [(LOB, {}), (COLUMN, LEAVING)], ids=["LOB", "policies"])
def test_a_wrong_column_is_corrected_under_a_key_that_another_row_had_before(
    make: Make, stale: Row, leaving: dict[str, str]
) -> None:
    bench = make(**leaving)
    # As above, but the row takes a key of which the confirm knows already: its former row was staged, and is gone.
    source_has(bench, row(1, changed=LATER), row(2))
    production_has(bench, row(2))
    reload = bench.merge({"docs": [stale, row(2)]})
    bench.on_source('DELETE FROM "SALES"."DOCS" WHERE "ID" = 2')
    bench.on_production("DELETE FROM production.docs WHERE id = 2")

    def change_key() -> None:
        bench.on_source('UPDATE "SALES"."DOCS" SET "ID" = 2')
        bench.on_production(f"UPDATE production.docs SET id = 2, changed = '{LATER}'")

    bench.cdc.steps.append(change_key)
    confirmed = bench.confirm(reload)
    assert confirmed.settled, confirmed.detail
    assert bench.rows(ALL) == [row(2)[:4]]


@pytest.mark.parametrize(("stale", "leaving"), [(LOB, {}), (COLUMN, LEAVING)], ids=["LOB", "policies"])
def test_a_wrong_column_is_corrected_where_another_row_took_its_key_at_once(
    make: Make, stale: Row, leaving: dict[str, str]
) -> None:
    bench = make(**leaving)
    source_has(bench, row(1, changed=LATER))
    reload = bench.merge({"docs": [stale]})

    def change_key() -> None:
        # The row goes to another key, out of the window, and a new row takes its key before the next pass.
        bench.on_source("""UPDATE "SALES"."DOCS" SET "ID" = 2, "AT" = '2025-02-01', "CHANGED" = '2024-01-01'""")
        bench.on_production("UPDATE production.docs SET id = 2, at = '2025-02-01', changed = '2024-01-01'")
        source_has(bench, row(1, name="new", changed=LATER))
        production_has(bench, row(1, name="new", changed=LATER))

    bench.cdc.steps.append(change_key)
    confirmed = bench.confirm(reload)
    assert confirmed.settled, confirmed.detail
    assert bench.rows(ALL) == [row(1, name="new")[:4], row(2)[:4]]


def test_a_key_that_changes_twice_takes_no_wrong_column_along(make: Make) -> None:
    bench = make()
    source_has(bench, row(1))
    reload = bench.merge({"docs": [row(1, body="old")]})

    def change(key: int) -> Callable[[], None]:
        def done() -> None:
            bench.on_source(f'UPDATE "SALES"."DOCS" SET "ID" = {key}')
            bench.on_production(f"UPDATE production.docs SET id = {key}")

        return done

    # The second change comes at the moment at which the comparison is waited for, and once more after it.
    bench.cdc.steps += [change(2), change(3), change(4)]
    confirmed = bench.confirm(reload)
    assert confirmed.settled, confirmed.detail
    assert bench.rows(ALL) == [row(4)[:4]]


def test_a_row_that_production_lacks_and_that_comes_into_the_window_meanwhile_is_inserted(make: Make) -> None:
    bench = make()
    source_has(bench, row(1), row(63, at="2025-02-01"))
    production_has(bench, row(1))
    reload = bench.merge({"docs": [row(1)]})
    # CDC's update meets nothing.
    bench.on_source(f"""UPDATE "SALES"."DOCS" SET "AT" = '{NOON}' WHERE "ID" = 63""")
    confirmed = bench.confirm(reload)
    assert (confirmed.settled, confirmed.corrections) == (True, 1)
    assert bench.rows(ALL) == [row(1)[:4], row(63)[:4]]
    assert [operation for operation, _, _ in bench.audit()] == ["inserted"]


def test_a_row_of_the_window_that_was_identical_at_the_merge_and_is_not_any_more_is_corrected(make: Make) -> None:
    bench = make()
    source_has(bench, row(1), row(2))
    production_has(bench, row(1), row(2))
    reload = bench.merge({"docs": [row(1), row(2)]})
    # Skipped by CDC without a trace, as with IGNORE_RECORD.
    bench.on_source("""UPDATE "SALES"."DOCS" SET "NAME" = 'new' WHERE "ID" = 2""")
    assert bench.confirm(reload).settled
    assert bench.rows(ALL) == [row(1)[:4], row(2, "new")[:4]]


def test_what_differs_outside_of_the_window_and_did_not_change_meanwhile_stays(make: Make) -> None:
    bench = make(orphans="delete")
    source_has(bench, row(1), row(2, at="2025-02-01"))
    production_has(
        bench,
        row(1),
        row(2, "other", at="2025-02-01"),
        row(3, "nobody", at="2025-02-01", changed=now()),
    )
    assert bench.confirm(bench.merge({"docs": [row(1)]})).corrections == 0
    assert len(bench.rows(ALL)) == 3


@pytest.mark.parametrize("column", ["body", "name"])
@pytest.mark.parametrize("fenced", [False, True])
def test_a_row_that_cdc_writes_at_every_pass_is_corrected_by_columns(make: Make, column: str, fenced: bool) -> None:
    bench = make()
    source_has(bench, row(1, changed=LATER))
    reload = bench.merge({"docs": [row(1, body="old") if column == "body" else row(1, name="old")]})
    count = [0]

    def go_on() -> None:
        # CDC carries the counter and nothing else.
        count[0] += 1
        bench.on_source(f'UPDATE "SALES"."DOCS" SET "HITS" = {count[0]}')
        bench.on_production(f"UPDATE production.docs SET hits = {count[0]}, changed = '{LATER}'")

    @contextmanager
    def fence() -> Iterator[None]:
        yield

    bench.cdc.steps += [go_on] * 20
    confirmed = bench.confirm(reload, fence=fence if fenced else None)
    assert confirmed.settled, confirmed.detail
    assert bench.rows(ALL) == [row(1, hits=count[0])[:4]]
    (operation, _, before), *_ = bench.audit()
    assert (operation, before[column]) == ("updated", "old")


@pytest.mark.parametrize(
    ("when", "body"),
    [
        ("BEFORE", "RETURN NULL;"),
        ("BEFORE", "NEW.name := OLD.name; RETURN NEW;"),
        ("BEFORE", "NEW.id := 102; RETURN NEW;"),
        ("AFTER", "DELETE FROM production.docs WHERE id = 2; INSERT INTO production.docs VALUES (OLD.*); RETURN NULL;"),
        ("BEFORE", "RAISE EXCEPTION 'not this one' USING ERRCODE = 'P0001';"),
        ("BEFORE", "RAISE EXCEPTION 'not this one' USING ERRCODE = 'check_violation';"),
    ],
    ids=["swallowed", "undone", "another key", "put back", "raised", "constraint"],
)
def test_a_column_that_production_turns_away_is_named_and_the_others_are_corrected(
    make: Make, when: str, body: str
) -> None:
    bench = make()
    source_has(bench, *(row(key, changed=LATER) for key in (1, 2, 3)))
    reload = bench.merge({"docs": [row(key, name="old") for key in (1, 2, 3)]})
    bench.on_production(
        "CREATE FUNCTION production.t() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF OLD.id <> 2 OR NEW.name = OLD.name THEN RETURN NEW; END IF; {body} END $$;"
        f"CREATE TRIGGER t {when} UPDATE ON production.docs FOR EACH ROW EXECUTE FUNCTION production.t()"
    )
    count = [0]

    def go_on() -> None:
        count[0] += 1
        bench.on_source(f'UPDATE "SALES"."DOCS" SET "HITS" = {count[0]}')
        bench.on_production(f"UPDATE production.docs SET hits = {count[0]}, changed = '{LATER}'")

    bench.cdc.steps += [go_on] * 20
    confirmed = bench.confirm(reload)
    assert [(key, name) for key, name, *_ in bench.rows(ALL)] == [(1, "n"), (2, "old"), (3, "n")]
    assert sorted((operation, key["id"]) for operation, key, _ in bench.audit()) == [("updated", 1), ("updated", 3)]
    assert confirmed.corrections == 2
    assert not confirmed.settled
    assert "1 rows could not be corrected: docs 2 (" in confirmed.detail
    assert "still changing" not in confirmed.detail


def test_a_column_that_cdc_has_set_meanwhile_is_not_corrected(make: Make) -> None:
    bench = make()
    source_has(bench, row(1, "first", changed=LATER))
    reload = bench.merge({"docs": [row(1, "old")]})
    names = iter([f"name {number}" for number in range(40)])

    def go_on() -> None:
        # The source is always one step ahead of production.
        name = next(names)
        bench.on_production(f"UPDATE production.docs SET name = '{name}', changed = '{LATER}', hits = hits + 1")
        bench.on_source(f"""UPDATE "SALES"."DOCS" SET "NAME" = '{name} and on', "HITS" = "HITS" + 1""")

    bench.cdc.steps += [go_on] * 6
    assert bench.confirm(reload).settled
    # What the source has now is still before CDC: no column of the row is this reload's any more.
    assert bench.audit() == []
    ((_, name, _, _),) = bench.rows(ALL)
    assert name.startswith("name")


@pytest.mark.parametrize("leaving", [{}, {"equal_version": "skip"}, {"null_version": "report"}])
def test_a_marked_row_that_the_source_has_is_unmarked(make: Make, leaving: dict[str, str]) -> None:
    bench = make(orphans="soft_delete", soft_delete_column="deleted", **leaving)
    # With INSERT_RECORD, CDC updates the row that comes back, and leaves its mark.
    held = row(5, changed=None if "null_version" in leaving else NOON)
    production_has(bench, held)
    reload = bench.merge({"docs": []})
    bench.cdc.steps.append(lambda: source_has(bench, held))
    assert bench.confirm(reload).settled
    assert bench.rows("SELECT id, deleted FROM production.docs") == [(5, False)]
    assert [(operation, before["deleted"]) for operation, _, before in bench.audit()] == [
        ("updated", None),
        ("updated", True),
    ]


@pytest.mark.parametrize(("policy", "left"), [("report", [(5, None)]), ("soft_delete", [(5, True)]), ("delete", [])])
def test_a_row_that_production_had_before_the_reload_follows_the_policy_when_it_is_gone(
    make: Make, policy: str, left: list[tuple[int, bool | None]]
) -> None:
    soft = {"soft_delete_column": "deleted"} if policy == "soft_delete" else {}
    bench = make(orphans=policy, **soft)
    production_has(bench, row(5, "before", changed=EARLIER))
    # The merge updates row 5 and inserts row 6; both are gone from the source by then.
    reload = bench.merge({"docs": [row(5, "staged"), row(6)]})
    assert bench.confirm(reload).settled
    assert bench.rows("SELECT id, deleted FROM production.docs") == left


def test_what_cannot_be_compared_is_said(make: Make) -> None:
    bench = make(DDL)
    source_has(bench, row(1))
    reload = bench.merge({"docs": [row(1)]})
    confirmed = bench.confirm(reload)
    assert confirmed.settled
    assert "production.docs has no index on the version column changed" in confirmed.detail


def test_without_a_source_connection_rewritten_rows_are_read_again_and_the_rest_is_said(make: Make) -> None:
    bench = make()
    source_has(bench, row(1))
    reload = bench.merge({"docs": [row(1, "old")]})
    rows = ReaderRows(bench.reader)
    rows.reader = None

    def change_key() -> None:
        bench.on_source('UPDATE "SALES"."DOCS" SET "ID" = 2')
        bench.on_production("UPDATE production.docs SET id = 2")

    bench.cdc.steps.append(change_key)
    confirmed = bench.confirm(reload, rows=rows)
    assert confirmed.settled
    assert bench.rows(ALL) == [row(2)[:4]]
    assert "without a source connection nobody looked for rows that production lacks" in confirmed.detail
