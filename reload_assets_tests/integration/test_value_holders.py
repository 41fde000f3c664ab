"""A staged row needs a unique value that a row of production, its holder, still has and the source may have deleted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from reload_assets.errors.merge import ValueHeld
from reload_assets.local.oracle import OracleColumn, OracleTable
from reload_assets.local.postgres import PostgresServer
from reload_assets.merge import Outcomes
from reload_assets_tests.integration.confirm_bench import ConfirmBench, confirm_bench
from reload_assets_tests.integration.merge_bench import EARLIER, LATER, NOON, UPDATED_AT
from reload_assets_tests.integration.throwaway import throwaway_database

ACCOUNTS = OracleTable(
    "ACCOUNTS",
    [
        OracleColumn("ID", "NUMBER(10)", nullable=False),
        OracleColumn("EMAIL", "VARCHAR2(40)"),
        OracleColumn("BOSS", "NUMBER(10)"),
        OracleColumn("UPDATED_AT", "TIMESTAMP(6)"),
    ],
    ["ID"],
)
ORDERS = OracleTable(
    "ORDERS",
    [
        OracleColumn("ID", "NUMBER(10)", nullable=False),
        OracleColumn("ACCOUNT", "NUMBER(10)"),
        OracleColumn("UPDATED_AT", "TIMESTAMP(6)"),
    ],
    ["ID"],
)
DDL = "CREATE TABLE production.accounts (id integer PRIMARY KEY, email text{}, boss integer, updated_at timestamp)"
UNIQUE = DDL.format(" CONSTRAINT one_email UNIQUE")
MARKED = DDL.format("")[:-1] + ", gone timestamp); CREATE UNIQUE INDEX one_email ON production.accounts (email){}"
EXPRESSION = DDL.format("") + "; CREATE UNIQUE INDEX one_email ON production.accounts (lower(email))"
PARTIAL = DDL.format("") + "; CREATE UNIQUE INDEX one_email ON production.accounts (email) WHERE email > 'a'"
EXCLUSION = DDL.format("")[:-1] + ", CONSTRAINT one_email EXCLUDE USING hash (email WITH =))"
COMPUTED = DDL.format("")[:-1] + ", up text GENERATED ALWAYS AS (upper(email)) STORED CONSTRAINT one_email UNIQUE)"
PART = (
    DDL.format("") + " PARTITION BY RANGE (id); CREATE TABLE production.rest PARTITION OF production.accounts DEFAULT;"
    "CREATE TABLE production.low PARTITION OF production.accounts FOR VALUES FROM (0) TO (9);"
    "CREATE UNIQUE INDEX one_email ON production.low (email)"
)
LONG_AGO = "2024-06-01 09:00:00"
AFTERWARDS = "2025-02-01"
ALL = "SELECT id, email FROM production.accounts ORDER BY id"
SOFT = {"orphans": "soft_delete", "soft_delete_column": "gone"}
MODES: list[dict[str, Any]] = [{}, {"mode": "chunked", "chunk_rows": 1}]

Make = Callable[..., ConfirmBench]


@pytest.fixture(scope="module")
def databases(postgres: PostgresServer) -> Iterator[tuple[str, str]]:
    with throwaway_database(postgres, "holders_target") as target, throwaway_database(postgres, "holders") as source:
        yield target, source


@pytest.fixture
def make(databases: tuple[str, str]) -> Iterator[Make]:
    made: list[Any] = []

    def one(ddl: str, orders: bool = False, **options: Any) -> ConfirmBench:
        tables: dict[str, Any] = {"accounts": {**UPDATED_AT, "orphans": "delete", **options}}
        if orders:
            tables["orders"] = {**UPDATED_AT, "orphans": "delete"}
        entered = confirm_bench(*databases, ddl, [ACCOUNTS, ORDERS], tables)
        made.append(entered)
        return entered.__enter__()

    yield one
    for entered in made:
        entered.__exit__(None, None, None)


def account(bench: ConfirmBench, key: int, email: str | None, at: str = NOON, boss: str = "NULL") -> None:
    value = "NULL" if email is None else f"'{email}'"
    bench.on_source(f'INSERT INTO "SALES"."ACCOUNTS" VALUES ({key}, {value}, {boss}, \'{at}\')')


def held(bench: ConfirmBench, key: int, email: str, at: str = LONG_AGO, *more: str) -> None:
    values = ", ".join([str(key), f"'{email}'", "NULL", f"'{at}'", *more])
    bench.on_production(f"INSERT INTO production.accounts VALUES ({values})")


@pytest.mark.parametrize(
    ("ddl", "email", "at", "mode"),
    [
        (UNIQUE, "alice", EARLIER, MODES[0]),
        (UNIQUE, "alice", LONG_AGO, MODES[1]),
        (EXPRESSION, "ALICE", LONG_AGO, MODES[0]),
        (EXPRESSION, "ALICE", AFTERWARDS, MODES[1]),
        (PARTIAL, "alice", AFTERWARDS, MODES[0]),
        (PARTIAL, "alice", EARLIER, MODES[1]),
        (EXCLUSION, "alice", LONG_AGO, MODES[0]),
        (COMPUTED, "ALICE", LONG_AGO, MODES[1]),
        (PART, "alice", LONG_AGO, MODES[0]),
    ],
)
def test_a_holder_that_the_source_lost_goes_before_the_row_that_needs_its_value(
    make: Make, ddl: str, email: str, at: str, mode: dict[str, Any]
) -> None:
    bench = make(ddl)
    account(bench, 2, "alice")
    account(bench, 3, "bob")
    held(bench, 1, email, at)
    held(bench, 9, "outside", LONG_AGO)
    reload = bench.merge({"accounts": [(2, "alice", None, NOON), (3, "bob", None, NOON)]})
    # The merge itself has written what nobody was in the way of.
    assert bench.rows(ALL) == [(1, email), (3, "bob"), (9, "outside")]
    confirmed = bench.confirm(reload, **mode)
    assert confirmed.settled, confirmed.detail
    assert bench.rows(ALL) == [(2, "alice"), (3, "bob"), (9, "outside")]
    assert [(operation, key["id"]) for operation, key, _ in bench.audit()] == [("deleted", 1), ("inserted", 2)]
    assert bench.audit()[0][2]["email"] == email


def test_an_update_takes_over_the_value_of_a_holder_that_the_source_lost(make: Make) -> None:
    bench = make(DDL.format(" NOT NULL UNIQUE"))
    account(bench, 2, "alice")
    account(bench, 3, "two")
    held(bench, 1, "alice")
    held(bench, 2, "two", EARLIER)
    held(bench, 3, "three", EARLIER)
    # 3 takes over what 2 gives up, and so waits with it.
    reload = bench.merge({"accounts": [(2, "alice", None, NOON), (3, "two", None, NOON)]})
    assert bench.rows(ALL) == [(1, "alice"), (2, "two"), (3, "three")]
    assert bench.confirm(reload).settled
    assert bench.rows(ALL) == [(2, "alice"), (3, "two")]


@pytest.mark.parametrize("policy", ["report", "delete"])
def test_a_value_that_an_unlisted_row_holds_asks_for_both_keys(make: Make, policy: str) -> None:
    """Two rows have each other's value. The window of neither could be reloaded first."""
    bench = make(UNIQUE, orphans=policy)
    account(bench, 1, "alice")
    account(bench, 2, "bob", LONG_AGO)
    for key, email in ((1, "bob"), (2, "alice")):
        held(bench, key, email)
    first, second = ((1, "alice", None, NOON), (2, "bob", None, LONG_AGO))
    if policy == "report":
        with pytest.raises(ValueHeld, match=r"; if it has, reload both rows by one list of keys\. \["):
            bench.merge({"accounts": [first]}, {"accounts": [("1",)]})
    else:
        confirmed = bench.confirm(bench.merge({"accounts": [first]}, {"accounts": [("1",)]}))
        assert "the source still has that row; reload both rows by one list of keys)" in confirmed.detail
    assert bench.rows(ALL) == [(1, "bob"), (2, "alice")]
    assert bench.confirm(bench.merge({"accounts": [first, second]}, {"accounts": [("1",), ("2",)]})).settled
    assert bench.rows(ALL) == [(1, "alice"), (2, "bob")]


