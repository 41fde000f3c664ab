"""What the source reader makes of Oracle's types, and of the values of keys."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import oracledb
import pytest
from sqlalchemy.dialects.oracle.oracledb import OracleDialect_oracledb

from reload_assets.canonical import oracle_types
from reload_assets.canonical.binds import BIND_TYPES
from reload_assets.canonical.oracle_types import ORACLE_TYPES, Delivery, SourceColumn
from reload_assets.errors import SourceUnavailable


def column(data_type: str, length: int | None = None, precision: int | None = None, scale: int | None = None) -> Any:
    return SourceColumn("C", data_type, length, precision, scale, nullable=True, position=1)


@pytest.mark.parametrize(
    ("described", "declared"),
    [
        (column("NUMBER"), "NUMBER"),
        (column("NUMBER", precision=10, scale=2), "NUMBER(10,2)"),
        (column("NUMBER", precision=38, scale=0), "NUMBER(38,0)"),
        (column("NUMBER", precision=5, scale=-2), "NUMBER(5,-2)"),
        # INTEGER has a scale, but no precision.
        (column("NUMBER", scale=0), "NUMBER(*,0)"),
        (column("FLOAT", precision=126), "FLOAT(126)"),
        (column("VARCHAR2", length=100), "VARCHAR2(100)"),
        (column("NVARCHAR2", length=200), "NVARCHAR2(200)"),
        (column("CHAR", length=10), "CHAR(10)"),
        (column("RAW", length=16), "RAW(16)"),
        (column("DATE"), "DATE"),
        (column("TIMESTAMP(6)", scale=6), "TIMESTAMP(6)"),
        (column("TIMESTAMP(6) WITH TIME ZONE", scale=6), "TIMESTAMP(6) WITH TIME ZONE"),
        (column("CLOB"), "CLOB"),
    ],
)
def test_types_are_declared_as_oracle_writes_them(described: SourceColumn, declared: str) -> None:
    assert described.declared == declared


@pytest.mark.parametrize(
    "data_type", ["CLOB", "BLOB", "BINARY_DOUBLE", "TIMESTAMP(6) WITH TIME ZONE", "TIMESTAMP(6) WITH LOCAL TIME ZONE"]
)
def test_types_whose_text_differs_between_databases_have_no_canonical_text(data_type: str) -> None:
    assert column(data_type).kind is None


@pytest.mark.parametrize(
    ("described", "value", "bound"),
    [
        # An int this large would lose digits on its way through SQLAlchemy's Oracle dialect.
        (column("NUMBER"), 99999999999999999999999999999999999999, Decimal("99999999999999999999999999999999999999")),
        (column("NUMBER"), "0.0000000001", Decimal("0.0000000001")),
        (column("NUMBER"), Decimal("1.50"), Decimal("1.50")),
        (column("DATE"), "2025-01-31 23:59:59.000000", datetime(2025, 1, 31, 23, 59, 59)),
        (column("TIMESTAMP(6)"), "2025-01-31 23:59:59.999999", datetime(2025, 1, 31, 23, 59, 59, 999999)),
        (column("TIMESTAMP(6)"), datetime(2025, 1, 31), datetime(2025, 1, 31)),
        (column("RAW", length=2), "00ff", b"\x00\xff"),
        (column("RAW", length=2), memoryview(b"\x00\xff"), b"\x00\xff"),
        (column("CHAR", length=5), "ab   ", "ab"),
        (column("VARCHAR2", length=5), "ab ", "ab "),
    ],
)
def test_keys_are_bound_as_production_has_them_and_as_canonical_text(
    described: SourceColumn, value: object, bound: object
) -> None:
    assert described.bind_value(value) == bound
    assert type(described.bind_value(value)) is type(bound)


@pytest.mark.parametrize(
    ("described", "value"),
    [
        (column("NUMBER", precision=10, scale=0), "abc"),
        (column("NUMBER"), Decimal("NaN")),
        (column("DATE"), "yesterday"),
        (column("TIMESTAMP(6)"), datetime(2025, 1, 1, tzinfo=timezone.utc)),
        (column("VARCHAR2", length=5), 7),
        (column("RAW", length=2), "zz"),
    ],
)
def test_a_key_that_the_column_cannot_hold_is_named(described: SourceColumn, value: object) -> None:
    with pytest.raises(SourceUnavailable) as failure:
        described.bind_value(value)
    assert str(failure.value).startswith(f"{value!r} cannot be looked up in the source's column C, which is ")
    assert described.declared in str(failure.value)


@pytest.mark.parametrize(
    ("described", "dbapi_type"),
    [
        # A generic DateTime would be bound as DATE, and cut off the fraction of the window's bounds.
        (column("TIMESTAMP(6)"), oracledb.DB_TYPE_TIMESTAMP),
        (column("DATE"), oracledb.DATETIME),
        # Bound as VARCHAR2, 'ab' would not equal CHAR(5) 'ab   '.
        (column("CHAR", length=5), oracledb.DB_TYPE_CHAR),
        (column("NVARCHAR2", length=5), oracledb.DB_TYPE_NVARCHAR),
        (column("RAW", length=5), oracledb.DB_TYPE_RAW),
    ],
)
def test_oracle_is_told_the_types_of_binds(described: SourceColumn, dbapi_type: object) -> None:
    driver: Any = oracledb
    dialect: Any = OracleDialect_oracledb(dbapi=driver)
    bound = described.bind_type.dialect_impl(dialect).get_dbapi_type(driver)
    assert bound is dbapi_type
    assert bound in dialect.include_set_input_sizes


def test_a_type_that_has_a_canonical_text_can_be_bound_and_no_other() -> None:
    assert {name for name, one in ORACLE_TYPES.items() if (one.kind is None) != (one.bind is None)} == set()
    assert {one.bind for one in ORACLE_TYPES.values()} - {None} == set(BIND_TYPES)


def test_oracles_types_are_listed_in_one_place() -> None:
    package = Path(oracle_types.__file__).parents[1]
    # Examples of error messages name types, too.
    apart = {"local", "errors"}
    files = [path for path in package.rglob("*.py") if not apart & set(path.relative_to(package).parts)]
    spelled = re.compile(rf"[\"']({'|'.join(map(re.escape, ORACLE_TYPES))})[\"']")
    lists = {path.name for path in files if spelled.search(path.read_text(encoding="utf-8"))}
    assert lists == {"oracle_types.py"}


@pytest.mark.parametrize(
    ("described", "decimals"),
    [
        (column("NUMBER", precision=10, scale=2), 2),
        (column("NUMBER", scale=0), 0),
        (column("NUMBER"), 10),
        (replace(column("NUMBER"), delivery=Delivery(number_scale=4)), 4),
        (replace(column("NUMBER"), delivery=Delivery(number_scale=-2)), 0),
    ],
)
def test_the_decimals_of_a_bare_number_are_those_that_dms_delivers(described: SourceColumn, decimals: int) -> None:
    assert described.decimals == decimals
