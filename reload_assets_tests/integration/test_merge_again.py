"""After a merge that failed: its sentence says what to do, and exactly that lets the verified rows in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest
from psycopg import sql

from reload_assets.errors import ReloadError, code_of
from reload_assets.errors.merge import MergeContended, ParentMissing, RowRefused
from reload_assets.errors.reloads import NotVerified, ReloadEnded, WindowBusy
from reload_assets.ledger.ledger import Ledger
from reload_assets.ledger.records import Reload
from reload_assets.merge import MergeResult, Patience, merge_reload
from reload_assets.resolved import unchanged_tables
from reload_assets_tests.integration.merge_bench import (
    CUSTOMERS,
    EARLIER,
    NOON,
    UPDATED_AT,
    MakeBench,
    MergeBench,
    Rows,
)

MERGE_AGAIN = "materialize production of the window again"
ORDERS = (
    "CREATE TABLE production.orders (id integer PRIMARY KEY, customer_id integer REFERENCES production.customers, "
    "updated_at timestamp)"
)
NO = "CREATE FUNCTION production.no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {} END $$;"


def merge(made: MergeBench, reload: Reload, **options: Any) -> MergeResult:
    """What materializing production of the reload's window does, with the tables as they are now."""
    with made.target.connect() as connection:
        tables = unchanged_tables(connection, "reload.yaml", reload)
    patience = Patience(**{"lock_timeout_ms": 100, "stall_limit_ms": 20_000, "attempts": 2, **options})
    return merge_reload(made.target, made.ledger, reload, tables, made.config.source.zone, patience)


def refusal(made: MergeBench, reload: Reload, **options: Any) -> str:
    """The sentence with which a merge fails, which is in the ledger then."""
    with pytest.raises(ReloadError) as caught:
        merge(made, reload, **options)
    found = made.ledger.get(reload.reload_id)
    assert (found.status, found.error) == ("failed", str(caught.value))
    return str(caught.value)


@dataclass(frozen=True)
class Case:
    """``cause`` comes about after the load, and ``fix`` is what the error asks for."""

    code: str
    cause: str
    fix: str
    ddl: str = CUSTOMERS
    rows: Rows = ((1, "new", NOON),)


_ROW = f"INSERT INTO production.customers VALUES (1, 'old', '{EARLIER}');"
_LOGINS = CUSTOMERS.replace("name text", "name text {}UNIQUE") + (
    "; CREATE TABLE production.sessions (name text REFERENCES production.customers (name) ON UPDATE CASCADE {});"
    f"INSERT INTO production.customers VALUES (1, 'ann', '{EARLIER}'), (2, 'bob', '{EARLIER}')"
)
CASES = {
    "a rule of production": Case(
        "row-refused",
        "ALTER TABLE production.customers ADD CONSTRAINT short CHECK (length(name) < 3)",
        "ALTER TABLE production.customers DROP CONSTRAINT short",
    ),
    "a column that may not be NULL": Case(
        "row-refused",
        "ALTER TABLE production.customers ADD CONSTRAINT named CHECK (name IS NOT NULL)",
        "ALTER TABLE production.customers DROP CONSTRAINT named",
        rows=((1, None, NOON),),
    ),
    "a value that another row has": Case(
        "value-held",
        f"ALTER TABLE production.customers ADD UNIQUE (name);"
        f"INSERT INTO production.customers VALUES (2, 'new', '{NOON}')",
        "DELETE FROM production.customers WHERE id = 2",
    ),
    "a trigger that raises": Case(
        "row-refused",
        NO.format("RAISE EXCEPTION 'frozen';")
        + "CREATE TRIGGER no BEFORE INSERT ON production.customers FOR EACH ROW EXECUTE FUNCTION production.no()",
        "DROP TRIGGER no ON production.customers",
    ),
    "a trigger that turns rows away": Case(
        "turned-away",
        _ROW
        + NO.format("RETURN NULL;")
        + "CREATE TRIGGER no BEFORE UPDATE ON production.customers FOR EACH ROW EXECUTE FUNCTION production.no()",
        "DROP TRIGGER no ON production.customers",
    ),
    "a missing partition": Case(
        "partition-missing",
        "SELECT 1",
        "CREATE TABLE production.ones PARTITION OF production.customers FOR VALUES FROM (1) TO (2)",
        ddl=CUSTOMERS + " PARTITION BY RANGE (id)",
    ),
    "a column without a default": Case(
        "column-without-default",
        "ALTER TABLE production.customers ALTER COLUMN score DROP DEFAULT",
        "ALTER TABLE production.customers ALTER COLUMN score SET DEFAULT 1",
        ddl=CUSTOMERS + "; ALTER TABLE production.customers ADD COLUMN score integer NOT NULL DEFAULT 0",
    ),
    "rows that would follow": Case(
        "rows-would-follow",
        "INSERT INTO production.sessions VALUES ('ann')",
        "DELETE FROM production.sessions",
        ddl=_LOGINS.format("", ""),
    ),
    "values that swap": Case(
        "values-swap",
        "INSERT INTO production.sessions VALUES (1)",
        "ALTER TABLE production.customers DROP CONSTRAINT customers_name_key, "
        "ADD CONSTRAINT customers_name_key UNIQUE (name) DEFERRABLE",
        ddl=CUSTOMERS.replace("name text", "name text NOT NULL UNIQUE")
        + "; CREATE TABLE production.sessions (id integer REFERENCES production.customers ON DELETE CASCADE);"
        f"INSERT INTO production.customers VALUES (1, 'ann', '{EARLIER}'), (2, 'bob', '{EARLIER}')",
        rows=((1, "bob", NOON), (2, "ann", NOON)),
    ),
    "a right": Case(
        "merge-statement-failed",
        "REVOKE INSERT ON production.customers FROM merger",
        "GRANT INSERT ON production.customers TO merger",
    ),
}


