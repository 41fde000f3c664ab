"""The stand-in's CDC task validates the rows that it has changed; another may only validate."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from botocore.exceptions import ClientError

from reload_assets.local.dms.faults import ApplyLag
from reload_assets_tests.integration.standin_cdc_bench import CdcBench, Load, opened, prepare, quick

pytestmark = pytest.mark.thorough

MakeCdc = Callable[..., CdcBench]


@pytest.fixture
def make_cdc(databases: tuple[str, str]) -> Iterator[MakeCdc]:
    """Makes a task over ITEMS that validates, not started. Updates carry what they change, so they repair no damage."""
    prepare(databases)
    with psycopg.connect(databases[0], autocommit=True) as source:
        source.execute('ALTER TABLE "SALES"."ITEMS" REPLICA IDENTITY FULL')
    made: list[CdcBench] = []
    with quick() as dms, opened(dms, databases) as bench:

        def make(**settings: Any) -> CdcBench:
            asked = {"EnableValidation": True, "RecordFailureDelayInMinutes": 0, **settings}
            made.append(CdcBench(bench, settings={"ValidationSettings": asked}))
            return made[-1]

        yield make
        for one in made:
            one.close()


def statistics(cdc: CdcBench) -> tuple[Any, ...]:
    """State, pending, failed and suspended records of ITEMS."""
    row = cdc.bench.statistics(cdc.arn)["ITEMS"]
    names = ("State", "PendingRecords", "FailedRecords", "SuspendedRecords")
    return tuple(row[f"Validation{name}"] for name in names)


def becomes(cdc: CdcBench, *wanted: Any, seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while (found := statistics(cdc)) != wanted:
        assert time.monotonic() < deadline, f"{found}, not {wanted}"
        time.sleep(0.02)


def failures(cdc: CdcBench) -> list[tuple[str, str]]:
    """Kind and key of what the task wrote down, in the order of writing."""
    rows = cdc.ask(
        'SELECT "FAILURE_TYPE", "KEY" FROM dmslogs.awsdms_validation_failures_v2 '
        f"""WHERE "TASK_NAME" = '{cdc.arn.rsplit(":", 1)[1].upper()}' ORDER BY "RESYNC_ID" """
    )
    return [(kind, ",".join(json.loads(key)["key"])) for kind, key in rows]


def validate(cdc: CdcBench, option: str = "validate-only") -> None:
    cdc.bench.client.reload_tables(
        ReplicationTaskArn=cdc.arn, TablesToReload=[{"SchemaName": "SALES", "TableName": "ITEMS"}], ReloadOption=option
    )


def test_rows_that_cdc_has_changed_are_validated(make_cdc: MakeCdc) -> None:
    cdc = make_cdc().start()
    assert statistics(cdc) == ("Pending validation", 0, 0, 0)
    cdc.apply("""INSERT INTO "SALES"."ITEMS" SELECT n, n, 'new', 'c' FROM generate_series(1, 5) AS n""")
    becomes(cdc, "Validated", 0, 0, 0)
    cdc.ask("UPDATE production.items SET code = 'bad' WHERE item_id IN (1, 2)")
    cdc.apply("""UPDATE "SALES"."ITEMS" SET "AMOUNT" = 10 WHERE "ITEM_ID" = 1""")
    becomes(cdc, "Mismatched records", 0, 1, 0)
    assert failures(cdc) == [("RECORD_DIFF", "1")], "row 2 has not changed, so nobody looks at it"

    cdc.ask("DELETE FROM production.items WHERE item_id = 3")
    cdc.ask("INSERT INTO production.items VALUES (9, 9)")
    validate(cdc)
    becomes(cdc, "Mismatched records", 0, 4, 0)
    wanted = {("RECORD_DIFF", "1"), ("RECORD_DIFF", "2"), ("MISSING_TARGET", "3"), ("MISSING_SOURCE", "9")}
    assert len(failures(cdc)) == 5
    assert set(failures(cdc)) == wanted

    cdc.ask("UPDATE production.items SET code = 'c' WHERE item_id = 1")
    cdc.apply("""UPDATE "SALES"."ITEMS" SET "AMOUNT" = 11 WHERE "ITEM_ID" = 1""")
    becomes(cdc, "Mismatched records", 0, 3, 0)
    cdc.ask("UPDATE production.items SET code = 'c' WHERE item_id = 2")
    cdc.ask("INSERT INTO production.items VALUES (3, 3, 'new', 'c')")
    cdc.ask("DELETE FROM production.items WHERE item_id = 9")
    validate(cdc)
    becomes(cdc, "Validated", 0, 0, 0)
    assert len(failures(cdc)) == 5
    with pytest.raises(ClientError) as refused:
        validate(cdc, "data-reload")
    assert refused.value.response["Error"]["Code"] == "InvalidResourceStateFault"
    assert cdc.stop()["StopReason"] == "Stop Reason NORMAL"


def test_writes_and_a_late_cdc_do_not_look_like_damage(make_cdc: MakeCdc, databases: tuple[str, str]) -> None:
    cdc = make_cdc().start()
    with Load(databases[0]) as load:
        for lag in (0.3, 0, 0.3):
            cdc.bench.faults.clear()
            cdc.bench.faults.set(ApplyLag(seconds=lag))
            time.sleep(0.4)
            validate(cdc)
    cdc.bench.faults.clear()
    assert load.commits > 50
    cdc.settle()
    becomes(cdc, "Validated", 0, 0, 0)
    assert failures(cdc) == []
    cdc.assert_equal()


def test_a_cdc_task_that_only_validates_applies_nothing(make_cdc: MakeCdc) -> None:
    cdc = make_cdc().start()
    cdc.apply("""INSERT INTO "SALES"."ITEMS" SELECT n, n, 'new', 'c' FROM generate_series(1, 5) AS n""")
    cdc.ask("UPDATE production.items SET code = 'bad' WHERE item_id = 4")
    watcher = make_cdc(ValidationOnly=True, ValidationQueryCdcDelaySeconds=1).start()
    becomes(watcher, "Mismatched records", 0, 1, 0)
    assert failures(watcher) == [("RECORD_DIFF", "4")], "it begins with the rows that are there"
    cdc.apply("""INSERT INTO "SALES"."ITEMS" VALUES (6, 6)""", """DELETE FROM "SALES"."ITEMS" WHERE "ITEM_ID" = 4""")
    becomes(watcher, "Validated", 0, 0, 0)
    cdc.ask("DELETE FROM production.items WHERE item_id = 6")
    cdc.apply("""UPDATE "SALES"."ITEMS" SET "ITEM_ID" = 7 WHERE "ITEM_ID" = 5""")
    becomes(watcher, "Validated", 0, 0, 0)
    validate(watcher)
    becomes(watcher, "Mismatched records", 0, 1, 0)
    assert failures(watcher)[1:] == [("MISSING_TARGET", "6")]
    assert cdc.ask("SELECT op, count(*) FROM production.log GROUP BY op ORDER BY op") == [
        ("DELETE", 2),
        ("INSERT", 6),
        ("UPDATE", 2),
    ], "each change was applied once, by the other task"
    assert cdc.ask("SELECT count(*) FROM dmslogs.awsdms_status") == [(1,)], "it does not say that changes are applied"
    assert watcher.bench.statistics(watcher.arn)["ITEMS"]["AppliedInserts"] == 0


def test_a_row_that_keeps_changing_is_suspended(make_cdc: MakeCdc, databases: tuple[str, str]) -> None:
    watcher = make_cdc(ValidationOnly=True, ValidationQueryCdcDelaySeconds=0, RecordSuspendDelayInMinutes=0)
    watcher.write("""INSERT INTO "SALES"."ITEMS" VALUES (1, 1), (2, 2)""")
    watcher.start()
    becomes(watcher, "Mismatched records", 0, 2, 0)
    deadline, number = time.monotonic() + 15, 0
    while statistics(watcher)[3] == 0:
        assert time.monotonic() < deadline
        number += 1
        watcher.ask(
            f"INSERT INTO production.items VALUES (1, -{number}) ON CONFLICT (item_id) DO UPDATE SET amount = -{number}"
        )
        watcher.write(f"""UPDATE "SALES"."ITEMS" SET "AMOUNT" = {number} WHERE "ITEM_ID" = 1""")
        time.sleep(0.02)
    assert statistics(watcher)[2:] == (1, 1), "it failed before, and cannot be judged any more"
    # The task may read a change together with those before it: one more that comes alone is judged.
    deadline = time.monotonic() + 15
    while statistics(watcher) != ("Mismatched records", 0, 2, 0):
        assert time.monotonic() < deadline, statistics(watcher)
        watcher.write("""UPDATE "SALES"."ITEMS" SET "AMOUNT" = "AMOUNT" + 1 WHERE "ITEM_ID" = 1""")
        time.sleep(1)


def test_too_many_failures_suspend_the_table_until_it_is_validated_anew(make_cdc: MakeCdc) -> None:
    cdc = make_cdc(TableFailureMaxCount=2).start()
    cdc.apply("""INSERT INTO "SALES"."ITEMS" SELECT n, n FROM generate_series(1, 5) AS n""")
    becomes(cdc, "Validated", 0, 0, 0)
    cdc.ask("UPDATE production.items SET code = 'bad'")
    cdc.apply("""UPDATE "SALES"."ITEMS" SET "AMOUNT" = 0""")
    becomes(cdc, "Suspended records", 0, 2, 3)
    assert [kind for kind, _ in failures(cdc)] == ["RECORD_DIFF", "RECORD_DIFF", "TABLE_WARNING"]
    cdc.apply("""UPDATE "SALES"."ITEMS" SET "AMOUNT" = 1""")
    time.sleep(0.3)
    assert statistics(cdc) == ("Suspended records", 0, 2, 3), "a suspended table is looked at no more"
    cdc.ask("UPDATE production.items SET code = NULL WHERE item_id > 1")
    validate(cdc)
    becomes(cdc, "Mismatched records", 0, 1, 0)