def test_a_holder_that_the_source_has_is_never_removed(make: Make) -> None:
    bench = make(UNIQUE)
    account(bench, 2, "alice")
    account(bench, 3, "bob")
    # The source has moved the value since production was right; that window has to be loaded, too.
    account(bench, 1, "other", LONG_AGO)
    held(bench, 1, "alice")
    confirmed = bench.confirm(bench.merge({"accounts": [(2, "alice", None, NOON), (3, "bob", None, NOON)]}))
    assert bench.rows(ALL) == [(1, "alice"), (3, "bob")]
    assert not confirmed.settled
    assert (
        f"accounts 2 (unique constraint one_email of production.accounts: (id)=(1), whose updated_at is {LONG_AGO}, "
        "has the value; the source still has that row; reload the window of that time)" in confirmed.detail
    )
    # Which helps: the other window's row gives the value up, and its confirm takes this one's rows along.
    bench.on_production("UPDATE production.accounts SET email = 'other' WHERE id = 1")
    assert bench.confirm(bench.merge({"accounts": [(2, "alice", None, NOON), (3, "bob", None, NOON)]})).settled
    assert bench.rows(ALL) == [(1, "other"), (2, "alice"), (3, "bob")]


def test_a_holder_that_the_source_inserts_again_meanwhile_stays(make: Make) -> None:
    bench = make(UNIQUE)
    account(bench, 2, "alice")
    held(bench, 1, "alice")
    reload = bench.merge({"accounts": [(2, "alice", None, NOON)]})

    def cdc() -> None:
        # After the pass has read that the source lacks the row, and before it is deleted.
        account(bench, 1, "again", LATER)
        bench.on_production(f"UPDATE production.accounts SET email = 'again', updated_at = '{LATER}' WHERE id = 1")

    bench.cdc.steps = [cdc]
    assert bench.confirm(reload).settled
    assert bench.rows(ALL) == [(1, "again"), (2, "alice")]
    assert [(operation, key["id"]) for operation, key, _ in bench.audit()] == [("inserted", 2)]


