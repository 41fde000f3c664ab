"""The DMS stand-in reads table mappings as the service does: texts of refusals, wildcards, names, selections."""

from __future__ import annotations

import json
from typing import Any

import pytest

from reload_assets.local.dms.catalog import SourceTable
from reload_assets.local.dms.mapping import TableMapping
from reload_assets.local.dms.protocol import ApiError
from reload_assets.local.dms.rules import name_matches
from reload_assets_tests.integration.standin_bench import (
    mapping,
    selection,
    source_filter,
    transformation,
)

ORDERS = SourceTable("SALES", "ORDERS", "table")
CUSTOMERS = SourceTable("SALES", "CUSTOMERS", "table")
VIEW = SourceTable("SALES", "REPORT", "view")
OTHER = SourceTable("HR", "ORDERS", "table")


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("%", "ANYTHING", True),
        ("ORD%", "ORDERS", True),
        ("%_AT", "FLAT", True),  # `_` is a wildcard: a pattern %_AT catches FLAT
        ("%[_]AT", "FLAT", False),
        ("%[_]AT", "UPDATED_AT", True),
        ("ORDER_ITEMS", "ORDERXITEMS", True),
        ("T[ab]", "Tb", True),
        ("T[ab]", "Tc", False),
        ("T[a-d]", "Tc", True),
        ("T[a-d]", "Te", False),
        ("orders", "ORDERS", False),
        ("A.B", "AXB", False),
        ("A$B", "A$B", True),
    ],
)
def test_wildcards(pattern: str, name: str, matches: bool) -> None:
    assert name_matches(pattern, name) is matches


def refused(text: str) -> str:
    with pytest.raises(ApiError) as error:
        TableMapping(text)
    assert error.value.code == "InvalidParameterValueException"
    return str(error.value)


def test_refusals_in_the_words_of_the_service() -> None:
    good = selection(1, "ORDERS")
    assert refused("{").startswith("Invalid Table Mappings document. Invalid json")
    assert refused("{}") == refused('{"rules": []}') == refused("[]") == "Valid Table mappings is required"
    assert refused(mapping(good | {"rule-type": "selct"})) == "Invalid table mappings document."
    assert refused(mapping(good | {"rule-action": "take"})) == "Invalid table mappings document."
    assert refused(mapping(good, transformation(2, "column", "convert-column-type"))) == (
        "Invalid table mappings document."
    )
    assert refused(mapping(good, good)) == "Error in mapping rules. Duplicate ruleid 1"
    assert refused(mapping(transformation(1, "table", "convert-lowercase"))) == (
        "Error in mapping rules. At least one selection rule is required."
    )
    without = {key: value for key, value in good.items() if key != "object-locator"}
    assert refused(mapping(without)) == (
        "Error in mapping rules. Rule with ruleId = 1 failed validation. object locator cannot be null"
    )


EQUAL = {"filter-operator": "eq", "value": "1"}


@pytest.mark.parametrize(
    "rule",
    [
        selection(1, "ORDERS", source_filter("ID", {"filter-operator": "gt", "value": "1"})),
        selection(1, "ORDERS", source_filter("ID", {"filter-operator": "between", "start-value": "1"})),
        selection(1, "ORDERS", source_filter("ID", {"filter-operator": "eq"})),
        selection(1, "ORDERS", source_filter("ID")),
        selection(1, "ORD%", source_filter("ID", EQUAL)),
        selection(1, "ORDER[AB]", source_filter("ID", EQUAL)),
        selection(1, "ORD%", action="explicit"),
        transformation(1, "table", "rename"),
        transformation(1, "column", "replace-prefix", value="A"),
        transformation(1, "table", "remove-column"),
        transformation(1, "column", "change-data-type"),
    ],
)
def test_rules_that_fail_validation_are_named(rule: dict[str, Any]) -> None:
    text = refused(json.dumps({"rules": [selection(9, "ORDERS"), rule]}))
    assert text.startswith("Error in mapping rules. Rule with ruleId = 1 failed validation. ")


def test_a_filter_may_name_a_table_with_an_underscore() -> None:
    for name in ("ORDER_ITEMS", "ORDER[_]ITEMS"):
        TableMapping(mapping(selection(1, name, source_filter("ID", EQUAL))))


def test_conditions_are_ored_inside_a_filter_and_filters_are_anded() -> None:
    first = source_filter("A", {"filter-operator": "gte", "value": "1"}, {"filter-operator": "ste", "value": "5"})
    second = source_filter("B", {"filter-operator": "notbetween", "start-value": "x", "end-value": "o'z"})
    third = source_filter("C", {"filter-operator": "null"})
    [selected] = TableMapping(mapping(selection(1, "ORDERS", first, second, third))).select([ORDERS])
    assert selected.condition().as_string() == (
        """("A" >= '1' OR "A" <= '5') AND ("B" NOT BETWEEN 'x' AND 'o''z') AND ("C" IS NULL)"""
    )


def test_include_exclude_explicit_and_table_types() -> None:
    everything = [ORDERS, CUSTOMERS, VIEW, OTHER]

    def names(*rules: dict[str, Any]) -> list[SourceTable]:
        return [one.table for one in TableMapping(mapping(*rules)).select(everything)]

    assert names(selection(1, "%")) == [CUSTOMERS, ORDERS]
    assert names(selection(1, "%"), selection(2, "CUST%", action="exclude")) == [ORDERS]
    assert names(selection(1, "CUSTOMERS", action="explicit")) == [CUSTOMERS]
    views = selection(1, "%")
    views["object-locator"]["table-type"] = "all"
    assert names(views) == [CUSTOMERS, ORDERS, VIEW]


