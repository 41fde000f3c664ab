"""The DMS stand-in's task settings, source types and faults, without a server."""

from __future__ import annotations

import json
from typing import Any

import pytest

from reload_assets.local.dms import settings
from reload_assets.local.dms.catalog import SourceColumn, rule_type
from reload_assets.local.dms.faults import Faults, TableError, Throttle
from reload_assets.local.dms.protocol import ApiError, write_answer


def test_partial_settings_are_completed_with_defaults() -> None:
    made = settings.complete('{"FullLoadSettings": {"CommitRate": 50000}, "BeforeImageSettings": null}')
    assert set(made) == set(settings.DEFAULTS)
    assert made["FullLoadSettings"] == {**settings.DEFAULTS["FullLoadSettings"], "CommitRate": 50000}
    assert settings.complete(None) == settings.DEFAULTS
    assert settings.DEFAULTS["FullLoadSettings"]["CommitRate"] == 10000, "the defaults themselves do not change"


@pytest.mark.parametrize(
    ("sent", "named"),
    [
        ({"OracleSettings": {}}, "OracleSettings"),
        ({"FullLoadSettings": []}, "FullLoadSettings"),
        ({"FullLoadSettings": {"CommitRate": 50001}}, "CommitRate"),
        ({"FullLoadSettings": {"MaxFullLoadSubTasks": 50}}, "MaxFullLoadSubTasks"),
        ({"FullLoadSettings": {"TargetTablePrepMode": "NOTHING"}}, "TargetTablePrepMode"),
        ({"ErrorBehavior": {"TableErrorPolicy": "STOP"}}, "TableErrorPolicy"),
        ({"ValidationSettings": {"ThreadCount": 0}}, "ThreadCount"),
        ({"ValidationSettings": {"ValidationMode": "ROWS"}}, "ValidationMode"),
    ],
)
def test_settings_that_are_refused(sent: dict[str, Any], named: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    with pytest.raises(ApiError, match="^Invalid task settings JSON$"):
        settings.complete(json.dumps(sent))
    assert named in caplog.text


def test_the_log_of_a_task_can_not_be_named_when_it_is_created() -> None:
    text = "^Task Settings CloudWatchLogGroup or CloudWatchLogStream cannot be set on create.$"
    with pytest.raises(ApiError, match=text):
        settings.complete('{"Logging": {"CloudWatchLogGroup": "mine"}}')


def test_a_task_without_settings_drops_its_tables_and_one_that_only_validates_does_not() -> None:
    assert settings.complete(None)["FullLoadSettings"]["TargetTablePrepMode"] == "DROP_AND_CREATE"
    only = settings.complete('{"ValidationSettings": {"EnableValidation": true, "ValidationOnly": true}}')
    assert only["FullLoadSettings"]["TargetTablePrepMode"] == "DO_NOTHING"
    assert only["ValidationSettings"]["ValidationQueryCdcDelaySeconds"] == 180, "CDC has to come first"
    assert only["ValidationSettings"]["TableFailureMaxCount"] == 1000
    assert "ValidationSettings" not in settings.complete(None)


@pytest.mark.parametrize(
    ("oracle", "postgres"),
    [
        ("NUMBER", "numeric(38,10)"),
        ("NUMBER(10,2)", "numeric(10,2)"),
        ("NUMBER(*,0)", "numeric(38,0)"),
        ("FLOAT(24)", "real"),
        ("FLOAT(126)", "double precision"),
        ("VARCHAR2(100 CHAR)", "varchar(100)"),
        ("CHAR(10)", "varchar(10)"),
        ("NVARCHAR2(50)", "varchar(50)"),
        ("RAW(16)", "bytea"),
        ("DATE", "timestamp"),
        ("TIMESTAMP(6)", "timestamp(6)"),
        ("TIMESTAMP(9)", "varchar(37)"),
        ("TIMESTAMP(6) WITH LOCAL TIME ZONE", "varchar(37)"),
        ("TIMESTAMP WITH TIME ZONE", "varchar(37)"),
        ("CLOB", "text"),
        ("BLOB", "bytea"),
        ("BINARY_DOUBLE", "double precision"),
        ("", "some type"),
    ],
)
def test_types_of_tables_that_dms_creates(oracle: str, postgres: str) -> None:
    assert SourceColumn("C", "some type", oracle, False).target_type == postgres


@pytest.mark.parametrize(
    ("postgres", "oracle", "dms"),
    [
        ("numeric", "NUMBER(10,2)", "numeric"),
        ("character varying(5)", "VARCHAR2(5)", "string"),
        ("character varying(5)", "NVARCHAR2(5)", "wstring"),
        ("timestamp(6) without time zone", "TIMESTAMP(6)", "datetime"),
        ("timestamp(6) with time zone", "TIMESTAMP(6) WITH TIME ZONE", "string"),
        ("text", "CLOB", "clob"),
        ("text", "NCLOB", "nclob"),
        ("bytea", "BLOB", "blob"),
        ("bytea", "RAW(16)", "bytes"),
        ("bytea", "", "blob"),
        ("integer", "", "int4"),
        ("numeric(10,2)", "", "numeric"),
        ("timestamp(6) without time zone", "", "datetime"),
        ("character varying(5)", "", "string"),
    ],
)
def test_data_types_of_dms(postgres: str, oracle: str, dms: str) -> None:
    assert SourceColumn("C", postgres, oracle, False).dms_type == dms


def test_which_columns_are_lobs() -> None:
    assert SourceColumn("C", "text", "CLOB", False).is_lob
    assert SourceColumn("C", "text", "", False).is_lob
    assert not SourceColumn("C", "bytea", "RAW(16)", False).is_lob
    assert not SourceColumn("C", "text", "VARCHAR2(4000)", False).is_lob


def test_types_of_mapping_rules() -> None:
    assert rule_type({"type": "numeric", "precision": 10, "scale": 2}) == "numeric(10,2)"
    assert rule_type({"type": "string", "length": "20"}) == "varchar(20)"
    assert rule_type({"type": "int8"}) == "bigint"


def test_a_fault_strikes_its_subject_so_many_times() -> None:
    faults = Faults()
    faults.set(TableError(table="ORDERS", times=1))
    assert faults.strike(Throttle, "DescribeEndpoints") is None
    assert faults.strike(TableError, "SALES.CUSTOMERS") is None
    assert faults.strike(TableError, "SALES.ORDERS") is not None
    assert faults.strike(TableError, "SALES.ORDERS") is None


def test_faults_as_json() -> None:
    faults = Faults()
    faults.change({"kind": "throttle", "times": 3})
    faults.change({"kind": "no-tables"})
    assert faults.described() == [
        {"kind": "throttle", "times": 3, "operation": None, "reached": False},
        {"kind": "no-tables", "times": None, "reached": False},
    ]
    faults.change({"clear": "throttle"})
    assert [one["kind"] for one in faults.described()] == ["no-tables"]
    refused: list[Any] = [[], {"kind": "flood"}, {"kind": "slow-load"}, {"kind": "throttle", "tables": "x"}]
    for wrong in refused:
        with pytest.raises(ValueError, match="fault"):
            faults.change(wrong)


def test_answers_never_hold_invented_or_sensitive_members() -> None:
    with pytest.raises(TypeError, match="Secret"):
        write_answer("DescribeEndpoints", {"Endpoints": [{"Secret": "x"}]})
    answer = {"Endpoints": [{"OracleSettings": {"Password": "x", "Port": 1521}}]}
    assert json.loads(write_answer("DescribeEndpoints", answer)) == {"Endpoints": [{"OracleSettings": {"Port": 1521}}]}