def test_a_holder_that_is_newer_than_the_load_keeps_its_value(make: Make) -> None:
    bench = make(UNIQUE)
    # Since the load the source has moved the value from row 2 to a new row, and CDC has brought that.
    account(bench, 2, "other", LATER)
    account(bench, 1, "alice", LATER)
    held(bench, 1, "alice", LATER)
    reload = bench.merge({"accounts": [(2, "alice", None, NOON)]})
    assert bench.rows(ALL) == [(1, "alice")]
    assert bench.confirm(reload).settled
    assert bench.rows(ALL) == [(1, "alice"), (2, "other")]
    assert [(operation, key["id"]) for operation, key, _ in bench.audit()] == [("inserted", 2)]


def test_a_holder_that_cdc_deletes_meanwhile_is_nobodys_to_delete(make: Make) -> None:
    bench = make(UNIQUE)
    account(bench, 2, "alice")
    held(bench, 1, "alice")
    reload = bench.merge({"accounts": [(2, "alice", None, NOON)]})
    bench.cdc.steps = [lambda: bench.on_production("DELETE FROM production.accounts WHERE id = 1")]
    assert bench.confirm(reload).settled
    assert bench.rows(ALL) == [(2, "alice")]
    assert [(operation, key["id"]) for operation, key, _ in bench.audit()] == [("inserted", 2)]


def test_a_holder_to_which_rows_refer_that_would_follow_stays_and_is_named(make: Make) -> None:
    bench = make(
        UNIQUE + "; CREATE TABLE production.visits (account integer CONSTRAINT visitor REFERENCES production.accounts "
        "ON DELETE CASCADE)"
    )
    account(bench, 2, "alice")
    held(bench, 1, "alice")
    bench.on_production("INSERT INTO production.visits VALUES (1)")
    reload = bench.merge({"accounts": [(2, "alice", None, NOON)]})
    confirmed = bench.confirm(reload)
    assert bench.rows(ALL) == [(1, "alice")]
    assert bench.rows("SELECT * FROM production.visits") == [(1,)]
    assert not confirmed.settled
    assert "accounts 1 (1 row(s) of production.visits refer to it and would go" in confirmed.detail
    assert "has the value; that row could not be removed: 1 row(s) of production.visits" in confirmed.detail
    # What the sentence says helps.
    bench.on_production("DELETE FROM production.visits")
    assert bench.confirm(bench.merge({"accounts": [(2, "alice", None, NOON)]})).settled
    assert bench.rows(ALL) == [(2, "alice")]


