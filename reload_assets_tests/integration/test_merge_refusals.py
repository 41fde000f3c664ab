"""What the merge refuses before it begins, and how it names the row that production refuses."""

from __future__ import annotations

from typing import Any

import pytest

from reload_assets.errors import NeverMergeable
from reload_assets.errors.merge import MergeStatementFailed, ParentMissing, RowRefused, TurnedAway, ValueHeld
from reload_assets.errors.reloads import (
    AlreadyMerged,
    NotVerified,
    OtherTables,
    ReloadEnded,
    StagingChanged,
    StagingGone,
    StagingReplaced,
)
from reload_assets.merge import Outcomes
from reload_assets_tests.integration.merge_bench import (
    CUSTOMERS,
    EARLIER,
    NOON,
    UPDATED_AT,
    MakeBench,
    MergeBench,
    Rows,
)

ORDERS = (
    "CREATE TABLE production.orders (id integer PRIMARY KEY, customer_id integer REFERENCES production.customers, "
    "amount numeric(10,2), updated_at timestamp)"
)
BOTH: dict[str, Any] = {"customers": dict(UPDATED_AT), "orders": dict(UPDATED_AT)}


@pytest.fixture
def made(make_bench: MakeBench) -> MergeBench:
    return make_bench(f"{CUSTOMERS}; {ORDERS}", BOTH)


def test_a_reload_without_a_verdict_is_refused(made: MergeBench) -> None:
    reload = made.stage({"customers": [(1, "a", NOON)]}, verified=False)
    with pytest.raises(NotVerified, match="row_count of customers is pending; run the checks"):
        made.merge(reload)
    made.verify(reload)
    assert made.merge(reload).outcomes["customers"].inserted == 1


@pytest.mark.parametrize("status", ["failed", "could not verify"])
def test_a_rejected_reload_is_refused_by_the_name_of_its_check(made: MergeBench, status: str) -> None:
    reload = made.stage({"customers": [(1, "a", NOON)]}, verified=False)
    made.verify(reload, status, "10 rows, not 11")
    with pytest.raises(NotVerified, match=rf"row_count of customers is {status} \(10 rows, not 11\)"):
        made.merge(reload)
    assert made.ledger.get(reload.reload_id).status == "rejected"
    assert made.customers() == []


def test_a_reload_is_merged_once(made: MergeBench) -> None:
    reload = made.stage({"customers": [(1, "a", NOON)]})
    made.merge(reload)
    made.execute("DELETE FROM production.customers")
    with pytest.raises(AlreadyMerged):
        made.merge(reload)
    assert made.customers() == []
    assert made.ledger.get(reload.reload_id).status == "merged"


def test_a_reload_that_has_failed_is_refused(made: MergeBench) -> None:
    reload = made.stage({"customers": [(1, "a", NOON)]})
    made.ledger.close(reload.reload_id, "cancelled", "called off")
    with pytest.raises(ReloadEnded, match=r"cancelled \(called off\)"):
        made.merge(reload)


def test_a_subset_or_superset_of_the_tables_is_refused(made: MergeBench) -> None:
    both = made.stage({"customers": [(1, "a", NOON)], "orders": []})
    with pytest.raises(OtherTables, match="loaded customers too"):
        made.merge(both, ["orders"])
    assert made.merge(both).outcomes["customers"].inserted == 1
    one = made.stage({"orders": []})
    with pytest.raises(OtherTables, match="did not load customers"):
        made.merge(one, ["orders", "customers"])
    assert made.ledger.get(one.reload_id).status == "verified"


@pytest.mark.parametrize(
    ("change", "error", "complaint"),
    [
        ("DROP TABLE staging.customers_r1", StagingGone, "staging.customers_r1"),
        (
            "ALTER TABLE staging.customers_r1 RENAME TO old; CREATE TABLE staging.customers_r1 (LIKE staging.old);"
            "INSERT INTO staging.customers_r1 SELECT * FROM staging.old",
            StagingReplaced,
            "staging.customers_r1",
        ),
        (f"INSERT INTO staging.customers_r1 VALUES (2, 'b', '{NOON}')", StagingChanged, "2 rows, but 1"),
        ("TRUNCATE staging.customers_r1", StagingChanged, "0 rows, but 1"),
    ],
)
def test_staging_that_is_not_what_was_verified_is_refused(
    made: MergeBench, change: str, error: type[NeverMergeable], complaint: str
) -> None:
    reload = made.stage({"customers": [(1, "a", NOON)]})
    made.execute(change)
    with pytest.raises(error, match=complaint):
        made.merge(reload)
    assert made.customers() == []
    # Nothing can fix it, so it does not stand in the way of another reload of the window.
    assert made.ledger.get(reload.reload_id).status == "failed"


def test_a_subset_that_would_break_a_foreign_key_says_so(made: MergeBench) -> None:
    made.execute(f"INSERT INTO production.customers VALUES (1, 'a', '{NOON}')")
    reload = made.stage({"orders": [(10, 1, 5, NOON), (11, 2, 5, NOON), (12, 3, 5, NOON), (13, None, 5, NOON)]})
    with pytest.raises(ParentMissing) as caught:
        made.merge(reload)
    assert "2 staged row(s) of orders refer to rows of production.customers" in str(caught.value)
    assert "(id)=(11) wants (id)=(2); reload this window with customers too; or" in str(caught.value)
    assert made.rows("SELECT * FROM production.orders") == []
    assert made.ledger.get(reload.reload_id).status == "failed"