@contextmanager
def as_merger(made: MergeBench) -> Iterator[None]:
    """The merges' login is not a superuser while this is open."""
    target, ledger = made.target, made.ledger
    password = sql.Literal(target.password).as_string()
    schemas = "production, staging, admin"
    made.execute(
        f"CREATE ROLE merger LOGIN PASSWORD {password}; GRANT USAGE ON SCHEMA {schemas} TO merger;"
        f"GRANT ALL ON ALL TABLES IN SCHEMA {schemas} TO merger;"
        f"GRANT ALL ON ALL SEQUENCES IN SCHEMA {schemas} TO merger"
    )
    made.target = replace(target, user="merger")
    made.ledger = Ledger(made.target)
    try:
        yield
    finally:
        made.target, made.ledger = target, ledger
        made.execute("DROP OWNED BY merger; DROP ROLE merger")


@pytest.mark.parametrize("case", CASES.values(), ids=[*CASES])
def test_what_the_sentence_asks_for_lets_the_verified_rows_in(make_bench: MakeBench, case: Case) -> None:
    made = make_bench(case.ddl, {"customers": {**UPDATED_AT, "columns": ["id", "name", "updated_at"]}})
    reload = made.stage({"customers": case.rows})
    with as_merger(made):
        made.execute(case.cause)
        said = refusal(made, reload)
        assert code_of(said) == case.code
        assert MERGE_AGAIN in said
        # Without the fix it is the same again, and no worse.
        assert code_of(refusal(made, reload)) == case.code
        made.execute(case.fix)
        merged = merge(made, reload)
    assert merged.outcomes["customers"].changed == len(case.rows)
    assert made.rows("SELECT id, name FROM production.customers WHERE updated_at > '2025-01-03 11:30' ORDER BY id") == [
        row[:2] for row in case.rows
    ]
    assert len(made.audit()) == len(case.rows)
    found = made.ledger.get(reload.reload_id)
    assert (found.status, found.error, found.confirm_status) == ("merged", None, "pending")


def test_another_transaction_that_ends_lets_the_merge_in(make_bench: MakeBench) -> None:
    made = make_bench(CUSTOMERS)
    reload = made.stage({"customers": [(1, "new", NOON)]})
    with made.writer() as other:
        other.execute("LOCK TABLE production.customers")
        said = refusal(made, reload)
        assert code_of(said) == MergeContended.code
        assert f"end that transaction or wait until it has ended, then {MERGE_AGAIN}." in said
    assert merge(made, reload).outcomes["customers"].inserted == 1