@pytest.mark.parametrize("mode", MODES)
def test_rows_that_refer_to_the_row_wait_with_it(make: Make, mode: dict[str, Any]) -> None:
    bench = make(
        UNIQUE + "; CREATE TABLE production.orders (id integer PRIMARY KEY, account integer REFERENCES "
        "production.accounts, updated_at timestamp)",
        orders=True,
    )
    account(bench, 2, "alice")
    bench.on_source(f'INSERT INTO "SALES"."ORDERS" VALUES (20, 2, \'{NOON}\')')
    held(bench, 1, "alice", EARLIER)
    bench.on_production(f"INSERT INTO production.orders VALUES (10, 1, '{EARLIER}')")
    reload = bench.made.stage({"accounts": [(2, "alice", None, NOON)], "orders": [(20, 2, NOON)]})
    patience: dict[str, Any] = {"chunk_rows": 1} if mode else {}
    outcomes = bench.made.merge(reload, awaits_confirm=True, **patience).outcomes
    assert outcomes == {"accounts": Outcomes(refused=1), "orders": Outcomes(refused=1)}
    confirmed = bench.confirm(bench.made.ledger.get(reload.reload_id), **mode)
    assert confirmed.settled, confirmed.detail
    assert bench.rows(ALL) == [(2, "alice")]
    assert bench.rows("SELECT id, account FROM production.orders") == [(20, 2)]


def test_rows_of_the_same_table_that_refer_to_the_row_wait_with_it(make: Make) -> None:
    bench = make(UNIQUE + "; ALTER TABLE production.accounts ADD FOREIGN KEY (boss) REFERENCES production.accounts")
    account(bench, 2, "alice")
    account(bench, 3, "bob", boss="2")
    account(bench, 4, "eve", boss="3")
    held(bench, 1, "alice")
    rows = [(2, "alice", None, NOON), (3, "bob", 2, NOON), (4, "eve", 3, NOON)]
    assert bench.confirm(bench.merge({"accounts": rows})).settled
    assert bench.rows(ALL) == [(2, "alice"), (3, "bob"), (4, "eve")]


def test_a_value_that_the_source_moves_after_the_load_finds_its_holder_too(make: Make) -> None:
    bench = make(UNIQUE)
    account(bench, 2, "fresh", LATER)
    held(bench, 1, "fresh")
    reload = bench.merge({"accounts": [(2, "loaded", None, NOON)]})
    assert bench.rows(ALL) == [(1, "fresh"), (2, "loaded")]
    assert bench.confirm(reload).settled
    assert bench.rows(ALL) == [(2, "fresh")]


@pytest.mark.parametrize("in_window", [True, False])
@pytest.mark.parametrize("fix", ["delete it", "orphans: delete", "reload its window"])
def test_a_reported_holder_is_named_with_its_time_and_what_helps(make: Make, in_window: bool, fix: str) -> None:
    bench = make(UNIQUE, orphans="report")
    account(bench, 2, "alice")
    at = EARLIER if in_window else LONG_AGO
    held(bench, 1, "alice", at)
    rows: dict[str, Any] = {"accounts": [(2, "alice", None, NOON)]}
    reload = bench.made.stage(rows)
    with pytest.raises(ValueHeld) as caught:
        bench.made.merge(reload)
    assert (
        f"the staged row (id)=(2) of production.accounts needs a unique value (one_email) that (id)=(1), whose "
        f"updated_at is {at}, still has, and this reload has not loaded that row: if the source no longer has that "
        "row, delete it in production, or set orphans: delete and reload this window instead; if it has, reload the "
        "window of that time first; then materialize production of the window again. [value-held]" in str(caught.value)
    )
    if fix == "orphans: delete":
        tables = bench.made.config.groups["sales"].tables
        tables["accounts"] = tables["accounts"].model_copy(update={"orphans": "delete"})
        reload = bench.made.stage(rows)
    else:
        bench.on_production(
            "DELETE FROM production.accounts WHERE id = 1"
            if fix == "delete it"
            else "UPDATE production.accounts SET email = 'moved' WHERE id = 1"
        )
    bench.made.merge(reload, awaits_confirm=True)
    assert bench.confirm(bench.made.ledger.get(reload.reload_id)).settled
    assert (2, "alice") in bench.rows(ALL)


