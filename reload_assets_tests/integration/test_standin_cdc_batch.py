"""The stand-in's CDC task with batch apply: changes are reduced to what they come to, and fall back one by one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from botocore.exceptions import ClientError

from reload_assets.local.dms import DmsStandIn
from reload_assets.local.dms.faults import ApplyLag
from reload_assets_tests.integration.standin_bench import Bench
from reload_assets_tests.integration.standin_cdc_bench import IDEMPOTENT, CdcBench, Load, opened, prepare, quick

pytestmark = pytest.mark.thorough

MakeCdc = Callable[..., CdcBench]
# A wait between two batches makes the tests slow, and nothing else.
BATCHES = {"TargetMetadata": {"BatchApplyEnabled": True}, "ChangeProcessingTuning": {"BatchApplyTimeoutMin": 0}}
OLD_ROWS = """ALTER TABLE "SALES"."ITEMS" REPLICA IDENTITY FULL"""
CHILDREN = (
    """CREATE TABLE "SALES"."A_CHILD" ("CHILD_ID" integer PRIMARY KEY, "ITEM_ID" integer)""",
    """CREATE TABLE production.a_child (
        child_id integer PRIMARY KEY, item_id integer REFERENCES production.items
    )""",
)


@pytest.fixture
def dms(databases: tuple[str, str]) -> Iterator[DmsStandIn]:
    prepare(databases)
    with quick() as started:
        yield started


@pytest.fixture
def make_cdc(dms: DmsStandIn, databases: tuple[str, str]) -> Iterator[MakeCdc]:
    """Makes and starts a task with batch apply; items 1, 2 and 3 are on both sides, and the target's log is empty."""
    made: list[CdcBench] = []
    with opened(dms, databases) as bench:

        def make(*tables: str, **options: Any) -> CdcBench:
            cdc = CdcBench(bench, *tables, settings=BATCHES, **options)
            made.append(cdc)
            cdc.start()
            cdc.apply("""INSERT INTO "SALES"."ITEMS" SELECT g, g, 'old' FROM generate_series(1, 3) AS g""")
            cdc.ask("TRUNCATE production.log")
            return cdc

        yield make
        for one in made:
            one.close()


def as_one_batch(dms: DmsStandIn, cdc: CdcBench, *transactions: str | list[str], settle: bool = True) -> None:
    """Each transaction changes one row per statement on the source; all are known before the first of them is due."""
    dms.faults.set(ApplyLag(seconds=60))
    statements = [[one] if isinstance(one, str) else one for one in transactions]
    for of_one in statements:
        cdc.write(*of_one)
    deadline = time.monotonic() + 10
    while cdc.status()["pending_changes"] != sum(map(len, statements)):
        assert time.monotonic() < deadline, cdc.status()
        time.sleep(0.005)
    dms.faults.clear(ApplyLag.kind)
    if settle:
        cdc.settle()


def create(databases: tuple[str, str], *tables: str) -> None:
    """A table of the source, and its counterpart."""
    for url, statement in zip(databases, tables, strict=True):
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(statement.encode())


def insert(key: int, amount: int, note: str = "new") -> str:
    return f"""INSERT INTO "SALES"."ITEMS" VALUES ({key}, {amount}, '{note}')"""


def update(key: int, what: str) -> str:
    return f"""UPDATE "SALES"."ITEMS" SET {what} WHERE "ITEM_ID" = {key}"""


def delete(key: int) -> str:
    return f"""DELETE FROM "SALES"."ITEMS" WHERE "ITEM_ID" = {key}"""


def done(cdc: CdcBench) -> list[Any]:
    """What was done to which items on the target, and in how many transactions."""
    [(transactions,)] = cdc.ask("SELECT count(DISTINCT xid) FROM production.log")
    return [*cdc.ask("SELECT op, id FROM production.log ORDER BY n"), transactions]


def test_a_batch_does_what_its_changes_come_to(dms: DmsStandIn, make_cdc: MakeCdc) -> None:
    cdc = make_cdc()
    as_one_batch(
        dms,
        cdc,
        [insert(4, 4), update(1, """"AMOUNT" = 10""")],
        update(4, """"AMOUNT" = 44"""),
        [insert(5, 5), update(2, """"AMOUNT" = 20""")],
        delete(5),
        delete(2),
        update(1, """"AMOUNT" = 11"""),
        delete(3),
        insert(3, 33),
    )
    assert done(cdc) == [("DELETE", 2), ("INSERT", 4), ("UPDATE", 1), ("UPDATE", 3), 1]
    assert cdc.items() == [(1, 11.0, "old", None), (3, 33.0, "new", None), (4, 44.0, "new", None)]
    statistics = cdc.bench.statistics(cdc.arn)["ITEMS"]
    assert [statistics[kind] for kind in ("Inserts", "Updates", "Deletes")] == [6, 4, 3], "as the source did it"


