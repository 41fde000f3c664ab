"""Every known mistake in a mapping or in task settings is named, with its rule and the fix."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reload_assets.dms.lint import Finding, lint_mapping, lint_settings
from reload_assets.dms.mappings import TableLoad, table_mappings
from reload_assets.dms.settings import task_settings

Document = dict[str, Any]


def good_mapping() -> Document:
    """Rules 1 selection, 2 schema rename, 3 table rename, 4 columns to lowercase."""
    table = TableLoad("SALES", "ORDERS", "UPDATED_AT", "staging", "orders__r1")
    return table_mappings([table], datetime(2025, 1, 1), datetime(2025, 2, 1))


def condition(operator: str, **values: str) -> Document:
    return {"filter-operator": operator, **{key.replace("_", "-"): value for key, value in values.items()}}


def with_conditions(*conditions: Document) -> Callable[[Document], None]:
    def change(mapping: Document) -> None:
        mapping["rules"][0]["filters"][0]["filter-conditions"] = list(conditions)

    return change


def with_rule(number: int, **members: Any) -> Callable[[Document], None]:
    def change(mapping: Document) -> None:
        mapping["rules"][number - 1].update({key.replace("_", "-"): value for key, value in members.items()})

    return change


def without(number: int, member: str) -> Callable[[Document], None]:
    return lambda mapping: mapping["rules"][number - 1].pop(member)


def with_locator(number: int, **names: str) -> Callable[[Document], None]:
    def change(mapping: Document) -> None:
        locator = mapping["rules"][number - 1]["object-locator"]
        locator.update({f"{key}-name": value for key, value in names.items()})

    return change


def with_transformation(action: str, target: str, number: str = "9", /, **members: Any) -> Callable[[Document], None]:
    locator = {"schema-name": "SALES", "table-name": "ORDERS", "column-name": "AMOUNT"}
    keys = {"schema": 1, "table": 2, "column": 3}[target]
    rule = {
        "rule-type": "transformation",
        "rule-id": number,
        "rule-name": f"extra-{number}",
        "rule-action": action,
        "rule-target": target,
        "object-locator": dict(list(locator.items())[:keys]),
        **members,
    }
    return lambda mapping: mapping["rules"].append(rule)


def two_filters(mapping: Document) -> None:
    mapping["rules"][0]["filters"] = [
        {
            "filter-type": "source",
            "column-name": "UPDATED_AT",
            "filter-conditions": [condition(operator, value="2025-01-01 00:00:00")],
        }
        for operator in ("gte", "lte")
    ]


def only(*numbers: int) -> Callable[[Document], None]:
    def change(mapping: Document) -> None:
        mapping["rules"] = [mapping["rules"][number - 1] for number in numbers]

    return change


STRING = {"type": "string", "length": 10}
BETWEEN = {"start_value": "2025-01-01 00:00:00", "end_value": "2025-02-01 00:00:00"}

BAD_MAPPINGS: list[tuple[str, str | None, Callable[[Document], Any], str]] = [
    ("no-rules", None, lambda mapping: mapping.update(rules=[]), "has no rules"),
    ("no-rules", None, lambda mapping: mapping.pop("rules"), "has no rules"),
    ("no-selection", None, only(2, 3, 4), "add a rule of rule-type selection"),
    ("missing-rule-id", None, without(3, "rule-id"), "3-table-ORDERS has no rule-id"),
    ("duplicate-rule-id", "1", with_rule(3, rule_id="1"), "2 rules have this rule-id"),
    ("duplicate-rule-id", "1", with_rule(3, rule_id=1), "2 rules have this rule-id"),
    ("non-numeric-rule-id", "three", with_rule(3, rule_id="three"), "'three' is not a whole number"),
    ("duplicate-rule-name", "3", with_rule(3, rule_name="1-load-ORDERS"), "2 rules are named '1-load-ORDERS'"),
    ("unknown-rule-type", "3", with_rule(3, rule_type="transform"), "did you mean transformation?"),
    ("unknown-action", "1", with_rule(1, rule_action="included"), "did you mean include?"),
    (
        "unknown-action",
        "9",
        with_transformation("convert-column-type", "column"),
        "did you mean change-data-type?",
    ),
    ("unknown-action", "3", with_rule(3, rule_action="make-nice"), "DMS knows rename,"),
    ("unknown-rule-target", "3", with_rule(3, rule_target="tables"), "did you mean table?"),
    ("unknown-operator", "1", with_conditions(condition("lt", value="5")), "did you mean lte?"),
    ("unknown-operator", "1", with_conditions(condition("betwen", **BETWEEN)), "did you mean between?"),
    (
        "or-ed-conditions",
        "1",
        with_conditions(condition("gte", value="2025-01-01 00:00:00"), condition("lte", value="2025-02-01 00:00:00")),
        "joins them with OR, so that they select every row",
    ),
    ("several-filters-on-column", "1", two_filters, "2 filters are on the column UPDATED_AT"),
    (
        "missing-value",
        "1",
        with_conditions(condition("between", start_value="2025-01-01 00:00:00")),
        "between on UPDATED_AT needs end-value",
    ),
    ("missing-value", "1", with_conditions(condition("between")), "needs start-value and end-value"),
    ("missing-value", "1", with_conditions(condition("gte")), "gte on UPDATED_AT needs value"),
    (
        "end-loses-fractions",
        "1",
        with_conditions(condition("lte", value="2025-01-31 23:59:59")),
        "loses the rows of the last second's fractions",
    ),
    (
        "end-loses-fractions",
        "1",
        with_conditions(condition("between", start_value="2025-01-01", end_value="2025-01-31 23:59:59")),
        "end at 00:00:00 of the next day",
    ),
    (
        "undocumented-date-literal",
        "1",
        with_conditions(condition("gte", value="2025-01-31T00:00:00Z")),
        "write YYYY-MM-DD HH:MM:SS",
    ),
    ("malformed-member", "1", with_rule(1, filters={"column-name": "X"}), "filters is not a list"),
    ("malformed-filter", "1", with_rule(1, filters=[{"column-name": "X"}]), "needs filter-type source"),
    ("wildcard-in-filtered-selection", "1", with_locator(1, table="ORD%"), "with its exact name"),
    ("wildcard-in-filtered-selection", "1", with_locator(1, schema="%"), "The schema-name '%'"),
    ("filter-without-include", "1", with_rule(1, rule_action="exclude"), "rule-action include"),
    (
        "filter-without-include",
        "3",
        lambda mapping: mapping["rules"][2].update(filters=mapping["rules"][0]["filters"]),
        "move them there",
    ),
    (
        "underscore-wildcard",
        "9",
        with_transformation(
            "remove-column",
            "column",
            **{"object-locator": {"schema-name": "SALES", "table-name": "ORDERS", "column-name": "%_AT"}},
        ),
        "write '%[_]AT'",
    ),
    (
        "underscore-wildcard",
        "1",
        lambda mapping: (with_locator(1, table="ORDER_ITEMS")(mapping), without(1, "filters")(mapping)),
        "(ORDERXITEMS too)",
    ),
    ("underscore-wildcard", "3", with_locator(3, table="ORDER_"), "write 'ORDER[_]'"),
    ("missing-case-rule", "1", only(1), "case of the schema, table, columns of SALES.ORDERS"),
    ("missing-case-rule", "1", only(1, 2, 3), "case of the columns of SALES.ORDERS"),
    ("missing-case-rule", "1", only(1, 2, 4), "case of the table of SALES.ORDERS"),
    ("missing-case-rule", "1", with_rule(3, value="ORDERS_R1"), "case of the table"),
    ("shadowed-action", "9", with_transformation("convert-lowercase", "table"), "only the lower rule-id, 3"),
    (
        "shadowed-action",
        "9",
        with_transformation("rename", "column", value="amount_eur"),
        "only the lower rule-id, 4",
    ),
    ("conflicting-actions", "4", with_transformation("add-prefix", "column", "0", value="x_"), "rule 0's add-prefix"),
    (
        "shadowed-action",
        "9",
        with_transformation("change-data-type", "column", **{"data-type": {"type": "numeric"}}),
        "drop change-data-type",
    ),
    ("missing-object-locator", "3", without(3, "object-locator"), "name schema-name and table-name"),
    ("incomplete-object-locator", "1", with_locator(1, table=""), "has no table-name"),
    ("incomplete-object-locator", "2", with_locator(2, schema=""), "has no schema-name"),
]


@pytest.mark.parametrize(("code", "rule_id", "change", "said"), BAD_MAPPINGS)
def test_a_bad_mapping_is_named(code: str, rule_id: str | None, change: Callable[[Document], Any], said: str) -> None:
    mapping = good_mapping()
    change(mapping)
    found = [finding for finding in lint_mapping(json.dumps(mapping)) if finding.code == code]
    assert [finding.rule_id for finding in found] == [rule_id]
    assert said in found[0].message


def test_a_mapping_that_is_not_json_is_named() -> None:
    assert [finding.code for finding in lint_mapping('{"rules": [')] == ["invalid-json"]


@pytest.mark.parametrize(
    "change",
    [
        with_conditions(condition("eq", value="NEW"), condition("eq", value="PAID"), condition("null")),
        with_conditions(condition("gte", value="100")),
        with_conditions(condition("between", start_value="2025-01-01 23:59:59", end_value="2025-01-02 00:00:00")),
        # A special case with a lower rule-id is meant to win over the general rule.
        with_transformation("rename", "column", "0", value="amount_eur"),
        with_transformation("remove-column", "column", "0"),
        with_transformation("add-column", "column", value="loaded_by", expression="'x'", **{"data-type": STRING}),
    ],
)
def test_what_is_meant_that_way_is_no_finding(change: Callable[[Document], None]) -> None:
    mapping = good_mapping()
    change(mapping)
    assert lint_mapping(mapping) == []


def test_lowercase_sources_need_no_case_rule() -> None:
    mapping = good_mapping()
    only(1)(mapping)
    with_locator(1, schema="sales", table="orders")(mapping)
    assert lint_mapping(mapping) == []


def test_a_target_schema_stands_in_for_the_schema_rule() -> None:
    mapping = good_mapping()
    only(1, 3, 4)(mapping)
    assert [finding.code for finding in lint_mapping(mapping)] == ["missing-case-rule"]
    assert lint_mapping(mapping, target_schema="staging") == []


def setting(group: str, **members: Any) -> Callable[[Document], None]:
    return lambda settings: settings.setdefault(group, {}).update(members)


BAD_SETTINGS: list[tuple[str, Callable[[Document], Any], str]] = [
    ("unknown-settings-group", setting("OracleSettings", StandbyDelayTime=0), "belong to the endpoint"),
    ("unknown-settings-group", setting("FullLoadSetting"), "did you mean FullLoadSettings?"),
    ("unknown-setting", setting("FullLoadSettings", CommitRates=1), "did you mean CommitRate?"),
    ("malformed-settings-group", lambda settings: settings.update(Logging=True), "Logging is not an object"),
    ("commit-rate-too-high", setting("FullLoadSettings", CommitRate=60000), "1 to 50000"),
    ("too-many-sub-tasks", setting("FullLoadSettings", MaxFullLoadSubTasks=50), "1 to 49"),
    ("prep-mode", setting("FullLoadSettings", TargetTablePrepMode="DROP_AND_CREATE"), "set DO_NOTHING"),
    ("prep-mode", lambda settings: settings["FullLoadSettings"].pop("TargetTablePrepMode"), "is left out"),
    ("lobs-not-supported", setting("TargetMetadata", SupportLobs=False), "set it to true"),
    ("both-lob-modes", setting("TargetMetadata", FullLobMode=True, LimitedSizeLobMode=True), "turn one of them off"),
    ("cloudwatch-on-create", setting("Logging", CloudWatchLogGroup="g"), "CloudWatchLogGroup can only be read"),
    ("lenient-error-policy", setting("ErrorBehavior", DataErrorPolicy="LOG_ERROR"), "DataErrorPolicy is LOG_ERROR"),
    (
        "lenient-error-policy",
        lambda settings: settings["ErrorBehavior"].pop("TableErrorPolicy"),
        "TableErrorPolicy is left to the lenient default",
    ),
    ("no-tables-is-success", setting("ErrorBehavior", FailOnNoTablesCaptured=False), "set it"),
    ("validation-enabled", setting("ValidationSettings", EnableValidation=True), "turn it off"),
    ("target-schema-with-schema-rule", setting("TargetMetadata", TargetSchema="staging"), "drop TargetSchema"),
]


@pytest.mark.parametrize(("code", "change", "said"), BAD_SETTINGS)
def test_bad_settings_are_named(code: str, change: Callable[[Document], Any], said: str) -> None:
    document = copy.deepcopy(task_settings(commit_rate=10_000, max_sub_tasks=8, lob_max_kb=32))
    change(document)
    (finding,) = lint_settings(json.dumps(document), good_mapping())
    assert finding.code == code
    assert said in finding.message


@pytest.mark.parametrize("text", ["{", "[]"])
def test_settings_that_are_no_json_object_are_named(text: str) -> None:
    assert [finding.code for finding in lint_settings(text)] == ["invalid-json"]


def guide_mapping() -> Document:
    """Equivalent to the mapping of a widespread guide to reloading a window with DMS."""

    def selection(number: str, table: str) -> Document:
        return {
            "rule-type": "selection",
            "rule-id": number,
            "rule-name": f"{table.lower()}-window",
            "object-locator": {"schema-name": "SOURCE_SCHEMA", "table-name": table},
            "rule-action": "include",
            "filters": [
                {
                    "filter-type": "source",
                    "column-name": "UPDATED_AT",
                    "filter-conditions": [
                        condition("gte", value="2025-01-01 00:00:00"),
                        condition("lte", value="2025-01-31 23:59:59"),
                    ],
                }
            ],
        }

    def retype(number: str, table: str, column: str, data_type: Document) -> Document:
        return {
            "rule-type": "transformation",
            "rule-id": number,
            "rule-name": f"retype-{number}",
            "rule-action": "convert-column-type",
            "rule-target": "column",
            "object-locator": {"schema-name": "SOURCE_SCHEMA", "table-name": table, "column-name": column},
            "data-type": data_type,
        }

    return {
        "rules": [
            selection("1", "CUSTOMERS"),
            selection("2", "ORDERS"),
            retype("3", "%", "%_AT", {"type": "datetime", "precision": 0, "scale": 0}),
            retype("4", "ORDERS", "AMOUNT", {"type": "numeric", "precision": 10, "scale": 2}),
        ]
    }


def test_the_mistakes_of_the_guide_are_all_found() -> None:
    found = {(finding.rule_id, finding.code) for finding in lint_mapping(guide_mapping(), target_schema="staging")}
    assert found == {
        ("1", "or-ed-conditions"),
        ("1", "end-loses-fractions"),
        ("1", "missing-case-rule"),
        ("2", "or-ed-conditions"),
        ("2", "end-loses-fractions"),
        ("2", "missing-case-rule"),
        ("3", "unknown-action"),
        ("3", "underscore-wildcard"),
        ("4", "unknown-action"),
    }
    document = {
        "TargetMetadata": {
            "TargetSchema": "staging",
            "SupportLobs": True,
            "FullLobMode": False,
            "LobChunkSize": 64,
            "LimitedSizeLobMode": True,
            "LobMaxSize": 32,
        },
        "FullLoadSettings": {
            "TargetTablePrepMode": "DO_NOTHING",
            "MaxFullLoadSubTasks": 8,
            "TransactionConsistencyTimeout": 600,
            "CommitRate": 10000,
        },
        "Logging": {"EnableLogging": True},
        "OracleSettings": {"NumberDataTypeScale": 38, "UseLogminerReader": True},
    }
    codes = [finding.code for finding in lint_settings(document, guide_mapping())]
    assert codes == ["unknown-settings-group", *["lenient-error-policy"] * 3, "no-tables-is-success"]


def test_a_finding_reads_as_a_sentence_with_rule_and_code() -> None:
    assert str(Finding("3", "some-code", "It is wrong.")) == "Rule 3: It is wrong. [some-code]"
    assert str(Finding(None, "some-code", "It is wrong.")) == "It is wrong. [some-code]"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text("AB_%[]:-0129", max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_no_document_makes_the_linters_raise(data: st.DataObject) -> None:
    mapping = good_mapping()
    rule = mapping["rules"][data.draw(st.integers(0, 3))]
    places = [rule, rule["object-locator"]]
    if "filters" in rule:
        places += [rule["filters"][0], rule["filters"][0]["filter-conditions"][0]]
    place = data.draw(st.sampled_from(places))
    place[data.draw(st.sampled_from(sorted(place)))] = data.draw(JSON)
    lint_mapping(mapping)
    document = task_settings(commit_rate=10_000, max_sub_tasks=8, lob_max_kb=32)
    document[data.draw(st.sampled_from(sorted(document)))] = data.draw(JSON)
    lint_settings(document, mapping)
    lint_settings(document, {"rules": data.draw(JSON)})