def test_without_a_known_position_of_cdc_the_withheld_rows_are_written_and_no_others(make: Make) -> None:
    bench = make(
        UNIQUE + "; CREATE TABLE production.orders (id integer PRIMARY KEY, account integer REFERENCES "
        "production.accounts, updated_at timestamp)",
        orders=True,
    )
    for key, email in ((2, "alice"), (3, "bob"), (5, "theirs")):
        account(bench, key, email)
    bench.on_source(f'INSERT INTO "SALES"."ORDERS" VALUES (20, 2, \'{NOON}\')')
    held(bench, 1, "alice")
    held(bench, 3, "bobby", EARLIER)
    held(bench, 4, "bob", EARLIER)
    held(bench, 5, "newer", LATER)
    rows = [(2, "alice", None, NOON), (3, "bob", None, NOON), (5, "theirs", None, NOON)]
    reload = bench.merge({"accounts": rows, "orders": [(20, 2, NOON)]})
    assert bench.rows(ALL) == [(1, "alice"), (3, "bobby"), (4, "bob"), (5, "newer")]
    confirmed = bench.confirm(reload, without_position=True)
    assert bench.rows(ALL) == [(2, "alice"), (3, "bob"), (5, "newer")]
    assert bench.rows("SELECT id, account FROM production.orders") == [(20, 2)]
    assert confirmed.corrections == 5


def test_a_mark_frees_the_value_where_the_index_leaves_marked_rows_out(make: Make) -> None:
    bench = make(MARKED.format(" WHERE gone IS NULL"), **SOFT)
    account(bench, 2, "alice")
    held(bench, 1, "alice", LONG_AGO, "NULL")
    held(bench, 5, "alice", LONG_AGO, f"'{LONG_AGO}'")
    assert bench.confirm(bench.merge({"accounts": [(2, "alice", None, NOON)]})).settled
    assert bench.rows("SELECT id, gone IS NULL FROM production.accounts ORDER BY id") == [
        (1, False),
        (2, True),
        (5, False),
    ]


@pytest.mark.parametrize(
    ("mark", "sentence"),
    [
        (
            "NULL",
            "delete it in production, because a row that is marked as deleted keeps its values in one_email; if it has",
        ),
        (
            f"'{LONG_AGO}'",
            "a row that is marked as deleted keeps its values in one_email; replace it by a unique index WHERE no row "
            "is marked, or delete the row in production",
        ),
    ],
    ids=["not marked", "marked"],
)
def test_a_mark_frees_nothing_in_an_index_over_all_rows(make: Make, mark: str, sentence: str) -> None:
    bench = make(MARKED.format(""), **SOFT)
    account(bench, 2, "alice")
    held(bench, 1, "alice", LONG_AGO, mark)
    with pytest.raises(ValueHeld) as caught:
        bench.merge({"accounts": [(2, "alice", None, NOON)]})
    assert sentence in str(caught.value)
    bench.on_production(
        "DROP INDEX production.one_email; "
        "CREATE UNIQUE INDEX one_email ON production.accounts (email) WHERE gone IS NULL"
    )
    assert bench.confirm(bench.merge({"accounts": [(2, "alice", None, NOON)]})).settled
    assert bench.rows("SELECT id, gone IS NULL FROM production.accounts ORDER BY id") == [(1, False), (2, True)]


def test_a_value_that_a_marked_row_keeps_is_named_by_the_confirm_too(make: Make) -> None:
    bench = make(MARKED.format(""), **SOFT)
    account(bench, 2, "fresh", LATER)
    held(bench, 1, "fresh", EARLIER, f"'{LONG_AGO}'")
    reload = bench.merge({"accounts": [(2, "loaded", None, NOON)]})
    confirmed = bench.confirm(reload)
    assert not confirmed.settled
    assert (
        "has the value; a row that is marked as deleted keeps its values in one_email; replace it by a unique index "
        "WHERE no row is marked, or delete the row in production)" in confirmed.detail
    )
    bench.on_production("DELETE FROM production.accounts WHERE id = 1")
    assert bench.confirm(reload).settled
    assert bench.rows(ALL) == [(2, "fresh")]
