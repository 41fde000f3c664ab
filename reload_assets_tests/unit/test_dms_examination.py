"""What speaks against a reload beside a CDC task, one situation at a time; the task of the first test carries all."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from reload_assets.dms.examination import CarriedColumn, CarriedTable, TaskDescription, TaskFinding, examine

Document = dict[str, Any]
ORDERS = CarriedTable(
    "SALES",
    "ORDERS",
    "production",
    "orders",
    (CarriedColumn("ID", "id"), CarriedColumn("NAME", "name"), CarriedColumn("BODY", "body", is_lob=True)),
)


def rule(number: int, kind: str, action: str, target: str = "", /, **more: Any) -> Document:
    where = {"schema-name": "SALES", "table-name": "ORDERS"}
    made: Document = {
        "rule-type": kind,
        "rule-id": str(number),
        "rule-name": str(number),
        "rule-action": action,
        "object-locator": {
            **where,
            **{f"{name}-name": more.pop(name) for name in ("schema", "table", "column") if name in more},
        },
    }
    if target:
        made["rule-target"] = target
    return {**made, **{name.replace("_", "-"): value for name, value in more.items()}}


def good() -> Document:
    """A task, its endpoints and its statistics, as documents."""
    return {
        "rules": [
            rule(1, "selection", "include"),
            rule(2, "transformation", "rename", "schema", value="production"),
            rule(3, "transformation", "convert-lowercase", "table", table="%"),
            rule(4, "transformation", "convert-lowercase", "column", table="%", column="%"),
        ],
        "settings": {
            "TargetMetadata": {"SupportLobs": True, "LimitedSizeLobMode": True, "LobMaxSize": 64},
            "ErrorBehavior": {"ApplyErrorInsertPolicy": "LOG_ERROR", "ApplyErrorUpdatePolicy": "UPDATE_RECORD"},
        },
        "source": {"EngineName": "oracle"},
        "load_source": {"EngineName": "oracle", "OracleSettings": {"NumberDatatypeScale": 10}},
        "target": {
            "EngineName": "aurora-postgresql",
            "PostgreSQLSettings": {"AfterConnectScript": "SET session_replication_role='replica'"},
        },
        "statistics": [{"SchemaName": "SALES", "TableName": "ORDERS", "TableState": "Table completed"}],
        "task": {},
    }


def found(situation: Document, table: CarriedTable = ORDERS) -> list[TaskFinding]:
    task = {
        "ReplicationTaskIdentifier": "cdc",
        "TableMappings": json.dumps({"rules": situation["rules"]}),
        "ReplicationTaskSettings": json.dumps(situation["settings"]),
        **situation["task"],
    }
    parts = (situation[name] for name in ("source", "target", "load_source", "statistics"))
    described = TaskDescription(task, *parts)
    return examine(described, [table], lob_limit_kb=64)


def test_a_task_that_carries_the_table_whole_has_no_findings() -> None:
    assert found(good()) == []


def with_rule(*rules: Document) -> Callable[[Document], None]:
    return lambda situation: situation["rules"].extend(rules)


def with_setting(group: str, **settings: Any) -> Callable[[Document], None]:
    return lambda situation: situation["settings"].setdefault(group, {}).update(settings)


def with_selection(selection: Document) -> Callable[[Document], None]:
    def change(situation: Document) -> None:
        situation["rules"][0] = selection

    return change


def with_state(state: str) -> Callable[[Document], None]:
    return lambda situation: situation["statistics"][0].update(TableState=state)


def with_member(part: str, **members: Any) -> Callable[[Document], None]:
    return lambda situation: situation[part].update(members)


def without_rule(number: int) -> Callable[[Document], None]:
    return lambda situation: situation["rules"].pop(number - 1)


def filtered() -> Document:
    condition = {"filter-operator": "gte", "value": "5"}
    return rule(
        1,
        "selection",
        "include",
        filters=[{"filter-type": "source", "column-name": "ID", "filter-conditions": [condition]}],
    )


SITUATIONS: list[tuple[Callable[[Document], Any], str, str, str]] = [
    (with_selection(rule(1, "selection", "include", table="CUSTOMERS")), "refuse", "not-selected", "SALES.ORDERS"),
    (with_selection(rule(1, "selection", "include", table="orders")), "refuse", "not-selected", "SALES.ORDERS"),
    (with_selection(rule(1, "selection", "include", schema="HR", table="%")), "refuse", "not-selected", "SALES.ORDERS"),
    (
        lambda situation: situation["rules"][0]["object-locator"].update({"table-type": "view"}),
        "refuse",
        "not-selected",
        "SALES.ORDERS",
    ),
    (with_rule(rule(9, "selection", "exclude", table="O%")), "refuse", "not-selected", "SALES.ORDERS"),
    (with_selection(filtered()), "refuse", "row-filter", "rule 1"),
    (without_rule(2), "refuse", "other-target", "SALES.orders"),
    (without_rule(3), "refuse", "other-target", "production.ORDERS"),
    (without_rule(4), "refuse", "other-column", "NAME into NAME instead of name"),
    (
        with_rule(rule(0, "transformation", "add-prefix", "table", value="old_")),
        "refuse",
        "other-target",
        "production.old_ORDERS",
    ),
    (
        with_rule(rule(9, "transformation", "remove-column", "column", column="NAME")),
        "refuse",
        "column-left-out",
        "NAME",
    ),
    (
        with_rule(rule(9, "transformation", "include-column", "column", column="[IN]%")),
        "refuse",
        "column-left-out",
        "BODY",
    ),
    (
        with_rule(rule(9, "transformation", "data-masking-hash-mask", "column", column="N%")),
        "refuse",
        "values-masked",
        "NAME: data-masking-hash-mask of rule 9",
    ),
    (
        with_rule(rule(9, "transformation", "add-column", "column", value="name", expression="'x'")),
        "refuse",
        "column-computed",
        "name of production.orders",
    ),
    (
        with_rule(rule(9, "transformation", "add-column", "column", value="op", expression="'x'")),
        "warn",
        "column-added",
        "op of production.orders",
    ),
    (with_state("Table error"), "refuse", "table-state", "'Table error'"),
    (with_state("Before load"), "refuse", "table-state", "'Before load'"),
    (lambda situation: situation["statistics"].clear(), "refuse", "not-captured", "SALES.ORDERS"),
    (
        with_setting("ErrorBehavior", ApplyErrorInsertPolicy="SUSPEND_TABLE"),
        "fence",
        "apply-policy",
        "ApplyErrorInsertPolicy",
    ),
    (with_setting("ErrorBehavior", ApplyErrorUpdatePolicy="STOP_TASK"), "fence", "apply-policy", "stop the task"),
    (
        with_setting("ErrorBehavior", ApplyErrorDeletePolicy="STOP_TASK"),
        "fence",
        "apply-policy",
        "ApplyErrorDeletePolicy",
    ),
    (with_setting("ErrorBehavior", ApplyErrorInsertPolicy="IGNORE_RECORD"), "fence", "ignored-records", "Insert"),
    (
        with_setting("ErrorBehavior", ApplyErrorEscalationPolicy="STOP_TASK", ApplyErrorEscalationCount=5),
        "fence",
        "apply-escalation",
        "after 5 errors",
    ),
    (with_setting("TargetMetadata", BatchApplyEnabled=True), "fence", "batch-apply", "BatchApplyEnabled"),
    (with_setting("TargetMetadata", SupportLobs=False), "warn", "lobs-left-out", "BODY"),
    (with_setting("TargetMetadata", LobMaxSize=32), "warn", "lobs-cut", "at 32 KB and a reload at 64 KB"),
    (
        with_rule(rule(9, "table-settings", "", lob_settings={"mode": "limited", "bulk-max-size": "16"})),
        "warn",
        "lobs-cut",
        "at 16 KB",
    ),
    (
        with_rule(rule(0, "transformation", "change-data-type", "column", column="NAME", data_type={"type": "string"})),
        "warn",
        "data-type-changed",
        "NAME: change-data-type of rule 0",
    ),
    (
        with_setting("CharacterSetSettings", CharacterReplacements=[{"SourceCharacterCodePoint": 0}]),
        "refuse",
        "character-set",
        "CharacterSetSettings",
    ),
    (with_member("task", CdcStopPosition="server_time:2025-01-01T00:00:00"), "warn", "stop-position", "2025-01-01"),
    (
        with_member("load_source", OracleSettings={"NumberDatatypeScale": 20}),
        "refuse",
        "other-values",
        "NumberDatatypeScale 10 and a reload with 20",
    ),
    (
        with_member("source", ExtraConnectionAttributes="readTableSpaceName=true;trimspaceinchar=false"),
        "refuse",
        "other-values",
        "TrimSpaceInChar False and a reload with True",
    ),
    (with_member("source", EngineName="mysql"), "refuse", "other-engine", "mysql"),
    (with_member("target", EngineName="redshift"), "refuse", "other-engine", "redshift"),
    (with_member("target", PostgreSQLSettings={}), "warn", "foreign-keys-enforced", "AfterConnectScript"),
    (with_member("task", TableMappings="{"), "refuse", "no-mapping", "not JSON"),
    (with_member("task", ReplicationTaskSettings=None), "refuse", "no-settings", "settings"),
]


@pytest.mark.parametrize(
    ("change", "severity", "code", "named"),
    SITUATIONS,
    ids=[f"{number}-{code}" for number, (_, _, code, _) in enumerate(SITUATIONS)],
)
def test_what_speaks_against_a_reload_is_found(
    change: Callable[[Document], Any], severity: str, code: str, named: str
) -> None:
    situation = copy.deepcopy(good())
    change(situation)
    (finding,) = [one for one in found(situation) if one.code == code]
    assert finding.severity == severity
    assert named in finding.message
    assert "cdc" in finding.message
    assert finding.message.endswith(".")


HARMLESS: list[Callable[[Document], Any]] = [
    with_selection(rule(1, "selection", "include", table="%")),
    with_selection(rule(1, "selection", "include", schema="S%", table="ORDER_")),
    with_selection(rule(1, "selection", "explicit")),
    with_rule(rule(9, "selection", "exclude", table="CUSTOMERS")),
    with_rule(rule(9, "transformation", "remove-column", "column", column="SECRET")),
    with_rule(rule(9, "transformation", "data-masking-hash-mask", "column", table="CUSTOMERS", column="%")),
    with_rule(rule(9, "transformation", "rename", "table", value="elsewhere")),
    with_rule(rule(9, "table-settings", "", lob_settings={"mode": "none", "bulk-max-size": "16"})),
    with_setting("ErrorBehavior", ApplyErrorDeletePolicy="LOG_ERROR", ApplyErrorInsertPolicy="INSERT_RECORD"),
    with_setting("ErrorBehavior", ApplyErrorEscalationPolicy="STOP_TASK", ApplyErrorEscalationCount=0),
    with_setting("TargetMetadata", FullLobMode=True, LimitedSizeLobMode=False, LobMaxSize=0),
    with_member(
        "target",
        PostgreSQLSettings=None,
        ExtraConnectionAttributes="executeTimeout=60;afterConnectScript=SET SESSION_REPLICATION_ROLE TO replica",
    ),
]


@pytest.mark.parametrize("change", HARMLESS, ids=range(len(HARMLESS)))
def test_what_does_no_harm_is_not_found(change: Callable[[Document], Any]) -> None:
    situation = copy.deepcopy(good())
    change(situation)
    assert found(situation) == []


def test_target_schema_of_the_settings_holds_without_a_rule_for_the_schema() -> None:
    situation = good()
    situation["rules"].pop(1)
    situation["settings"]["TargetMetadata"]["TargetSchema"] = "production"
    assert found(situation) == []


def test_lob_settings_without_a_mode_are_those_of_limited() -> None:
    situation = good()
    with_rule(rule(9, "table-settings", "", lob_settings={"bulk-max-size": "16"}))(situation)
    assert [one.code for one in found(situation)] == ["lobs-cut"]


def test_a_column_with_a_special_character_arrives_under_its_own_name() -> None:
    situation = good()
    columns = (*ORDERS.columns, CarriedColumn("ORDER#", "order#"), CarriedColumn("NET-AMOUNT", "NET-AMOUNT"))
    (finding,) = found(situation, replace(ORDERS, columns=columns))
    assert (finding.code, "ORDER#" in finding.message) == ("other-column", True)
    for action in ("remove-column", "data-masking-hash-mask", "change-data-type"):
        with_rule(rule(8, "transformation", action, "column", column="NET-AMOUNT"))(situation)
    assert [one.code for one in found(situation, replace(ORDERS, columns=columns))] == ["other-column"]


def test_each_table_is_examined() -> None:
    other = CarriedTable("SALES", "OTHER", "production", "other", (CarriedColumn("ID", "id"),))
    assert [one.code for one in found(good(), other)] == ["not-selected"]


def test_marks_that_cdc_would_leave_are_a_warning() -> None:
    marked = replace(ORDERS, mark="gone")
    assert found(good(), marked) == []
    situation = good()
    with_setting("ErrorBehavior", ApplyErrorInsertPolicy="INSERT_RECORD")(situation)
    assert found(situation) == []
    (warning,) = found(situation, marked)
    assert (warning.severity, warning.code) == ("warn", "mark-stays")
    assert "leaves gone as it is" in warning.message