def test_updates_of_a_key_are_merged_column_by_column(dms: DmsStandIn, make_cdc: MakeCdc) -> None:
    cdc = make_cdc()
    cdc.source.execute(OLD_ROWS)
    cdc.ask("UPDATE production.items SET amount = -1, note = 'own', code = 'own'")
    cdc.ask("TRUNCATE production.log")
    as_one_batch(
        dms,
        cdc,
        update(1, """"AMOUNT" = 10, "NOTE" = 'first'"""),
        update(1, """"NOTE" = 'second'"""),
        update(2, """"AMOUNT" = 20"""),
    )
    assert cdc.items() == [(1, 10.0, "second", "own"), (2, 20.0, "own", "own"), (3, -1.0, "own", "own")]
    assert done(cdc) == [("UPDATE", 1), ("UPDATE", 2), 1]


def test_a_changed_key_is_a_delete_and_an_insert_where_the_row_is_known(dms: DmsStandIn, make_cdc: MakeCdc) -> None:
    cdc = make_cdc()
    as_one_batch(dms, cdc, update(1, """"ITEM_ID" = 10"""), update(10, """"AMOUNT" = 5"""), insert(1, 100))
    assert done(cdc) == [("INSERT", 10), ("UPDATE", 1), 1]
    assert cdc.items() == [
        (1, 100.0, "new", None),
        (2, 2.0, "old", None),
        (3, 3.0, "old", None),
        (10, 5.0, "old", None),
    ]


def test_a_changed_key_is_left_to_one_by_one_where_its_row_is_not_known(dms: DmsStandIn, make_cdc: MakeCdc) -> None:
    cdc = make_cdc()
    cdc.source.execute(OLD_ROWS)
    cdc.ask("UPDATE production.items SET note = 'own'")
    cdc.ask("TRUNCATE production.log")
    as_one_batch(dms, cdc, update(1, """"ITEM_ID" = 10"""), update(10, """"AMOUNT" = 5"""))
    assert done(cdc) == [("UPDATE", 10), ("UPDATE", 10), 2]
    assert cdc.items()[-1] == (10, 5.0, "own", None)
    cdc.ask("TRUNCATE production.log")
    as_one_batch(dms, cdc, insert(11, 1), update(11, """"ITEM_ID" = 12"""))
    assert done(cdc) == [("INSERT", 12), 1], "an insert of the same batch had the other columns"


def test_bulk_statements_that_meet_no_row_are_silent(dms: DmsStandIn, make_cdc: MakeCdc) -> None:
    cdc = make_cdc(policies={"ApplyErrorUpdatePolicy": "STOP_TASK", "ApplyErrorDeletePolicy": "STOP_TASK"})
    cdc.ask("DELETE FROM production.items WHERE item_id < 3")
    cdc.ask("INSERT INTO production.items VALUES (7, 7, 'own')")
    cdc.ask("TRUNCATE production.log")
    as_one_batch(dms, cdc, update(1, """"AMOUNT" = 10"""), delete(2), insert(7, 70), delete(7))
    assert cdc.items() == [(3, 3.0, "old", None), (7, 7.0, "own", None)]
    assert done(cdc) == [0]
    assert cdc.exceptions() == []


@pytest.mark.parametrize("behavior", [{}, IDEMPOTENT])
def test_rows_are_replaced_where_the_policies_make_rows(
    dms: DmsStandIn, make_cdc: MakeCdc, behavior: dict[str, str]
) -> None:
    cdc = make_cdc(policies=behavior)
    cdc.ask("DELETE FROM production.items WHERE item_id = 1")
    cdc.ask("INSERT INTO production.items VALUES (7, 7, 'own'), (8, 8, 'own')")
    as_one_batch(dms, cdc, update(1, """"AMOUNT" = 10"""), insert(7, 70), insert(8, 80), delete(8))
    ours = [(1, 10.0, "old", None), (2, 2.0, "old", None), (3, 3.0, "old", None), (7, 70.0, "new", None)]
    if behavior:
        assert (cdc.items(), cdc.exceptions()) == (ours, [])
    else:
        assert [row[0] for row in cdc.items()] == [2, 3, 7], "one by one: 8 met its row, and was deleted"
        assert [error[:12] for _, error in cdc.exceptions()] == ["0 rows affec", "RetCode: SQL", "RetCode: SQL"]