def test_a_parent_that_is_staged_beside_the_window_is_missing(made: MergeBench) -> None:
    rows: dict[str, Rows] = {
        "customers": [(1, "a", NOON), (2, "b", "2025-01-04")],
        "orders": [(10, 1, 5, NOON), (11, 2, 5, NOON)],
    }
    with pytest.raises(ParentMissing, match=r"1 staged row\(s\) of orders .*; reload the window in which"):
        made.merge(made.stage(rows))


def test_rows_may_refer_to_rows_of_their_own_table(make_bench: MakeBench) -> None:
    made = make_bench(
        "CREATE TABLE production.customers (id integer PRIMARY KEY, boss integer REFERENCES production.customers, "
        "updated_at timestamp)"
    )
    made.execute(f"INSERT INTO production.customers VALUES (3, NULL, '{EARLIER}')")
    rows = [(1, 9, NOON), (2, 3, NOON), (3, 1, NOON), (9, None, NOON)]
    assert made.reload(rows) == Outcomes(inserted=3, updated=1)


def test_a_check_constraint_names_the_row(made: MergeBench) -> None:
    made.execute("ALTER TABLE production.orders ADD CONSTRAINT positive CHECK (amount % 1000 >= 0)")
    reload = made.stage({"customers": [(1, "a", NOON)], "orders": [(10, 1, 5, NOON), (11, 1, -5, NOON)]})
    with pytest.raises(RowRefused) as caught:
        made.merge(reload)
    text = str(caught.value)
    assert "production.orders refuses the staged row (id)=(11) (check constraint positive)" in text
    assert f"reload {reload.reload_id} of sales" in text
    assert str(made.target.password) not in text
    assert made.customers() == []
    closed = made.ledger.get(reload.reload_id)
    assert (closed.status, closed.error) == ("failed", text)
    assert made.audit() == []


def test_a_check_of_a_column_that_nothing_feeds_is_named_without_the_row(
    make_bench: MakeBench, caplog: pytest.LogCaptureFixture
) -> None:
    ddl = CUSTOMERS.replace("name text", "name text, score integer CHECK (score IS NOT NULL)")
    made = make_bench(ddl, {"customers": {**UPDATED_AT, "columns": ["id", "name", "updated_at"]}})
    reload = made.stage({"customers": [(1, "secret", NOON)]})
    with pytest.raises(RowRefused, match="refuses a staged row .check constraint customers_score_check.") as caught:
        made.merge(reload)
    assert "secret" not in str(caught.value)
    assert "Traceback" not in caplog.text


def test_a_not_null_column_names_the_row(made: MergeBench) -> None:
    made.execute("ALTER TABLE production.customers ALTER COLUMN name SET NOT NULL")
    with pytest.raises(RowRefused, match=r"staged row \(id\)=\(7\) \(column name\)"):
        made.reload([(6, "a", NOON), (7, None, NOON)])


def test_values_staged_twice_in_a_unique_column_name_a_row(made: MergeBench) -> None:
    made.execute("ALTER TABLE production.customers ADD CONSTRAINT one_name UNIQUE (name)")
    with pytest.raises(RowRefused, match=r"staged row \(id\)=\([67]\) \(unique constraint one_name\)"):
        made.reload([(5, "a", NOON), (6, "b", NOON), (7, "b", NOON)])


def test_a_deferred_constraint_is_told_before_the_commit(make_bench: MakeBench) -> None:
    made = make_bench(CUSTOMERS + "; ALTER TABLE production.customers ADD CONSTRAINT late UNIQUE (name) DEFERRABLE")
    made.execute(f"INSERT INTO production.customers VALUES (1, 'taken', '{NOON}')")
    with pytest.raises(ValueHeld, match=r"staged row \(id\)=\(2\) of .* \(late\) that \(id\)=\(1\)"):
        made.reload([(2, "taken", NOON)])


def test_an_exception_of_a_trigger_is_told_in_its_own_words(made: MergeBench) -> None:
    made.execute(
        """CREATE FUNCTION production.no() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'customer % is frozen', NEW.id; END $$;
        CREATE TRIGGER no BEFORE INSERT ON production.customers FOR EACH ROW EXECUTE FUNCTION production.no()"""
    )
    with pytest.raises(
        RowRefused, match=r"production\.customers .*customer 3 is frozen.*materialize production of the window again"
    ):
        made.reload([(3, "a", NOON)])


FROZEN = """
CREATE FUNCTION production.no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'frozen'; END $$;
CREATE CONSTRAINT TRIGGER no AFTER INSERT ON production.customers DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION production.no()
"""


def test_an_exception_of_a_deferred_trigger_is_told_with_its_table(make_bench: MakeBench) -> None:
    alone = make_bench(f"{CUSTOMERS}; {FROZEN}")
    with pytest.raises(RowRefused, match=r"production\.customers refuses a staged row .*frozen.*fix the rule"):
        alone.reload([(3, "a", NOON)])


def test_an_exception_of_a_deferred_trigger_is_told_with_the_tables_of_which_it_may_be(made: MergeBench) -> None:
    made.execute(FROZEN)
    with pytest.raises(MergeStatementFailed, match=r": production\.customers, production\.orders: .*'frozen'"):
        made.merge(made.stage({"customers": [(3, "a", NOON)], "orders": []}))


def test_a_trigger_that_turns_updates_away_fails_the_merge(made: MergeBench) -> None:
    made.execute(
        f"""INSERT INTO production.customers VALUES (3, 'old', '{EARLIER}');
        CREATE FUNCTION production.no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
        CREATE TRIGGER no BEFORE UPDATE ON production.customers FOR EACH ROW EXECUTE FUNCTION production.no()"""
    )
    with pytest.raises(TurnedAway, match=r"1 of 1 rows of production\.customers"):
        made.reload([(3, "a", NOON)])
    assert made.audit() == []
