"""Confirm does to production what is in its audit, and nothing beside that, whatever foreign keys and triggers do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from reload_assets.local.oracle import OracleColumn, OracleTable
from reload_assets.local.postgres import PostgresServer
from reload_assets_tests.integration.confirm_bench import ConfirmBench, confirm_bench
from reload_assets_tests.integration.merge_bench import LATER, NOON, UPDATED_AT, InThread
from reload_assets_tests.integration.throwaway import throwaway_database

_ID = OracleColumn("ID", "NUMBER(10)", nullable=False)
_NAME, _AT = OracleColumn("NAME", "VARCHAR2(40)"), OracleColumn("UPDATED_AT", "TIMESTAMP(6)")
CUSTOMERS = OracleTable("CUSTOMERS", [_ID, _NAME, _AT], ["ID"])
ORDERS = OracleTable("ORDERS", [_ID, OracleColumn("CUSTOMER", "NUMBER(10)"), _AT], ["ID"])
DDL = "CREATE TABLE production.customers (id integer PRIMARY KEY, name varchar(40) {}, updated_at timestamp(6))"
CHILDREN = (
    "DROP SCHEMA IF EXISTS elsewhere CASCADE; CREATE SCHEMA elsewhere; CREATE TABLE {}.orders (id integer PRIMARY KEY, "
    "customer integer DEFAULT 6 REFERENCES production.customers {}, updated_at timestamp(6))"
)
ALL = "SELECT id, name FROM production.customers ORDER BY id"
ALL_ORDERS = "SELECT id, customer FROM production.orders ORDER BY id"
ACTIONS = ["ON DELETE CASCADE", "ON DELETE SET NULL", "ON DELETE SET DEFAULT"]

Make = Callable[..., ConfirmBench]


@pytest.fixture(scope="module")
def databases(postgres: PostgresServer) -> Iterator[tuple[str, str]]:
    with throwaway_database(postgres, "effects_target") as target, throwaway_database(postgres, "effects") as source:
        yield target, source


@pytest.fixture
def make(databases: tuple[str, str]) -> Iterator[Make]:
    made: list[Any] = []

    def one(ddl: str, *, orders: bool = False, **options: Any) -> ConfirmBench:
        tables = {"customers": {**UPDATED_AT, "orphans": "delete", **options}}
        if orders:
            tables["orders"] = {**UPDATED_AT, "orphans": "delete"}
        entered = confirm_bench(*databases, ddl, [CUSTOMERS, ORDERS], tables)
        made.append(entered)
        return entered.__enter__()

    yield one
    for entered in made:
        entered.__exit__(None, None, None)


def has_customers(bench: ConfirmBench, *keys: int, at: str = NOON) -> None:
    for key in keys:
        bench.on_production(f"INSERT INTO production.customers VALUES ({key}, 'row {key}', '{at}')")


def trigger(when: str, body: str) -> str:
    name = "t_" + when.split()[0].lower()
    return (
        f"; CREATE FUNCTION production.{name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$;"
        f"CREATE TRIGGER {name} {when} ON production.customers FOR EACH ROW EXECUTE FUNCTION production.{name}()"
    )


@pytest.mark.parametrize(
    ("action", "schema"), [*((action, "production") for action in ACTIONS), (ACTIONS[1], "elsewhere")]
)
def test_a_row_with_children_that_would_go_with_it_stays(make: Make, action: str, schema: str) -> None:
    bench = make(f"{DDL.format('')}; {CHILDREN.format(schema, action)}")
    has_customers(bench, 5, 6, 7)
    bench.on_production(f"INSERT INTO {schema}.orders VALUES (50, 5, '2024-06-01'), (51, 5, '2024-06-02')")
    bench.on_source(f"""INSERT INTO "SALES"."CUSTOMERS" VALUES (6, 'row 6', '{NOON}')""")
    confirmed = bench.confirm(bench.merge({"customers": [(6, "row 6", NOON)]}))
    assert bench.rows(ALL) == [(5, "row 5"), (6, "row 6")]
    assert bench.rows(f"SELECT id, customer FROM {schema}.orders ORDER BY id") == [(50, 5), (51, 5)]
    assert [(operation, key["id"]) for operation, key, _ in bench.audit()] == [("deleted", 7)]
    assert not confirmed.settled
    assert f"1 rows could not be corrected: customers 5 (2 row(s) of {schema}.orders refer to it" in confirmed.detail
    assert f"(orders_customer_fkey, {action}); reload their windows, or delete them" in confirmed.detail


def test_a_row_that_the_reload_brought_back_stays_while_it_has_children(make: Make) -> None:
    bench = make(f"{DDL.format('')}; {CHILDREN.format('production', 'ON DELETE CASCADE')}", orphans="report")
    reload = bench.merge({"customers": [(5, "zombie", NOON)]})
    bench.on_production("INSERT INTO production.orders VALUES (50, 5, '2024-06-01')")
    assert not bench.confirm(reload).settled
    assert bench.rows(ALL_ORDERS) == [(50, 5)]


def test_children_of_the_reload_go_before_their_parents(make: Make) -> None:
    bench = make(f"{DDL.format('')}; {CHILDREN.format('production', 'ON DELETE CASCADE')}", orders=True)
    has_customers(bench, 5)
    bench.on_production(f"INSERT INTO production.orders VALUES (50, 5, '{NOON}'), (51, 5, '{NOON}')")
    assert bench.confirm(bench.merge({"customers": [], "orders": []})).settled
    assert bench.rows(ALL) + bench.rows(ALL_ORDERS) == []
    assert sorted(key["id"] for _, key, _ in bench.audit()) == [5, 50, 51]


def test_a_row_goes_once_cdc_has_deleted_its_children(make: Make) -> None:
    bench = make(f"{DDL.format('')}; {CHILDREN.format('production', 'ON DELETE CASCADE')}")
    has_customers(bench, 5)
    bench.on_production("INSERT INTO production.orders VALUES (50, 5, '2024-06-01')")
    reload = bench.merge({"customers": []})
    bench.cdc.steps += [lambda: None, lambda: bench.on_production("DELETE FROM production.orders")]
    assert bench.confirm(reload).settled
    assert bench.rows(ALL) == []
    assert [key["id"] for _, key, _ in bench.audit()] == [5]


def test_a_live_child_of_a_row_that_the_source_has_again_survives(make: Make) -> None:
    bench = make(f"{DDL.format('')}; {CHILDREN.format('production', 'ON DELETE CASCADE')}")
    reload = bench.merge({"customers": [(1, "a", NOON)]})

    def reborn() -> None:
        # CDC skips the customer, whose key exists, and applies the order.
        bench.on_source(f"""INSERT INTO "SALES"."CUSTOMERS" VALUES (1, 'again', '{LATER}')""")
        bench.on_production(f"INSERT INTO production.orders VALUES (60, 1, '{LATER}')")

    bench.cdc.steps.append(reborn)
    assert bench.confirm(reload).settled
    assert bench.rows(ALL) == [(1, "again")]
    assert bench.rows(ALL_ORDERS) == [(60, 1)]


@pytest.mark.parametrize("role", ["origin", "replica"])
def test_a_child_that_comes_between_the_look_and_the_delete_is_not_taken_along(make: Make, role: str) -> None:
    bench = make(f"{DDL.format('')}; {CHILDREN.format('production', 'ON DELETE CASCADE')}")
    has_customers(bench, 5)
    reload = bench.merge({"customers": []})
    # Confirm stops after it has looked for referring rows, when it writes the row into the audit.
    bench.on_production(
        """CREATE TABLE production.gate (id integer);
        CREATE FUNCTION production.stop() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN LOCK TABLE production.gate; RETURN NEW; END $$;
        CREATE TRIGGER stop BEFORE INSERT ON admin.reload_changes FOR EACH ROW EXECUTE FUNCTION production.stop()"""
    )
    with bench.made.writer() as holder, psycopg.connect(bench.made.url, autocommit=True) as cdc:
        holder.execute("LOCK TABLE production.gate")
        confirm = InThread(lambda: bench.confirm(reload))
        bench.made.await_waiting()
        cdc.execute(f"SET session_replication_role = {role}".encode())
        insert = InThread(lambda: cdc.execute(f"INSERT INTO production.orders VALUES (60, 5, '{LATER}')".encode()))
        if role == "origin":
            # It checks the foreign key, and waits for the row that is about to go.
            bench.made.await_waiting(2)
        else:
            insert.result()
        holder.commit()
        confirmed = confirm.result()
        if role == "origin":
            with pytest.raises(psycopg.errors.ForeignKeyViolation):
                insert.result()
    if role == "origin":
        assert (confirmed.settled, bench.rows(ALL), bench.rows(ALL_ORDERS)) == (True, [], [])
    else:
        assert bench.rows(ALL_ORDERS) == [(60, 5)]
        assert not confirmed.settled
        assert "1 row(s) of production.orders refer to it" in confirmed.detail
        assert bench.audit() == []


def test_rows_that_refer_to_each_other_go_together_unless_one_stays(make: Make) -> None:
    bench = make(
        DDL.format("") + "; ALTER TABLE production.customers ADD boss integer REFERENCES production.customers "
        "ON DELETE CASCADE",
        columns=["id", "name", "updated_at"],
    )
    bench.on_production(
        "INSERT INTO production.customers SELECT n, 'tree ' || n / 10, "
        f"CASE n WHEN 13 THEN timestamp '2024-06-01' ELSE '{NOON}' END, nullif(n / 10 * 10 + n % 10 - 1, n / 10 * 10) "
        "FROM unnest('{11,12,13,21,22,23}'::integer[]) AS n"
    )
    confirmed = bench.confirm(bench.merge({"customers": []}))
    assert [key for key, _ in bench.rows(ALL)] == [11, 12, 13]
    assert sorted(key["id"] for _, key, _ in bench.audit()) == [21, 22, 23]
    assert "2 rows could not be corrected" in confirmed.detail


def test_a_mark_that_children_would_follow_is_not_set(make: Make) -> None:
    bench = make(
        DDL.format("") + "; ALTER TABLE production.customers ADD gone boolean DEFAULT false, ADD UNIQUE (id, gone);"
        "CREATE TABLE production.visits (customer integer, gone boolean, FOREIGN KEY (customer, gone) REFERENCES "
        "production.customers (id, gone) ON UPDATE CASCADE)",
        columns=["id", "name", "updated_at"],
        orphans="soft_delete",
        soft_delete_column="gone",
    )
    has_customers(bench, 5, 6)
    bench.on_production("INSERT INTO production.visits VALUES (5, false)")
    confirmed = bench.confirm(bench.merge({"customers": []}))
    assert bench.rows("SELECT id, gone FROM production.customers ORDER BY id") == [(5, False), (6, True)]
    assert bench.rows("TABLE production.visits") == [(5, False)]
    assert "customers 5 (1 row(s) of production.visits refer to it and would change with it" in confirmed.detail


@pytest.mark.parametrize("action", ["CASCADE", "SET NULL", "SET DEFAULT"])
def test_a_value_that_children_would_follow_is_not_changed(make: Make, action: str) -> None:
    bench = make(
        DDL.format("UNIQUE") + "; CREATE TABLE production.visits (customer varchar(40) REFERENCES "
        f"production.customers (name) ON UPDATE {action})"
    )
    for key, name in ((1, "b"), (2, "a"), (3, "new")):
        bench.on_source(f"""INSERT INTO "SALES"."CUSTOMERS" VALUES ({key}, '{name}', '{LATER}')""")
    reload = bench.merge({"customers": [(1, "a", NOON), (2, "b", NOON), (3, "old", NOON)]})
    bench.on_production("INSERT INTO production.visits VALUES ('a')")
    confirmed = bench.confirm(reload)
    assert bench.rows(ALL) == [(1, "a"), (2, "b"), (3, "new")]
    assert bench.rows("TABLE production.visits") == [("a",)]
    assert "refer to it and would change with it unaudited (visits_customer_fkey, ON UPDATE" in confirmed.detail
    assert [key["id"] for _, key, _ in bench.audit()] == [3]


@pytest.mark.parametrize(
    "fault",
    [
        trigger("BEFORE DELETE", "IF OLD.id = 5 THEN RETURN NULL; END IF; RETURN OLD;"),
        trigger(
            "BEFORE DELETE",
            "IF OLD.id <> 5 THEN RETURN OLD; END IF;"
            "UPDATE production.customers SET name = 'gone' WHERE id = 5; RETURN NULL;",
        ),
        trigger(
            "AFTER DELETE",
            "IF OLD.id = 5 THEN INSERT INTO production.customers VALUES (OLD.*); END IF; RETURN NULL;",
        ),
    ],
    ids=["swallowed", "marked instead", "brought back"],
)
def test_a_delete_that_a_trigger_turns_away_is_named_and_the_others_are_made(make: Make, fault: str) -> None:
    bench = make(DDL.format("") + fault)
    has_customers(bench, 4, 5, 6)
    confirmed = bench.confirm(bench.merge({"customers": []}))
    assert bench.rows(ALL) == [(5, "row 5")]
    assert [key["id"] for _, key, _ in bench.audit()] == [4, 6]
    assert not confirmed.settled
    assert "customers 5 (a trigger of production turned it away (t_" in confirmed.detail


@pytest.mark.parametrize(
    ("when", "body"),
    [
        ("BEFORE INSERT OR UPDATE", "IF NEW.id = 5 THEN RETURN NULL; END IF; RETURN NEW;"),
        ("BEFORE INSERT OR UPDATE", "IF NEW.id = 5 THEN NEW.id := 105; END IF; RETURN NEW;"),
        ("AFTER INSERT OR UPDATE", "DELETE FROM production.customers WHERE id = 5 AND NEW.id = 5; RETURN NULL;"),
        (
            "BEFORE INSERT",
            "IF NEW.id = 5 THEN INSERT INTO production.heirs VALUES (NEW.*); RETURN NULL; END IF; RETURN NEW;",
        ),
    ],
    ids=["swallowed", "another key", "deleted again", "routed"],
)
@pytest.mark.parametrize("verdict", ["insert", "update"])
def test_a_row_that_a_trigger_turns_away_is_named_and_the_others_are_written(
    make: Make, verdict: str, when: str, body: str
) -> None:
    if verdict not in when.lower():
        return
    bench = make(DDL.format("") + "; CREATE TABLE production.heirs () INHERITS (production.customers)")
    for key in (4, 5, 6):
        bench.on_source(f"""INSERT INTO "SALES"."CUSTOMERS" VALUES ({key}, 'new', '{LATER}')""")
    reload = bench.merge({"customers": [(key, "old", NOON) for key in (4, 5, 6)]})
    if verdict == "insert":
        bench.on_production("DELETE FROM production.customers")
    bench.on_production(trigger(when, body)[1:])
    confirmed = bench.confirm(reload)
    assert bench.rows(ALL) == [(4, "new"), *([(5, "old")] if verdict == "update" else []), (6, "new")]
    assert sorted(key["id"] for _, key, _ in bench.audit()) == [4, 6]
    assert not confirmed.settled
    assert "customers 5 (a trigger of production turned it away (t_" in confirmed.detail


def test_a_row_that_cdc_inserted_meanwhile_is_not_noted_as_written(make: Make) -> None:
    bench = make(DDL.format(""))
    reload = bench.merge({"customers": [(1, "a", NOON), (2, "old", NOON)]})
    bench.on_production("DELETE FROM production.customers WHERE id = 1")
    for key, name in ((1, "source"), (2, "new")):
        bench.on_source(f"""INSERT INTO "SALES"."CUSTOMERS" VALUES ({key}, '{name}', '{LATER}')""")
    # CDC inserts the row; its update that follows is refused.
    bench.cdc.steps.append(lambda: has_customers(bench, 1))
    assert bench.confirm(reload).settled
    assert bench.rows(ALL) == [(1, "source"), (2, "new")]
