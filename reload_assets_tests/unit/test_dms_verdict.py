"""When a load counts as a success, what a failure says, and how tasks are named."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reload_assets.dms.calls import clean
from reload_assets.dms.tasks import task_identifier
from reload_assets.dms.verdict import Progress, judge, progress_of
from reload_assets.errors import LoadFailed
from reload_assets.errors.dms import LoadIncomplete

FINISHED = "Stop Reason FULL_LOAD_ONLY_FINISHED"
EXPECTED = {("SALES", "ORDERS"), ("SALES", "CUSTOMERS")}


def task(status: str = "stopped", reason: str | None = FINISHED, **members: Any) -> dict[str, Any]:
    stats = {
        "FullLoadProgressPercent": 100,
        "ElapsedTimeMillis": 2500,
        "TablesLoaded": 2,
        "TablesLoading": 0,
        "TablesQueued": 0,
        "TablesErrored": members.pop("errored", 0),
    }
    return {
        "ReplicationTaskArn": "arn:aws:dms:us-east-1:000000000000:task:OPAQUE",
        "ReplicationTaskIdentifier": "reload-sales-7-a",
        "Status": status,
        "StopReason": reason,
        "ReplicationTaskStats": stats,
        **members,
    }


def table(name: str, state: str = "Table completed", rows: int = 5, **members: Any) -> dict[str, Any]:
    return {"SchemaName": "SALES", "TableName": name, "TableState": state, "FullLoadRows": rows, **members}


BOTH = [table("CUSTOMERS", rows=3), table("ORDERS")]


def test_a_whole_load_is_a_success_with_its_rows() -> None:
    result = judge(task(), BOTH, EXPECTED)
    assert result.rows == {("SALES", "CUSTOMERS"): 3, ("SALES", "ORDERS"): 5}
    assert (result.stop_reason, result.seconds) == ("FULL_LOAD_ONLY_FINISHED", 2.5)
    assert result.task_arn.endswith(":OPAQUE")


NO_TABLES = (
    "Last Error  No tables were found at task initialization. Either the selected table(s) no longer exist or no match "
    "was found for the table selection pattern(s).  Stop Reason FATAL_ERROR Error Level FATAL"
)


@pytest.mark.parametrize(
    ("ended", "statistics", "said"),
    [
        (task("failed", "Stop Reason FATAL_ERROR"), BOTH, "it ended as 'failed' with FATAL_ERROR"),
        (task("failed", None, LastFailureMessage="x Stop Reason FATAL_ERROR"), BOTH, "'failed' with FATAL_ERROR"),
        (task("failed", NO_TABLES, LastFailureMessage=NO_TABLES), [], "FATAL_ERROR"),
        (task("failed", NO_TABLES, LastFailureMessage=NO_TABLES), [], 'DMS says: "Last Error No tables were found'),
        (task("failed", NO_TABLES), [], "SALES.CUSTOMERS was not found in the source or not selected"),
        (task(reason="Stop Reason NORMAL"), BOTH, "it stopped with NORMAL (somebody stopped it)"),
        (task(reason="Stop Reason RECOVERABLE_ERROR"), BOTH, "it stopped with RECOVERABLE_ERROR, not with FULL_LOAD"),
        (task(reason=None), BOTH, "it stopped with no stop reason"),
        (task(errored=1), BOTH, "DMS counts 1 tables in error"),
        (task(errored=1), [table("CUSTOMERS"), table("ORDERS", "Table error", 2)], "'Table error' after 2 rows"),
        (task(), [table("CUSTOMERS"), table("ORDERS", "Table cancelled")], "SALES.ORDERS is 'Table cancelled'"),
        (task(), [table("CUSTOMERS")], "SALES.ORDERS was not found in the source or not selected"),
        (task(), [table("CUSTOMERS"), table("ORDERS", FullLoadErrorRows=4)], "SALES.ORDERS lacks 4 rows"),
        (task(), [*BOTH, table("ORDERX")], "tables that were not asked for: SALES.ORDERX"),
    ],
)
def test_anything_less_than_a_whole_load_is_a_failure(
    ended: dict[str, Any], statistics: list[dict[str, Any]], said: str
) -> None:
    with pytest.raises(LoadIncomplete, match="reload-sales-7-a") as failure:
        judge(ended, statistics, EXPECTED)
    assert said in str(failure.value)
    assert "\n" not in str(failure.value)


def test_a_long_text_of_dms_is_cut() -> None:
    with pytest.raises(LoadFailed) as failure:
        judge(task("failed", "Stop Reason FATAL_ERROR", LastFailureMessage="word " * 1000), BOTH, EXPECTED)
    assert len(str(failure.value)) < 900


def test_progress_is_zero_while_dms_has_none() -> None:
    assert progress_of({"Status": "creating"}, []) == Progress("creating", 0, 0, 0, 0, 0, 0, 0.0)
    assert progress_of(task("running"), BOTH) == Progress("running", 100, 2, 0, 0, 0, 8, 2.5)


@given(st.text(max_size=300), st.integers(1, 10**9), st.text("abc-_:0", min_size=1, max_size=40))
def test_identifiers_obey_the_rules_of_dms_and_keep_the_reload_id(group: str, reload_id: int, token: str) -> None:
    identifier = task_identifier(group, reload_id, token)
    assert len(identifier) <= 255
    assert re.fullmatch(r"[a-z](-?[a-z0-9])*", identifier)
    assert f"-{reload_id}" in identifier


def test_identifiers_of_two_attempts_differ() -> None:
    assert task_identifier("sales_eu", 7, "a1") == "reload-sales-eu-7-a1"
    long = "g" * 300
    assert task_identifier(long, 7, "a1") != task_identifier(long, 7, "a2")


def test_foreign_texts_lose_passwords_and_line_breaks() -> None:
    text = "connect http://me:hunter2@host/ failed:\n password=hunter2; Secret: hunter2."
    assert clean(text) == "connect http://host/ failed: password=***; Secret: ***"


FAILURE = "Last Error  Table 'SALES'.'ORDERS' was errored/suspended. {} Stop Reason FATAL_ERROR Error Level FATAL"
ROWS = [
    'invalid input syntax for type integer: "secret-1" CONTEXT:  COPY orders_r1, line 3, column amount: "secret-1"',
    'invalid input syntax for type integer: "secret-1\nCONTEXT:  COPY orders_r1, line 3, column amount: "secret-1',
    'value "secret-1" is out of range for type integer CONTEXT:  COPY orders_r1, line 3, column amount: "secret-1"',
    'extra data after last expected column CONTEXT:  COPY orders_r1, line 3: "secret-1,secret-2"',
    'duplicate key value violates unique constraint "pk" DETAIL:  Key (name)=(secret-1) already exists. CONTEXT:  '
    "COPY orders_r1, line 3",
    'null value in column "amount" violates not-null constraint DETAIL:  Failing row contains (1, secret-1, null).',
    "RetCode: SQL_ERROR SqlState: 22P02 Message: ERROR: wrong; Statement: INSERT INTO o VALUES ('secret-1')",
    "Failed to convert 'secret-1' of column AMOUNT",
    "Failed to convert 'secret-1",
]


@pytest.mark.parametrize("said", ROWS, ids=range(len(ROWS)))
def test_the_values_of_rows_stay_out_of_what_a_failure_says(said: str) -> None:
    text = FAILURE.format(said)
    with pytest.raises(LoadIncomplete) as failed:
        judge(task("failed", text, LastFailureMessage=text), BOTH, EXPECTED)
    assert "secret" not in str(failed.value)
    assert "DMS says: \"Last Error Table 'SALES'.'ORDERS' was errored/suspended." in str(failed.value)
    assert "Stop Reason FATAL_ERROR" in str(failed.value)
    if "line 3" in said:
        assert "(COPY orders_r1, line 3" in str(failed.value)


def test_names_of_what_is_there_stay_in_what_a_failure_says() -> None:
    said = 'relation "staging.orders_r1" does not exist; null value in column "amount"'
    with pytest.raises(
        LoadIncomplete, match='relation "staging.orders_r1" does not exist; null value in column "amount"'
    ):
        judge(task("failed", FAILURE.format(said)), BOTH, EXPECTED)
