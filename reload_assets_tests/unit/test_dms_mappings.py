"""The mapping and the settings that a reload sends to DMS."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from reload_assets.dms.lint import lint_mapping, lint_settings
from reload_assets.dms.mappings import TableLoad, key_mappings, literal_bounds, table_mappings
from reload_assets.dms.settings import task_settings
from reload_assets.errors import MappingError
from reload_assets.errors.dms import MappingImpossible
from reload_assets.errors.windows import WindowReversed, WindowWithWrongZone
from reload_assets.keys import filter_condition
from reload_assets.postgres.catalog import Column

START, END = datetime(2025, 1, 31), datetime(2025, 2, 1)
CUSTOMERS = TableLoad("SALES", "CUSTOMERS", "UPDATED_AT", "staging", "customers__r7")
ITEMS = TableLoad("SALES", "ORDER_ITEMS", "UPDATED_AT", "staging", "order_items__r7")
LOOKALIKE = TableLoad("SALES", "ORDERXITEMS", "UPDATED_AT", "staging", "orderxitems__r7")


def rules(mapping: dict[str, Any], rule_type: str, target: str | None = None) -> list[dict[str, Any]]:
    return [rule for rule in mapping["rules"] if rule["rule-type"] == rule_type and rule.get("rule-target") == target]


@given(st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 30)), st.timedeltas(timedelta(0), timedelta(hours=1)))
def test_literals_are_whole_seconds_that_enclose_the_window(start: datetime, length: timedelta) -> None:
    floor, ceiling = literal_bounds(start, start + length)
    assert floor.microsecond == ceiling.microsecond == 0
    assert timedelta(0) <= start - floor < timedelta(seconds=1)
    assert timedelta(0) <= ceiling - (start + length) < timedelta(seconds=1)
    assert literal_bounds(floor, ceiling) == (floor, ceiling)


def test_a_bound_with_a_zone_is_refused() -> None:
    with pytest.raises(WindowWithWrongZone, match=r"2025-01-31T00:00:00\+00:00"):
        literal_bounds(START.replace(tzinfo=timezone.utc), END.replace(tzinfo=timezone.utc))


def test_bounds_that_end_before_they_start_are_refused_and_equal_ones_are_not() -> None:
    assert literal_bounds(START, START) == (START, START)
    with pytest.raises(WindowReversed, match="2025-02-01"):
        literal_bounds(END, START)


def test_hazard_02_each_table_gets_one_between_and_not_two_ored_conditions() -> None:
    mapping = table_mappings([CUSTOMERS, ITEMS], START, END - timedelta(microseconds=1))
    selections = rules(mapping, "selection")
    assert [rule["object-locator"]["table-name"] for rule in selections] == ["CUSTOMERS", "ORDER_ITEMS"]
    for rule in selections:
        assert rule["rule-action"] == "include"
        assert rule["filters"] == [
            {
                "filter-type": "source",
                "column-name": "UPDATED_AT",
                "filter-conditions": [
                    {
                        "filter-operator": "between",
                        "start-value": "2025-01-31 00:00:00",
                        "end-value": "2025-02-01 00:00:00",
                    }
                ],
            }
        ]


def test_names_are_renamed_to_the_staging_table_of_the_reload_and_columns_lowercased() -> None:
    mapping = table_mappings([CUSTOMERS, ITEMS], START, END)
    (schema,) = rules(mapping, "transformation", "schema")
    assert (schema["rule-action"], schema["value"]) == ("rename", "staging")
    assert {
        rule["object-locator"]["table-name"]: rule["value"] for rule in rules(mapping, "transformation", "table")
    } == {"CUSTOMERS": "customers__r7", "ORDER_ITEMS": "order_items__r7"}
    (columns,) = rules(mapping, "transformation", "column")
    assert columns["rule-action"] == "convert-lowercase"
    assert columns["object-locator"] == {"schema-name": "SALES", "table-name": "%", "column-name": "%"}


def test_rule_ids_and_names_are_unique_and_numeric() -> None:
    mapping = table_mappings([CUSTOMERS, ITEMS, LOOKALIKE], START, END)
    ids = [rule["rule-id"] for rule in mapping["rules"]]
    assert ids == [str(number) for number in range(1, len(ids) + 1)]
    assert len({rule["rule-name"] for rule in mapping["rules"]}) == len(ids)


def test_an_underscore_is_escaped_only_where_the_plain_name_would_match_another_table() -> None:
    alone = table_mappings([CUSTOMERS, ITEMS], START, END)
    assert "[_]" not in str(alone)
    beside = table_mappings([ITEMS, LOOKALIKE], START, END)
    assert [rule["object-locator"]["table-name"] for rule in rules(beside, "selection")] == [
        "ORDER_ITEMS",
        "ORDERXITEMS",
    ]
    assert [rule["object-locator"]["table-name"] for rule in rules(beside, "transformation", "table")] == [
        "ORDER[_]ITEMS",
        "ORDERXITEMS",
    ]


def test_ignored_columns_are_removed_by_rules_that_come_before_the_lowercase_rule() -> None:
    table = TableLoad("SALES", "ORDERS", "UPDATED_AT", "staging", "orders__r7", ignored_columns=("GEO_REF", "NOTE"))
    removed, also_removed, lowercase = rules(table_mappings([table], START, END), "transformation", "column")
    assert [rule["rule-action"] for rule in (removed, also_removed)] == ["remove-column"] * 2
    assert removed["object-locator"] == {"schema-name": "SALES", "table-name": "ORDERS", "column-name": "GEO_REF"}
    assert int(also_removed["rule-id"]) < int(lowercase["rule-id"])


@pytest.mark.parametrize(
    "tables",
    [
        [CUSTOMERS, ITEMS],
        [TableLoad("SALES", "ORDERS", "UPDATED_AT", "staging", "orders__r7", ignored_columns=("GEO_REF", "NOTE"))],
        [ITEMS, LOOKALIKE],
        [TableLoad("A_B", "T", "C", "s1", "t1"), TableLoad("AXB", "T", "C", "s2", "t1")],
        [TableLoad("sales", "order_items", "updated_at", "staging", "order_items__r7")],
    ],
)
def test_what_is_sent_is_clean_for_the_linters(tables: list[TableLoad]) -> None:
    mapping = table_mappings(tables, START, END)
    assert lint_mapping(mapping) == []
    assert lint_settings(task_settings(commit_rate=10_000, max_sub_tasks=8, lob_max_kb=32), mapping) == []


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        ([], "at least one table"),
        ([CUSTOMERS, CUSTOMERS], "SALES.CUSTOMERS twice"),
        ([CUSTOMERS, TableLoad("SALES", "ORDERS", "U", "other", "orders")], "staged in both staging and other"),
        ([CUSTOMERS, TableLoad("CRM", "CUSTOMERS", "U", "staging", "customers__r7")], "Two source tables"),
        ([TableLoad("SALES", "T", "U", "staging", "t", ignored_columns=("A%",))], "ignored column A% of SALES.T"),
        ([TableLoad("SALES", "ODD%", "U", "staging", "odd")], "SALES.ODD% has a wildcard"),
    ],
)
def test_tables_that_dms_cannot_tell_apart_are_refused(tables: list[TableLoad], said: str) -> None:
    with pytest.raises(MappingImpossible, match=said):
        table_mappings(tables, START, END)


@given(
    st.one_of(
        st.tuples(st.just("timestamp without time zone"), st.lists(st.datetimes().map(str), min_size=1)),
        st.tuples(st.just("character varying(40)"), st.lists(st.datetimes().map(str), min_size=1)),
        st.tuples(
            st.just("numeric(12,2)"),
            st.lists(st.decimals(allow_nan=False, allow_infinity=False, places=2).map(str), min_size=1),
        ),
    )
)
@example(("timestamp without time zone", ["2025-01-03 23:59:58.5"]))
@example(("character varying(40)", ["2025-01-31 23:59:59", "2025-01-31T10"]))
def test_what_is_sent_for_keys_is_clean_for_the_linter(keys: tuple[str, list[str]]) -> None:
    declared, texts = keys
    column = Column(
        "id", declared, declared, False, True, False, "", False, False, True, comparable=True, sequence=None
    )
    try:
        conditions = [filter_condition(column, text) for text in texts]
    except MappingError:
        return
    assert lint_mapping(key_mappings([(CUSTOMERS, "ID", conditions)])) == []


def test_settings_stop_at_the_first_error_and_leave_the_staging_tables_alone() -> None:
    settings = task_settings(commit_rate=500, max_sub_tasks=3, lob_max_kb=64)
    assert settings["FullLoadSettings"] == {
        "TargetTablePrepMode": "DO_NOTHING",
        "MaxFullLoadSubTasks": 3,
        "CommitRate": 500,
    }
    assert settings["TargetMetadata"] == {
        "SupportLobs": True,
        "FullLobMode": False,
        "LimitedSizeLobMode": True,
        "LobMaxSize": 64,
    }
    assert settings["ErrorBehavior"]["DataErrorPolicy"] == "STOP_TASK"
    assert settings["ErrorBehavior"]["FailOnNoTablesCaptured"] is True
    assert "CloudWatchLogGroup" not in settings["Logging"]
