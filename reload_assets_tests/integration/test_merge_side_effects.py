"""The merge does to production what PostgreSQL returned of its statements, and nothing beside that."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from reload_assets.errors import MergeFailed
from reload_assets.errors.merge import RowsWouldFollow, TurnedAway
from reload_assets.merge import Outcomes
from reload_assets_tests.integration.merge_bench import (
    CUSTOMERS,
    EARLIER,
    LATER,
    NOON,
    UPDATED_AT,
    InThread,
    MakeBench,
    MergeBench,
    await_true,
)

LOGINS = "CREATE TABLE production.logins (id integer PRIMARY KEY, login text UNIQUE, name text, updated_at timestamp)"
SESSIONS = "CREATE TABLE {}.sessions (id integer PRIMARY KEY, login text REFERENCES production.logins (login) {})"
ON_LOGINS: dict[str, Any] = {"logins": dict(UPDATED_AT)}
SWAP = [(1, "bob", "s", NOON), (2, "ann", "s", NOON)]
ALL_LOGINS = "SELECT id, login, name FROM production.logins ORDER BY id"
ACTIONS = ["ON UPDATE CASCADE", "ON UPDATE SET NULL", "ON UPDATE SET DEFAULT"]


def logins(make_bench: MakeBench, action: str, schema: str = "production") -> MergeBench:
    made = make_bench(
        f"DROP SCHEMA IF EXISTS elsewhere CASCADE; CREATE SCHEMA elsewhere; {LOGINS};{SESSIONS.format(schema, action)}",
        ON_LOGINS,
    )
    made.execute(
        f"INSERT INTO production.logins VALUES (1, 'ann', 'p', '{EARLIER}'), (2, 'bob', 'p', '{EARLIER}'), "
        f"(3, 'cy', 'p', '{EARLIER}')"
    )
    return made


def trigger(when: str, body: str, table: str = "customers") -> str:
    name = "t_" + when.split()[0].lower()
    return (
        f"CREATE FUNCTION production.{name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$;"
        f"CREATE TRIGGER {name} {when} ON production.{table} FOR EACH ROW EXECUTE FUNCTION production.{name}()"
    )


@pytest.mark.parametrize("schema", ["production", "elsewhere"])
@pytest.mark.parametrize("action", ACTIONS)
def test_a_value_that_others_refer_to_and_follow_is_not_changed(
    make_bench: MakeBench, action: str, schema: str
) -> None:
    made = logins(make_bench, action, schema)
    made.execute(f"INSERT INTO {schema}.sessions VALUES (7, 'ann')")
    before = made.rows(ALL_LOGINS)
    with pytest.raises(MergeFailed) as caught:
        made.reload(SWAP)
    text = str(caught.value)
    assert f"rows of {schema}.sessions refer" in text
    assert f"(sessions_login_fkey, {action}), for example from (id)=(1); delete the referring rows" in text
    assert made.rows(ALL_LOGINS) == before
    assert made.rows(f"TABLE {schema}.sessions") == [(7, "ann")]
    # One new value, nothing parked.
    with pytest.raises(RowsWouldFollow, match=r"1 row\(s\) of production\.logins"):
        made.reload([(1, "new", "s", NOON)])
    assert made.rows(f"TABLE {schema}.sessions") == [(7, "ann")]
    assert made.audit() == []


@pytest.mark.parametrize("action", ACTIONS)
def test_values_to_which_no_row_refers_move_all_the_same(make_bench: MakeBench, action: str) -> None:
    made = logins(make_bench, action)
    made.execute("INSERT INTO production.sessions VALUES (7, 'cy')")
    assert made.reload([*SWAP, (3, "cy", "s", NOON)]) == Outcomes(updated=3)
    assert made.rows(ALL_LOGINS) == [(1, "bob", "s"), (2, "ann", "s"), (3, "cy", "s")]
    assert made.rows("TABLE production.sessions") == [(7, "cy")]


def test_a_child_that_comes_between_the_look_and_the_update_does_not_follow(make_bench: MakeBench) -> None:
    made = logins(make_bench, "ON UPDATE CASCADE")
    # Writing row 1 waits for as long as another session holds the gate.
    made.execute("CREATE TABLE production.gate (id integer)")
    made.execute(trigger("BEFORE UPDATE", "LOCK TABLE production.gate; RETURN NEW;", "logins"))
    reload = made.stage({"logins": [(1, "new", "s", NOON)]})
    with made.writer() as holder, psycopg.connect(made.url, autocommit=True) as replica:
        holder.execute("LOCK TABLE production.gate")
        merge = InThread(lambda: made.merge(reload, lock_timeout_ms=20_000))
        made.await_waiting()
        replica.execute("SET session_replication_role = replica")
        replica.execute("INSERT INTO production.sessions VALUES (7, 'ann')")
        holder.commit()
        with pytest.raises(RowsWouldFollow, match=r"sessions_login_fkey, ON UPDATE CASCADE"):
            merge.result()
    assert made.rows("TABLE production.sessions") == [(7, "ann")]
    assert made.rows(ALL_LOGINS)[0] == (1, "ann", "p")


def test_a_column_that_others_follow_is_not_parked_for_another_ones_sake(make_bench: MakeBench) -> None:
    # Values of (region, login) move; region, to which others refer, could be NULL meanwhile, and login, too.
    made = make_bench(
        "CREATE TABLE production.logins (id integer PRIMARY KEY, region integer UNIQUE DEFERRABLE, login text, "
        "updated_at timestamp, UNIQUE (region, login));"
        "ALTER TABLE production.logins DROP CONSTRAINT logins_region_key; "
        "CREATE TABLE production.places (region integer, login text, FOREIGN KEY (region, login) "
        "REFERENCES production.logins (region, login) ON UPDATE CASCADE)",
        ON_LOGINS,
    )
    made.execute(f"INSERT INTO production.logins VALUES (1, 1, 'ann', '{NOON}'), (2, 1, 'bob', '{NOON}')")
    assert made.reload([(1, 1, "bob", NOON), (2, 1, "ann", NOON)]).repaired == 2
    made.execute("INSERT INTO production.places VALUES (1, 'bob')")
    with pytest.raises(RowsWouldFollow, match="ON UPDATE CASCADE"):
        made.reload([(1, 1, "ann", NOON), (2, 1, "bob", NOON)])
    assert made.rows("TABLE production.places") == [(1, "bob")]


def test_a_swallowed_insert_fails_the_merge_by_the_triggers_name(make_bench: MakeBench) -> None:
    made = make_bench(CUSTOMERS)
    made.execute(trigger("BEFORE INSERT", "IF NEW.id = 2 THEN RETURN NULL; END IF; RETURN NEW;"))
    with pytest.raises(
        TurnedAway, match=r"\(id\)=\(2\) of production\.customers was not inserted.*t_before of production\.customers"
    ):
        made.reload([(1, "a", NOON), (2, "b", NOON)])
    assert made.customers() == []
    assert made.audit() == []


def test_a_row_that_a_trigger_routes_elsewhere_fails_the_merge(make_bench: MakeBench) -> None:
    # Partitioning by inheritance, as before declarative partitions.
    made = make_bench(
        f"{CUSTOMERS}; CREATE TABLE production.customers_2025 (PRIMARY KEY (id)) INHERITS (production.customers)"
    )
    made.execute(trigger("BEFORE INSERT", "INSERT INTO production.customers_2025 VALUES (NEW.*); RETURN NULL;"))
    with pytest.raises(TurnedAway, match=r"\(id\)=\(1\) of production\.customers"):
        made.reload([(1, "a", NOON)])
    assert made.customers() == []


def test_an_update_that_a_trigger_makes_in_its_own_way_fails_the_merge(make_bench: MakeBench) -> None:
    made = make_bench(CUSTOMERS)
    made.execute(f"INSERT INTO production.customers VALUES (1, 'old', '{EARLIER}')")
    made.execute(
        trigger(
            "BEFORE UPDATE",
            "IF pg_trigger_depth() > 1 THEN RETURN NEW; END IF;"
            "UPDATE production.customers SET name = NEW.name, updated_at = NEW.updated_at WHERE id = NEW.id;"
            "RETURN NULL;",
        )
    )
    with pytest.raises(MergeFailed, match=r"turned it away \(t_before of production\.customers\)|tuple to be updated"):
        made.reload([(1, "new", NOON)])
    assert made.customers() == [(1, "old")]
    assert made.audit() == []


@pytest.mark.parametrize("unique", ["", "UNIQUE"])
@pytest.mark.parametrize("event", ["INSERT", "UPDATE"])
@pytest.mark.parametrize("when", ["BEFORE", "AFTER"])
def test_a_trigger_that_gives_a_row_another_key_fails_the_merge(
    make_bench: MakeBench, when: str, event: str, unique: str
) -> None:
    made = make_bench(CUSTOMERS.replace("name text", f"name text {unique}"))
    made.execute(f"INSERT INTO production.customers VALUES (1, 'old', '{EARLIER}')")
    body = "NEW.id := NEW.id + 100; RETURN NEW;"
    if when == "AFTER":
        body = (
            "IF pg_trigger_depth() < 2 THEN UPDATE production.customers SET id = id + 100 WHERE id = NEW.id; END IF;"
            "RETURN NULL;"
        )
    made.execute(trigger(f"{when} {event}", body))
    with pytest.raises(TurnedAway, match=rf"t_{when.lower()} of production\.customers"):
        made.reload([(1, "a", NOON), (2, "b", NOON)])
    assert made.customers() == [(1, "old")]
    assert made.audit() == []


def test_a_row_that_cdc_inserts_and_deletes_is_not_laid_to_a_triggers_charge(make_bench: MakeBench) -> None:
    made = make_bench(CUSTOMERS)
    made.execute("CREATE TABLE production.gate (id integer)")
    made.execute(trigger("BEFORE INSERT", "IF NEW.id = 2 THEN LOCK TABLE production.gate; END IF; RETURN NEW;"))
    reload = made.stage({"customers": [(1, "a", NOON), (2, "b", NOON)]})
    with made.writer() as cdc, made.writer() as holder:
        cdc.execute(f"INSERT INTO production.customers VALUES (1, 'cdc', '{LATER}')".encode())
        holder.execute("LOCK TABLE production.gate")
        merge = InThread(lambda: made.merge(reload, lock_timeout_ms=20_000, attempts=1))
        made.await_waiting()
        cdc.commit()
        at_gate = "SELECT FROM pg_locks WHERE NOT granted AND relation = 'production.gate'::regclass"
        await_true(lambda: bool(made.rows(at_gate)))
        cdc.execute("DELETE FROM production.customers WHERE id = 1")
        cdc.commit()
        holder.rollback()
        assert merge.result().outcomes["customers"] == Outcomes(inserted=1, refused=1)
    assert made.customers() == [(2, "b")]