def test_a_batch_that_fails_is_applied_one_by_one(dms: DmsStandIn, make_cdc: MakeCdc) -> None:
    cdc = make_cdc()
    cdc.ask("INSERT INTO production.items VALUES (9, 9, 'own')")
    cdc.ask("TRUNCATE production.log")
    as_one_batch(
        dms, cdc, update(1, """"AMOUNT" = 10"""), [insert(9, 90), insert(4, 4)], update(1, """"AMOUNT" = 11""")
    )
    [(statement, error)] = cdc.exceptions()
    assert statement.startswith("""INSERT INTO "production"."items" ("item_id","amount","note","code") VALUES ('9',""")
    assert "SqlState: 23505" in error
    assert done(cdc) == [("UPDATE", 1), ("INSERT", 4), ("UPDATE", 1), 3], "nothing of the batch was left"
    assert cdc.items() == [
        *[(1, 11.0, "old", None), (2, 2.0, "old", None), (3, 3.0, "old", None)],
        *[(4, 4.0, "new", None), (9, 9.0, "own", None)],
    ]
    cdc.ask("TRUNCATE production.log")
    as_one_batch(dms, cdc, update(1, """"AMOUNT" = 1"""), update(2, """"AMOUNT" = 1"""))
    assert done(cdc) == [("UPDATE", 1), ("UPDATE", 2), 1], "the next batch is one again"


def test_the_policies_hold_one_by_one(dms: DmsStandIn, make_cdc: MakeCdc) -> None:
    cdc = make_cdc(policies={"ApplyErrorInsertPolicy": "SUSPEND_TABLE"})
    cdc.ask("INSERT INTO production.items VALUES (9, 9, 'own')")
    as_one_batch(dms, cdc, update(1, """"AMOUNT" = 10"""), insert(9, 90), update(1, """"AMOUNT" = 11"""))
    assert cdc.bench.statistics(cdc.arn)["ITEMS"]["TableState"] == "Table error"
    as_one_batch(dms, cdc, update(2, """"AMOUNT" = 20"""))
    assert [row[1] for row in cdc.items()] == [10.0, 2.0, 3.0, 9.0], "a suspended table stays as it is"


def test_a_task_that_a_policy_stops_has_applied_what_came_before(dms: DmsStandIn, make_cdc: MakeCdc) -> None:
    cdc = make_cdc(policies={"ApplyErrorInsertPolicy": "STOP_TASK"})
    cdc.ask("INSERT INTO production.items VALUES (9, 9, 'own')")
    as_one_batch(dms, cdc, update(1, """"AMOUNT" = 10"""), insert(9, 90), update(2, """"AMOUNT" = 20"""), settle=False)
    cdc.bench.wait(cdc.arn, "failed")
    assert [row[1] for row in cdc.items()] == [10.0, 2.0, 3.0, 9.0]
    cdc.ask("DELETE FROM production.items WHERE item_id = 9")
    cdc.start("resume-processing").settle()
    assert [row[1] for row in cdc.items()] == [10.0, 20.0, 3.0, 90.0]


def test_tables_may_refer_to_each_other(dms: DmsStandIn, databases: tuple[str, str]) -> None:
    create(databases, *CHILDREN)
    bench = Bench(dms.url, *databases, faults=dms.faults, endpoints={"target": {"PostgreSQLSettings": {}}})
    bench.test_connections()
    cdc = CdcBench(bench, "A_CHILD", settings=BATCHES).start()
    cdc.apply(insert(3, 3))
    cdc.ask("TRUNCATE production.log")
    child = """INSERT INTO "SALES"."A_CHILD" VALUES ({})"""
    # In bulk each table's rows are written together: a child comes before its parent, then a parent goes before it.
    as_one_batch(dms, cdc, child.format("1, 3"), insert(4, 4), child.format("2, 4"))
    assert cdc.ask("SELECT * FROM production.a_child ORDER BY 1") == [(1, 3), (2, 4)]
    leave = """DELETE FROM "SALES"."A_CHILD" WHERE "CHILD_ID" = 2"""
    as_one_batch(dms, cdc, update(4, """"AMOUNT" = 40"""), leave, delete(4))
    assert cdc.ask("SELECT * FROM production.a_child") == [(1, 3)]
    assert cdc.exceptions() == []
    assert done(cdc) == [("INSERT", 4), ("UPDATE", 4), ("DELETE", 4), 3], "one by one"
    cdc.close()


