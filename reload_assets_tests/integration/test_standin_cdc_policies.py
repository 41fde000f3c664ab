"""Changes that do not fit the target: what each of DMS's apply policies makes of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import psycopg
import pytest

from reload_assets.local.dms import DmsStandIn
from reload_assets_tests.integration.standin_bench import mapping, selection
from reload_assets_tests.integration.standin_cdc_bench import IDEMPOTENT, RULES, CdcBench, opened, prepare, quick

pytestmark = pytest.mark.thorough

MakeCdc = Callable[..., CdcBench]
DUPLICATE = (
    'RetCode: SQL_ERROR SqlState: 23505 NativeError: 1 Message: ERROR: duplicate key value violates unique constraint "'
    'items_pkey"; Error while executing the query'
)
NO_ROW = "0 rows affected"

# The source has 1, 2 and 3; the target lost 1, has a 2 of its own, and a 9 that the source never had.
INSERT = """INSERT INTO "SALES"."ITEMS" VALUES (9, 90, 'source', NULL)"""
UPDATE = """UPDATE "SALES"."ITEMS" SET "AMOUNT" = 10 WHERE "ITEM_ID" = 1"""
DELETE = """DELETE FROM "SALES"."ITEMS" WHERE "ITEM_ID" = 1"""
MOVE = """UPDATE "SALES"."ITEMS" SET "ITEM_ID" = {to} WHERE "ITEM_ID" = {row}"""
INSERTED = """INSERT INTO "SALES"."ITEMS" VALUES ({})"""
UPDATED = """UPDATE "SALES"."ITEMS" SET "{} WHERE "ITEM_ID" = 3"""
BESIDE = """UPDATE "SALES"."ITEMS" SET "NOTE" = 'beside' WHERE "ITEM_ID" = 3"""
KEPT = [(2, -1.0, "own", None), (3, 3.0, "beside", None), (9, -9.0, "own", None)]


@pytest.fixture
def dms(databases: tuple[str, str]) -> Iterator[DmsStandIn]:
    prepare(databases)
    with quick() as started:
        yield started


@pytest.fixture
def make_cdc(dms: DmsStandIn, databases: tuple[str, str]) -> Iterator[MakeCdc]:
    """Makes and starts a task with the given policies; source and target differ as above."""
    made: list[CdcBench] = []
    with opened(dms, databases) as bench:

        def make(**policies: str) -> CdcBench:
            cdc = CdcBench(bench, policies=policies)
            made.append(cdc)
            cdc.start()
            cdc.apply("""INSERT INTO "SALES"."ITEMS" SELECT g, g FROM generate_series(1, 3) AS g""")
            cdc.ask("DELETE FROM production.items WHERE item_id = 1")
            cdc.ask("UPDATE production.items SET amount = -1, note = 'own' WHERE item_id = 2")
            cdc.ask("INSERT INTO production.items VALUES (9, -9, 'own')")
            cdc.ask("TRUNCATE production.log")
            return cdc

        yield make
        for one in made:
            one.close()


def state(cdc: CdcBench) -> str:
    return str(cdc.bench.statistics(cdc.arn)["ITEMS"]["TableState"])


@pytest.mark.parametrize("policy", ["LOG_ERROR", "IGNORE_RECORD", "SUSPEND_TABLE", "STOP_TASK", "INSERT_RECORD"])
def test_an_insert_whose_key_exists(make_cdc: MakeCdc, policy: str) -> None:
    cdc = make_cdc(ApplyErrorInsertPolicy=policy)
    values = """("item_id","amount","note","code") VALUES ('9','90.00','source',NULL)"""
    conflict(cdc, INSERT, policy, f"""INSERT INTO "production"."items" {values}""", DUPLICATE)
    if policy == "INSERT_RECORD":
        assert cdc.items() == [*KEPT[:2], (9, 90.0, "source", None)]
        assert cdc.exceptions() == []


@pytest.mark.parametrize("policy", ["LOG_ERROR", "IGNORE_RECORD", "SUSPEND_TABLE", "STOP_TASK", "UPDATE_RECORD"])
def test_an_update_of_a_missing_row(make_cdc: MakeCdc, policy: str) -> None:
    cdc = make_cdc(ApplyErrorUpdatePolicy=policy)
    statement = (
        """UPDATE "production"."items" SET "item_id"='1' , "amount"='10.00' , "note"=NULL , "code"=NULL """
        """WHERE "item_id"='1'"""
    )
    conflict(cdc, UPDATE, policy, statement, NO_ROW)
    if policy == "UPDATE_RECORD":
        assert cdc.items() == [(1, 10.0, None, None), *KEPT]
        assert cdc.exceptions() == []


