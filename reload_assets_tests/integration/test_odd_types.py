"""Pairs of types whose values only PostgreSQL itself can judge: domains, money, enums, and times that are texts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from reload_assets.local.oracle import OracleColumn, OracleTable
from reload_assets_tests.integration.reload_bench import ReloadBench, reload_bench

ZONE = ZoneInfo("Europe/Zurich")
Databases = Callable[[str], str]
Lost = str | list[str] | None

# By column: the source's type, production's, what of it is accepted, a value in the source, and it in production, and a
# value that production refuses.
PAIRS: Mapping[str, tuple[str, str, Lost, str, str, str | None]] = {
    "age": ("NUMBER(3)", "production.age", None, "30", "30", "200"),
    "code": ("VARCHAR2(10)", "production.code", None, "ABC", "ABC", "abc"),
    "must": ("VARCHAR2(10)", "production.must", None, "here", "here", "-"),
    "price": ("NUMBER(10,2)", "money", None, "12.50", "$12.50", None),
    "cents": ("NUMBER(12,4)", "money", "decimals", "0.0150", "$0.02", None),
    "born": ("VARCHAR2(20)", "date", "spelling", "2025-02-03", "2025-02-03", "03.02.2025"),
    "at": (
        "VARCHAR2(40)",
        "timestamptz",
        "spelling",
        "2025-02-03 10:00:00+01",
        "2025-02-03 09:00:00+00",
        "2025-02-03 10:00",
    ),
    "seen": (
        "TIMESTAMP(6)",
        "timestamptz(0)",
        ["time zone", "fractions"],
        "2025-07-03 13:14:15.7",
        "2025-07-03 11:14:16+00",
        None,
    ),
    "label": ("VARCHAR2(80)", "name", None, "a label", "a label", "x" * 70),
    "mood": ("VARCHAR2(5)", "production.mood", None, "calm", "calm", "angry"),
    "net": ("VARCHAR2(40)", "cidr", None, "10.0.0.0/8", "10.0.0.0/8", "10.0.0.1/8"),
    "doc": ("CLOB", "jsonb", None, '{"a": 1}', '{"a": 1}', "nope"),
    "tags": ("VARCHAR2(40)", "text[]", None, "{a,b}", "{a,b}", "{a"),
}
DOMAINS = """
CREATE DOMAIN production.age AS integer CHECK (VALUE BETWEEN 0 AND 150);
CREATE DOMAIN production.code AS varchar(10) CHECK (VALUE ~ '^[A-Z]+$');
CREATE DOMAIN production.must AS text CHECK (VALUE <> '-');
CREATE TYPE production.mood AS ENUM ('calm', 'loud');
"""


@contextmanager
def opened(new_database: Databases) -> Iterator[ReloadBench]:
    columns = [OracleColumn(name.upper(), one[0]) for name, one in PAIRS.items()]
    source = OracleTable(
        "THINGS",
        [OracleColumn("ID", "NUMBER(10)", nullable=False), *columns, OracleColumn("UPDATED_AT", "TIMESTAMP(6)")],
        ["ID"],
    )
    declared = ", ".join(f"{name} {one[1]}" for name, one in PAIRS.items())
    ddl = f"{DOMAINS} CREATE TABLE production.things (id integer PRIMARY KEY, {declared}, updated_at timestamp)"
    accept = {name: one[2] for name, one in PAIRS.items() if one[2]}
    tables = {"things": {"window_column": "updated_at", "accept": accept}}
    with reload_bench(new_database, [source], ddl, tables, time_zone=ZONE.key) as bench:
        yield bench


def insert(bench: ReloadBench, number: int, values: Mapping[str, str]) -> None:
    names = "".join(f', "{name.upper()}"' for name in values)
    written = "".join(f", '{value}'" for value in values.values())
    bench.on_source(
        f'INSERT INTO "SALES"."THINGS" ("ID"{names}, "UPDATED_AT") VALUES ({number}{written}, \'2025-01-03 12:00\')'
    )


def in_production(bench: ReloadBench, number: int) -> dict[str, Any]:
    names = ", ".join(f"{name}::text" for name in PAIRS)
    bench.on_production("SET TimeZone TO 'UTC'")
    ((*row,),) = bench.on_production(f"SELECT {names} FROM production.things WHERE id = {number}")
    return dict(zip(PAIRS, row, strict=True))


@pytest.fixture
def bench(new_database: Databases) -> Iterator[ReloadBench]:
    with opened(new_database) as made:
        yield made


def test_each_pair_is_loaded_merged_and_confirmed_and_what_does_not_fit_is_named(bench: ReloadBench) -> None:
    for number in (1, 2):
        insert(bench, number, {name: one[3] for name, one in PAIRS.items()})
    insert(bench, 3, {})
    bench.drain()
    bench.on_production("DELETE FROM production.things")
    reload = bench.stage()
    bench.merge(reload)
    expected = {name: one[4] for name, one in PAIRS.items()}
    assert in_production(bench, 1) == expected
    assert in_production(bench, 3) == dict.fromkeys(PAIRS)
    # Confirm brings a row that is missing, and one that is wrong.
    bench.on_production("DELETE FROM production.things WHERE id = 1")
    bench.on_production("UPDATE production.things SET age = NULL, born = NULL, price = NULL, mood = NULL WHERE id = 2")
    assert bench.confirm(reload).settled
    assert in_production(bench, 1) == in_production(bench, 2) == expected

    misfits = {name: one[5] for name, one in PAIRS.items() if one[5] is not None}
    insert(bench, 7, misfits)
    reload = bench.stage()
    outcome = bench.check_types(reload)
    assert outcome.status == "failed"
    assert {name for name in misfits if f"1 value of {name} that " in outcome.detail} == misfits.keys(), outcome.detail
    assert outcome.detail.count("(id 7)") == len(misfits)