def test_parents_that_were_reloaded_let_their_rows_in(make_bench: MakeBench) -> None:
    made = make_bench(f"{CUSTOMERS}; {ORDERS}", {"customers": dict(UPDATED_AT), "orders": dict(UPDATED_AT)})
    reload = made.stage({"orders": [(10, 1, NOON)]})
    said = refusal(made, reload)
    assert code_of(said) == ParentMissing.code
    assert "reload the window in which the customers changed, then materialize production of this one again" in said
    made.merge(made.stage({"customers": [(1, "a", NOON)]}))
    assert merge(made, reload).outcomes["orders"].inserted == 1


def test_a_merge_in_chunks_resumes_where_it_failed(make_bench: MakeBench) -> None:
    made = make_bench(CUSTOMERS)
    reload = made.stage({"customers": [(number, f"n{number}", NOON) for number in range(6)]})
    made.execute("ALTER TABLE production.customers ADD CONSTRAINT not_that CHECK (name <> 'n3')")
    with pytest.raises(RowRefused, match=r"merged in part \(1 chunks"):
        merge(made, reload, chunk_rows=2)
    made.execute("ALTER TABLE production.customers DROP CONSTRAINT not_that")
    result = merge(made, made.ledger.get(reload.reload_id), chunk_rows=2)
    assert result.outcomes["customers"].inserted == 6
    assert len(made.audit()) == 6


def test_checks_that_could_not_verify_are_run_again(make_bench: MakeBench) -> None:
    made = make_bench(CUSTOMERS)
    reload = made.stage({"customers": [(1, "new", NOON)]}, verified=False)
    made.verify(reload, "could not verify", "permission denied")
    with pytest.raises(NotVerified, match="fix its cause and run the checks of staging again"):
        merge(made, reload)
    made.verify(reload)
    assert merge(made, reload).outcomes["customers"].inserted == 1


def test_a_later_reload_of_the_window_comes_first(make_bench: MakeBench) -> None:
    made = make_bench(CUSTOMERS)
    reload = made.stage({"customers": [(1, "new", NOON)]})
    with made.writer() as other:
        other.execute("LOCK TABLE production.customers")
        refusal(made, reload)
    later = made.stage({"customers": [(1, "newer", NOON)]})
    with pytest.raises(WindowBusy, match=f"by reload {later.reload_id} "):
        merge(made, reload)
    assert made.ledger.get(reload.reload_id).status == "failed"
    assert merge(made, later).outcomes["customers"].inserted == 1


def test_a_reload_whose_load_failed_has_ended(make_bench: MakeBench) -> None:
    made = make_bench(CUSTOMERS)
    reload = made.stage({"customers": [(1, "new", NOON)]}, verified=False)
    made.ledger.close(reload.reload_id, "failed", "The load ended early.")
    with pytest.raises(ReloadEnded, match="reload the window again"):
        merge(made, reload)
    # Which is what is done then.
    assert merge(made, made.stage({"customers": [(1, "new", NOON)]})).outcomes["customers"].inserted == 1


@pytest.mark.parametrize(
    "change",
    [
        "DROP TABLE staging.customers_r1",
        f"INSERT INTO staging.customers_r1 VALUES (2, 'b', '{NOON}')",
        "ALTER TABLE staging.customers_r1 RENAME TO other; CREATE TABLE staging.customers_r1 (LIKE staging.other)",
    ],
)
def test_staging_that_is_not_what_was_verified_is_loaded_anew(make_bench: MakeBench, change: str) -> None:
    made = make_bench(CUSTOMERS)
    reload = made.stage({"customers": [(1, "new", NOON)]})
    made.execute(change)
    for _ in range(2):
        assert re.search(r"reload the window again\. \[staging-\w+\]$", refusal(made, reload))
    made.execute("DROP TABLE IF EXISTS staging.other")
    assert merge(made, made.stage({"customers": [(1, "new", NOON)]})).outcomes["customers"].inserted == 1