@pytest.mark.parametrize("policy", ["IGNORE_RECORD", "LOG_ERROR", "SUSPEND_TABLE", "STOP_TASK"])
def test_a_delete_of_a_missing_row(make_cdc: MakeCdc, policy: str) -> None:
    cdc = make_cdc(ApplyErrorDeletePolicy=policy)
    conflict(cdc, DELETE, policy, """DELETE FROM "production"."items" WHERE "item_id"='1'""", NO_ROW)


def conflict(cdc: CdcBench, statement: str, policy: str, logged: str, why: str) -> None:
    """One transaction with a statement that does not fit, between two that do."""
    cdc.write(BESIDE, statement, """INSERT INTO "SALES"."ITEMS" VALUES (7)""")
    if policy == "STOP_TASK":
        failed = cdc.bench.wait(cdc.arn, "failed")
        assert failed["LastFailureMessage"].startswith(f"Last Error  {why} Statement: {logged} Stop Reason FATAL_ERROR")
        assert cdc.items() == [KEPT[0], (3, 3.0, None, None), KEPT[2]], "nothing of the transaction is applied"
        assert cdc.status()["task_status"] == "NOT RUNNING"
        return
    cdc.settle()
    after = (7, None, None, None)
    if policy == "SUSPEND_TABLE":
        assert cdc.items() == KEPT, "the table is left alone from there on"
        assert state(cdc) == "Table error"
    elif policy in ("LOG_ERROR", "IGNORE_RECORD"):
        assert cdc.items() == [*KEPT[:2], after, KEPT[2]], "only the statement is skipped"
        assert state(cdc) == "Table completed"
    else:
        cdc.ask("DELETE FROM production.items WHERE item_id = 7")
    if policy in ("LOG_ERROR", "SUSPEND_TABLE"):
        assert cdc.exceptions() == [(logged, why)]
        owner = cdc.ask('SELECT "TASK_NAME", "TABLE_OWNER", "TABLE_NAME" FROM dmslogs.awsdms_apply_exceptions')
        assert owner == [(cdc.arn.rsplit(":", 1)[1].upper(), "production", "items")]
        [(ago,)] = cdc.ask(
            """SELECT extract(epoch FROM now() AT TIME ZONE 'UTC' - "ERROR_TIME")::float
            FROM dmslogs.awsdms_apply_exceptions"""
        )
        assert 0 <= ago < 30
    else:
        assert cdc.exceptions() == []


@pytest.mark.parametrize("idempotent", [False, True])
def test_a_key_change_finds_the_row_by_its_old_key(make_cdc: MakeCdc, idempotent: bool) -> None:
    cdc = make_cdc(**(IDEMPOTENT if idempotent else {}))
    cdc.apply(MOVE.format(row=3, to=5))
    assert [row[0] for row in cdc.items()] == [2, 5, 9]
    assert cdc.ask("SELECT op, id FROM production.log") == [("UPDATE", 5)], "no delete and insert"


@pytest.mark.parametrize("idempotent", [False, True])
def test_a_key_change_whose_new_key_exists_is_logged_under_every_policy(make_cdc: MakeCdc, idempotent: bool) -> None:
    cdc = make_cdc(**(IDEMPOTENT if idempotent else {}))
    cdc.apply(MOVE.format(row=3, to=9), """INSERT INTO "SALES"."ITEMS" VALUES (7)""")
    assert [row[:2] for row in cdc.items()] == [(2, -1.0), (3, 3.0), (7, None), (9, -9.0)]
    statement = (
        """UPDATE "production"."items" SET "item_id"='9' , "amount"='3.00' , "note"=NULL , "code"=NULL """
        """WHERE "item_id"='3'"""
    )
    assert cdc.exceptions() == [(statement, DUPLICATE)]


def test_a_key_change_of_a_missing_row(make_cdc: MakeCdc) -> None:
    cdc = make_cdc()
    cdc.apply(MOVE.format(row=1, to=5))
    assert [row[0] for row in cdc.items()] == [2, 3, 9]
    assert [why for _, why in cdc.exceptions()] == [NO_ROW]