def test_filters_are_only_applied_where_the_action_is_include() -> None:
    for action in ("explicit", "exclude"):
        rule = selection(2, "ORDERS", source_filter("ID", EQUAL), action=action)
        found = TableMapping(mapping(selection(1, "CUSTOMERS"), rule)).select([ORDERS])
        assert [one.filters for one in found] == ([()] if action == "explicit" else [])


def test_load_order_is_highest_first() -> None:
    rules = mapping(selection(1, "CUSTOMERS"), selection(2, "ORDERS") | {"load-order": "2"})
    assert [one.table for one in TableMapping(rules).select([CUSTOMERS, ORDERS])] == [ORDERS, CUSTOMERS]


def test_the_lower_rule_id_wins_as_a_number_and_alone() -> None:
    rules = mapping(
        selection(1, "%"),
        transformation(10, "table", "convert-lowercase"),
        transformation(9, "table", "rename", table="ORDERS", value="Mine"),
        transformation(11, "table", "add-prefix", value="p_"),
    )
    made = TableMapping(rules)
    assert made.target_name(ORDERS, "") == ("SALES", "Mine")
    assert made.target_name(CUSTOMERS, "staging") == ("staging", "customers")


def test_names_stay_uppercase_without_a_rule() -> None:
    made = TableMapping(mapping(selection(1, "%")))
    assert made.target_name(ORDERS, "") == ("SALES", "ORDERS")
    assert [one.target for one in made.columns(ORDERS, {"ID": "numeric", "UPDATED_AT": "datetime"})] == [
        "ID",
        "UPDATED_AT",
    ]


@pytest.mark.parametrize(
    ("action", "more", "expected"),
    [
        ("rename", {"value": "x"}, "x"),
        ("convert-lowercase", {}, "pre_name_suf"),
        ("convert-uppercase", {}, "PRE_NAME_SUF"),
        ("add-prefix", {"value": "a_"}, "a_Pre_Name_Suf"),
        ("remove-prefix", {"value": "Pre_"}, "Name_Suf"),
        ("replace-prefix", {"value": "New_", "old_value": "Pre_"}, "New_Name_Suf"),
        ("replace-prefix", {"value": "New_", "old_value": "Other_"}, "Pre_Name_Suf"),
        ("add-suffix", {"value": "_a"}, "Pre_Name_Suf_a"),
        ("remove-suffix", {"value": "_Suf"}, "Pre_Name"),
        ("replace-suffix", {"value": "_New", "old_value": "_Suf"}, "Pre_Name_New"),
    ],
)
@pytest.mark.parametrize("target", ["schema", "table", "column"])
def test_renaming_actions_on_every_kind_of_object(
    target: str, action: str, more: dict[str, Any], expected: str
) -> None:
    name = "Pre_Name_Suf"
    rule = transformation(2, target, action, **more)
    rule["object-locator"]["schema-name"] = "%"
    made = TableMapping(mapping(selection(1, "%"), rule))
    table = SourceTable(name, name, "table")
    schema_name, table_name = made.target_name(table, "")
    [column] = made.columns(table, {name: "string"})
    found = {"schema": schema_name, "table": table_name, "column": column.target}
    assert found == {**dict.fromkeys(found, name), target: expected}


def test_column_rules_keep_drop_and_add() -> None:
    rules = mapping(
        selection(1, "%"),
        transformation(2, "column", "remove-column", column="B"),
        transformation(3, "column", "change-data-type", column="C", data_type={"type": "int8"}),
        transformation(4, "column", "convert-lowercase"),
        transformation(5, "column", "add-column", value="D", expression="'x'", data_type={"type": "string"}),
    )
    columns = TableMapping(rules).columns(ORDERS, dict.fromkeys("ABC", "string"))
    # One action per object: C is not lowercased, because its type is changed by a lower rule-id.
    assert [(one.source, one.target) for one in columns] == [("A", "a"), ("C", "C"), (None, "D")]
    only = mapping(selection(1, "%"), transformation(2, "column", "include-column", column="B"))
    assert [one.source for one in TableMapping(only).columns(ORDERS, dict.fromkeys("AB", "string"))] == ["B"]


def test_a_rule_with_a_data_type_is_for_columns_of_that_type() -> None:
    rule = transformation(2, "column", "change-data-type", data_type={"type": "int8"})
    rule["object-locator"]["data-type"] = "numeric"
    removal = transformation(3, "column", "remove-column")
    removal["object-locator"]["data-type"] = "clob"
    made = TableMapping(mapping(selection(1, "%"), rule, removal))
    columns = made.columns(ORDERS, {"ID": "numeric", "NAME": "string", "NOTE": "clob"})
    assert [(one.source, one.data_type) for one in columns] == [("ID", {"type": "int8"}), ("NAME", {})]


def test_a_set_without_a_character_matches_nothing() -> None:
    assert not name_matches("[z-a]", "b")


def test_lob_settings_of_a_table() -> None:
    rule = {
        "rule-type": "table-settings",
        "rule-id": "2",
        "object-locator": {"schema-name": "SALES", "table-name": "ORDERS"},
        "lob-settings": {"mode": "limited", "bulk-max-size": "16"},
    }
    made = TableMapping(mapping(selection(1, "%"), rule))
    found = made.lob_settings(ORDERS)
    assert found is not None
    assert (found.lob_mode, found.lob_size) == ("limited", 16)
    assert made.lob_settings(CUSTOMERS) is None