def test_a_truncated_table_is_left_to_one_by_one(dms: DmsStandIn, make_cdc: MakeCdc) -> None:
    cdc = make_cdc()
    as_one_batch(dms, cdc, [insert(4, 4), """TRUNCATE "SALES"."ITEMS" """, insert(5, 5)], insert(6, 6))
    assert done(cdc) == [("INSERT", 4), ("INSERT", 5), ("INSERT", 6), 2]
    assert [row[0] for row in cdc.items()] == [5, 6]
    assert cdc.exceptions() == []


def test_a_table_without_a_key_is_left_to_one_by_one(
    dms: DmsStandIn, databases: tuple[str, str], make_cdc: MakeCdc
) -> None:
    create(databases, 'CREATE TABLE "SALES"."LINES" ("LINE" integer)', "CREATE TABLE production.lines (line integer)")
    cdc = make_cdc("LINES")
    line = """INSERT INTO "SALES"."LINES" VALUES (1)"""
    as_one_batch(dms, cdc, line, line, insert(4, 4))
    assert cdc.ask("SELECT line FROM production.lines") == [(1,), (1,)]
    assert cdc.items()[-1] == (4, 4.0, "new", None)


def test_under_load_and_restarts_a_batch_is_applied_once(dms: DmsStandIn, make_cdc: MakeCdc) -> None:
    cdc = make_cdc()
    with Load(cdc.bench.source_url) as load:
        for lag in (0.0, 0.2, 0.1):
            dms.faults.set(ApplyLag(seconds=lag))
            time.sleep(0.3)
            assert cdc.stop()["StopReason"] == "Stop Reason NORMAL"
            dms.faults.clear(ApplyLag.kind)
            cdc.start("resume-processing")
    cdc.settle()
    assert load.commits > 20
    assert cdc.exceptions() == []
    assert cdc.items() == cdc.ask_source(
        """SELECT "ITEM_ID", "AMOUNT"::float, "NOTE", "CODE" FROM "SALES"."ITEMS" ORDER BY 1"""
    )
    [(rows, transactions)] = cdc.ask("SELECT count(*), count(DISTINCT xid) FROM production.log")
    [(written,)] = cdc.ask_source("""SELECT count(*) FROM "SALES"."LOG" """)
    assert transactions < rows < written, "less was done than the source did"


def test_the_next_batch_waits(dms: DmsStandIn, databases: tuple[str, str]) -> None:
    settings = {**BATCHES, "ChangeProcessingTuning": {"BatchApplyTimeoutMin": 1}}
    with opened(dms, databases) as bench:
        cdc = CdcBench(bench, settings=settings).start()
        cdc.apply(insert(1, 1))
        began = time.monotonic()
        cdc.write(insert(2, 2))
        cdc.apply(insert(3, 3))
        assert 0.5 < time.monotonic() - began < 5
        [(transactions,)] = cdc.ask("SELECT count(DISTINCT xid) FROM production.log WHERE id > 1")
        assert transactions == 1
        cdc.close()


@pytest.mark.parametrize("name", ["BatchApplyTimeoutMin", "BatchSplitSize"])
def test_settings_that_are_no_numbers_are_refused(dms: DmsStandIn, databases: tuple[str, str], name: str) -> None:
    with opened(dms, databases) as bench, pytest.raises(ClientError, match="Invalid task settings JSON"):
        CdcBench(bench, settings={"ChangeProcessingTuning": {name: -1}})


def test_a_batch_is_split_between_transactions(dms: DmsStandIn, databases: tuple[str, str]) -> None:
    settings = {**BATCHES, "ChangeProcessingTuning": {"BatchApplyTimeoutMin": 0, "BatchSplitSize": 3}}
    with opened(dms, databases) as bench:
        cdc = CdcBench(bench, settings=settings).start()
        cdc.settle()
        as_one_batch(dms, cdc, *[[insert(10 * n, n), insert(10 * n + 1, n)] for n in range(1, 5)])
        sizes = cdc.ask("SELECT count(*) FROM production.log GROUP BY xid ORDER BY min(n)")
        assert sizes == [(4,), (4,)]
        cdc.close()