def test_a_key_change_of_a_missing_row_is_inserted_or_updated_when_idempotent(make_cdc: MakeCdc) -> None:
    cdc = make_cdc(**IDEMPOTENT)
    cdc.apply(MOVE.format(row=1, to=5))
    assert [row[:3] for row in cdc.items()] == [(2, -1.0, "own"), (3, 3.0, None), (5, 1.0, None), (9, -9.0, "own")]
    cdc.ask("DELETE FROM production.items WHERE item_id = 5")
    cdc.apply(MOVE.format(row=5, to=9))
    assert [row[:3] for row in cdc.items()] == [(2, -1.0, "own"), (3, 3.0, None), (9, 1.0, None)]
    assert cdc.exceptions() == []


def test_a_delete_finds_what_it_is_to_delete_whatever_the_target_made_of_it(make_cdc: MakeCdc) -> None:
    cdc = make_cdc()
    cdc.apply("""DELETE FROM "SALES"."ITEMS" WHERE "ITEM_ID" = 2""")
    assert [row[0] for row in cdc.items()] == [3, 9]


@pytest.mark.parametrize(
    ("policies", "constraint", "statement", "state_code"),
    [
        ({}, "ADD UNIQUE (code)", INSERTED.format("7, 7, NULL, 'taken'"), "23505"),
        (IDEMPOTENT, "ADD UNIQUE (code)", INSERTED.format("7, 7, NULL, 'taken'"), "23505"),
        (IDEMPOTENT, "ADD UNIQUE (code)", UPDATED.format("""CODE" = 'taken'"""), "23505"),
        (IDEMPOTENT, "ALTER note SET NOT NULL", INSERTED.format("7, 7"), "23502"),
        (IDEMPOTENT, "ADD CHECK (amount < 100)", UPDATED.format("""AMOUNT" = 100"""), "23514"),
        (IDEMPOTENT, "ALTER amount TYPE numeric(3, 2)", INSERTED.format("7, 70"), "22003"),
    ],
)
def test_other_violations_are_logged_and_passed_over(
    make_cdc: MakeCdc, policies: dict[str, str], constraint: str, statement: str, state_code: str
) -> None:
    cdc = make_cdc(**policies)
    cdc.ask("UPDATE production.items SET note = 'own', code = CASE item_id WHEN 9 THEN 'taken' END")
    cdc.ask(f"ALTER TABLE production.items {constraint}")
    before = cdc.items()
    cdc.apply(statement, """INSERT INTO "SALES"."ITEMS" VALUES (8, 1, 'fits')""")
    assert cdc.items() == sorted([*before, (8, 1.0, "fits", None)])
    [(_, why)] = cdc.exceptions()
    assert f"SqlState: {state_code} " in why


def test_a_truncation_that_the_target_refuses_is_logged(make_cdc: MakeCdc) -> None:
    cdc = make_cdc()
    cdc.ask("CREATE TABLE production.parts (item_id integer REFERENCES production.items)")
    cdc.apply("""TRUNCATE "SALES"."ITEMS" """, """INSERT INTO "SALES"."ITEMS" VALUES (7)""")
    assert [row[0] for row in cdc.items()] == [2, 3, 7, 9]
    [(statement, why)] = cdc.exceptions()
    assert statement == """TRUNCATE TABLE "production"."items\""""
    assert "SqlState: 0A000 " in why


def start_as_plain_role(cdc: CdcBench) -> None:
    """Start a task whose login may not switch foreign keys off, as few logins may in production."""
    for statement in (
        "DROP ROLE IF EXISTS plain",
        "CREATE ROLE plain LOGIN PASSWORD 'plain'",
        "GRANT USAGE ON SCHEMA production TO plain",
        "GRANT ALL ON ALL TABLES IN SCHEMA production TO plain",
        "GRANT ALL ON ALL SEQUENCES IN SCHEMA production TO plain",
        "CREATE SCHEMA logs AUTHORIZATION plain",
    ):
        cdc.ask(statement)
    endpoint = cdc.bench.endpoint(
        "target", "postgres", cdc.bench.target_url, EndpointIdentifier="plain", Username="plain", Password="plain"
    )
    cdc.bench.test_connections(endpoint)
    settings = {"ControlTablesSettings": {"ControlSchema": "logs", "StatusTableEnabled": True}}
    rules = mapping(selection(1, "ITEMS"), *RULES)
    arn = cdc.bench.create(rules, settings, MigrationType="cdc", TargetEndpointArn=endpoint)
    cdc.bench.start(arn)
    cdc.bench.wait(arn, "running")


@pytest.mark.parametrize("deferred", [False, True])
def test_foreign_keys_hold_where_the_login_cannot_switch_them_off(make_cdc: MakeCdc, deferred: bool) -> None:
    cdc = make_cdc()
    cdc.stop()
    cdc.ask("DROP SCHEMA IF EXISTS logs CASCADE")
    cdc.ask("CREATE TABLE production.parents (code varchar(10) PRIMARY KEY)")
    cdc.ask("INSERT INTO production.parents VALUES ('a')")
    how = "DEFERRABLE INITIALLY DEFERRED" if deferred else ""
    cdc.ask(f"ALTER TABLE production.items ADD FOREIGN KEY (code) REFERENCES production.parents {how}")
    start_as_plain_role(cdc)
    cdc.write(
        """INSERT INTO "SALES"."ITEMS" VALUES (11, 1, NULL, 'a'), (12, 1, NULL, 'b')""",
        """INSERT INTO "SALES"."ITEMS" VALUES (13, 1, NULL, 'a')""",
    )
    deadline = time.monotonic() + 10
    while not (logged := cdc.ask('SELECT "STATEMENT", "ERROR" FROM logs.awsdms_apply_exceptions')):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert [row[0] for row in cdc.items() if row[0] > 10] == [11, 13]
    [(statement, why)] = logged
    assert "'12'" in statement
    assert "SqlState: 23503 " in why
    cdc.ask("DROP TABLE production.parents CASCADE; DROP OWNED BY plain CASCADE; DROP ROLE plain")


def test_a_policy_that_stops_the_task_lets_it_go_on_once_the_cause_is_gone(make_cdc: MakeCdc) -> None:
    cdc = make_cdc(ApplyErrorInsertPolicy="STOP_TASK")
    cdc.write(INSERT)
    cdc.bench.wait(cdc.arn, "failed")
    cdc.ask("DELETE FROM production.items WHERE item_id = 9")
    cdc.start("resume-processing").settle()
    assert cdc.items()[-1] == (9, 90.0, "source", None)


def test_an_idempotent_insert_of_an_update_brings_the_long_value_that_the_log_left_out(make_cdc: MakeCdc) -> None:
    cdc = make_cdc(**IDEMPOTENT)
    cdc.stop()
    cdc.write("""ALTER TABLE "SALES"."ITEMS" ALTER "NOTE" TYPE text, ALTER "NOTE" SET STORAGE EXTERNAL""")
    cdc.ask("ALTER TABLE production.items ALTER note TYPE text")
    cdc.start("resume-processing")
    cdc.apply("""UPDATE "SALES"."ITEMS" SET "NOTE" = repeat('n', 9000) WHERE "ITEM_ID" = 3""")
    cdc.ask("DELETE FROM production.items WHERE item_id = 3")
    cdc.apply("""UPDATE "SALES"."ITEMS" SET "AMOUNT" = 4 WHERE "ITEM_ID" = 3""")
    assert cdc.ask("SELECT amount::float, length(note) FROM production.items WHERE item_id = 3") == [(4.0, 9000)]


def test_a_deadlock_is_tried_again_and_counted(make_cdc: MakeCdc, dms: DmsStandIn) -> None:
    cdc = make_cdc()
    assert dms.deadlocks(cdc.arn) == 0
    # The other side locks 3, then 2, while the task wants 2, then 3; the task is the one that looks for deadlocks.
    with psycopg.connect(cdc.bench.target_url) as other:
        other.execute("SET deadlock_timeout = '1min'")
        other.execute("UPDATE production.items SET code = 'x' WHERE item_id = 3")
        cdc.write(
            """UPDATE "SALES"."ITEMS" SET "AMOUNT" = 22 WHERE "ITEM_ID" = 2""",
            """UPDATE "SALES"."ITEMS" SET "AMOUNT" = 33 WHERE "ITEM_ID" = 3""",
        )
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'UPDATE%'"
        while cdc.ask(waiting) == [(0,)]:
            time.sleep(0.005)
        other.execute("UPDATE production.items SET code = 'x' WHERE item_id = 2")
    cdc.settle()
    assert dms.deadlocks(cdc.arn) == 1
    assert [row[:2] for row in cdc.items()] == [(2, 22.0), (3, 33.0), (9, -9.0)]
    assert cdc.exceptions() == []
    assert dms.slowest_apply(cdc.arn) > 0.5, "it waited for the deadlock to be found"
    dms.reset_slowest_apply(cdc.arn)
    assert dms.slowest_apply(cdc.arn) == 0
    with pytest.raises(KeyError):
        dms.deadlocks("arn:aws:dms:us-east-1:000000000000:task:NO")
