"""Ordinary pairs of types, from load to confirm: values arrive, misfits are named, and losses need consent."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from reload_assets.compare.window import compare_contents
from reload_assets.errors import ConfigError
from reload_assets.local.oracle import OracleColumn, OracleTable
from reload_assets.local.postgres import PostgresServer
from reload_assets.verify.script import verify_script
from reload_assets_tests.integration.reload_bench import WINDOW, ReloadBench, reload_bench
from reload_assets_tests.roles import psql

ZONE = ZoneInfo("Europe/Zurich")
Databases = Callable[[str], str]

# By column: the source's type, production's, what of it is accepted, a value in the source, and it in production.
PAIRS: Mapping[str, tuple[str, str, str, str, str]] = {
    "n10": ("NUMBER(10)", "integer", "", "2000000000", "2000000000"),
    "n19": ("NUMBER(19)", "bigint", "", "9000000000000000000", "9000000000000000000"),
    "n5": ("NUMBER(5)", "smallint", "", "-32768", "-32768"),
    "bare": ("NUMBER", "bigint", "", "7", "7"),
    "flag": ("NUMBER(1)", "boolean", "", "1", "true"),
    "num": ("NUMBER(10)", "varchar(20)", "", "-12", "-12"),
    "amount": ("NUMBER(12,4)", "numeric(10,2)", "decimals", "1.2350", "1.24"),
    "whole": ("NUMBER(10,2)", "integer", "decimals", "2.5", "3"),
    "rough": ("NUMBER(20)", "double precision", "digits", "12345678901234567890", "1.2345678901234567e+19"),
    "day": ("DATE", "date", "time of day", "2025-01-03 13:14:15", "2025-01-03"),
    "at": ("TIMESTAMP(6)", "timestamptz", "time zone", "2025-07-03 13:14:15.5", "2025-07-03 11:14:15.5+00"),
    "short": ("TIMESTAMP(6)", "timestamp(0)", "fractions", "2025-01-03 13:14:15.5", "2025-01-03 13:14:16"),
    "doc": ("CLOB", "varchar(20)", "", "a document", "a document"),
    "note": ("VARCHAR2(100)", "varchar(10)", "", "a note", "a note"),
    "code": ("VARCHAR2(5)", "char(5)", "trailing blanks", "ab ", "ab"),
    "digits": ("VARCHAR2(9)", "integer", "spelling", "007", "7"),
    "truth": ("CHAR(1)", "boolean", "", "Y", "true"),
    "tag": ("RAW(16)", "uuid", "", r"\x00112233445566778899AABBCCDDEEFF", "00112233-4455-6677-8899-aabbccddeeff"),
    "guid": (
        "VARCHAR2(36)",
        "uuid",
        "",
        "0A1B2C3D-4E5F-6071-8293-A4B5C6D7E8F9",
        "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9",
    ),
    "address": ("VARCHAR2(40)", "inet", "", "10.0.0.1", "10.0.0.1/32"),
}
# Of the same columns: a value that production's type refuses.
MISFITS = {
    "n10": "3000000000",
    "n19": "9300000000000000000",
    "n5": "32768",
    "bare": "1.5",
    "flag": "2",
    "amount": "99999999.9999",
    "doc": "a document that is longer",
    "note": "a longer note",
    "digits": "x",
    "truth": "?",
    "tag": r"\x0011",
    "guid": "not a uuid",
}


def source_table(columns: Mapping[str, tuple[str, ...]] = PAIRS) -> OracleTable:
    return OracleTable(
        "THINGS",
        [
            OracleColumn("ID", "NUMBER(10)", nullable=False),
            *(OracleColumn(name.upper(), one[0]) for name, one in columns.items()),
            OracleColumn("UPDATED_AT", "TIMESTAMP(6)"),
        ],
        ["ID"],
    )


def production(columns: Mapping[str, tuple[str, ...]] = PAIRS) -> str:
    declared = ", ".join(f"{name} {one[1]}" for name, one in columns.items())
    return f"CREATE TABLE production.things (id integer PRIMARY KEY, {declared}, updated_at timestamp)"


def options(columns: Mapping[str, tuple[str, ...]] = PAIRS) -> dict[str, Any]:
    accept = {name: one[2] for name, one in columns.items() if one[2]}
    return {"things": {"window_column": "updated_at", "accept": accept}}


@contextmanager
def opened(
    new_database: Databases, columns: Mapping[str, tuple[str, ...]] = PAIRS, **others: Any
) -> Iterator[ReloadBench]:
    tables = [source_table(columns)]
    with reload_bench(
        new_database, tables, production(columns), options(columns), time_zone=ZONE.key, **others
    ) as bench:
        yield bench


def insert(bench: ReloadBench, number: int, values: Mapping[str, str]) -> None:
    """A row of the source; columns without a value are NULL."""
    names = "".join(f', "{name.upper()}"' for name in values)
    written = "".join(f", '{value}'" for value in values.values())
    bench.on_source(
        f'INSERT INTO "SALES"."THINGS" ("ID"{names}, "UPDATED_AT") VALUES ({number}{written}, \'2025-01-03 12:00\')'
    )


def in_production(bench: ReloadBench, number: int) -> dict[str, str | None]:
    names = list(PAIRS)
    ((*row,),) = bench.on_production(
        f"SELECT {', '.join(f'{name}::text' for name in names)} FROM production.things WHERE id = {number}"
    )
    return dict(zip(names, row, strict=True))


SOURCE = {name: one[3] for name, one in PAIRS.items()}
PRODUCTION = {name: one[4] for name, one in PAIRS.items()}


# These have no text that both sides share.
LEFT_OUT = {"rough", "doc", "digits", "truth", "address"}


def compared(bench: ReloadBench) -> Any:
    (table,) = bench.tables()
    with bench.reader() as reader:
        return compare_contents(bench.target, table, WINDOW.in_zone(bench.config.source.zone), reader, bench.cdc)


def test_every_pair_is_loaded_merged_confirmed_and_compared(new_database: Databases) -> None:
    names = [name for name in PAIRS if name not in LEFT_OUT]
    numbers = range(1, len(names) + 1)
    with opened(new_database) as bench:
        insert(bench, 0, {})
        for number in numbers:
            insert(bench, number, SOURCE)
        bench.drain()
        bench.on_production("DELETE FROM production.things")
        reload = bench.stage()
        outcome = bench.check_types(reload)
        assert outcome.status == "passed", outcome.detail
        assert f"{len(names)} values of amount lost decimals, as accepted" in outcome.detail
        bench.merge(reload)
        assert in_production(bench, 1) == PRODUCTION
        assert in_production(bench, 0) == dict.fromkeys(PAIRS)

        bench.on_production("DELETE FROM production.things WHERE id = 1")
        wrong = ", ".join(f"{name} = NULL" for name in PAIRS)
        bench.on_production(f"UPDATE production.things SET {wrong} WHERE id = 2")
        assert bench.confirm(reload).settled
        assert in_production(bench, 1) == in_production(bench, 2) == PRODUCTION

        found = compared(bench)
        assert found.counts == {"same": len(names) + 1}
        assert {name.lower() for name in found.left_out} == LEFT_OUT

        # A wrong value is seen in each pair.
        for number, name in zip(numbers, names, strict=True):
            bench.on_production(f"UPDATE production.things SET {name} = NULL WHERE id = {number}")
        assert compared(bench).counts == {"same": 1, "content": len(names)}


def test_rows_that_dms_reads_again_are_converted_as_well(new_database: Databases) -> None:
    # No connection reads a time with a zone as DMS does.
    columns = {**PAIRS, "moment": ("TIMESTAMP(6) WITH TIME ZONE", "timestamptz", "", "", "")}
    with opened(new_database, columns) as bench:
        insert(bench, 1, SOURCE)
        insert(bench, 2, {})
        bench.drain()
        bench.on_production("DELETE FROM production.things")
        reload = bench.stage()
        bench.merge(reload)
        bench.on_production("DELETE FROM production.things WHERE id = 1")
        assert bench.confirm(reload).settled
        assert any("read again by a DMS task" in line for line in bench.said)
        assert in_production(bench, 1) == PRODUCTION


def test_values_that_production_refuses_are_counted_and_named_and_nothing_is_merged(
    new_database: Databases, postgres: PostgresServer
) -> None:
    with opened(new_database) as bench:
        insert(bench, 1, SOURCE)
        insert(bench, 7, MISFITS)
        reload = bench.stage()
        outcome = bench.check_types(reload)
        assert outcome.status == "failed"
        for name in MISFITS:
            declared = {"varchar(20)": "character varying(20)", "varchar(10)": "character varying(10)"}
            held = declared.get(PAIRS[name][1], PAIRS[name][1])
            assert f"1 value of {name} that {held} cannot hold (id 7)" in outcome.detail
        assert outcome.facts["misfits"] == len(MISFITS)

        (table,) = bench.resolved(reload)
        staged = bench.ledger.tables(reload.reload_id)["things"]
        printed = psql(postgres, bench.target_url, verify_script(reload, table, staged, ZONE, 1))
        assert printed.count("{7}") == len(MISFITS)


def test_losses_are_refused_before_the_load_until_they_are_accepted(new_database: Databases) -> None:
    # That they are accepted then, the tests above show.
    with (
        opened(new_database, {name: (one[0], one[1], "") for name, one in PAIRS.items()}) as bench,
        pytest.raises(ConfigError, match=r"\[types-lose\]") as caught,
    ):
        bench.stage()
    each = r" and (\w+) is (?:(?!, which).)*, which would lose (?:(?!, which).)* \(accept: ([\w ]+)\)"
    refused = dict(re.findall(each, str(caught.value)))
    assert refused == {name: one[2] for name, one in PAIRS.items() if one[2]}


def test_a_consent_to_nothing_is_refused(new_database: Databases) -> None:
    with (
        opened(new_database, {"n10": ("NUMBER(10)", "integer", "decimals")}) as bench,
        pytest.raises(ConfigError, match=r"n10 of production.things does not lose decimals .*\[accepted-not-lost\]"),
    ):
        bench.tables()


def test_a_uuid_that_the_source_holds_as_bytes_is_a_key(new_database: Databases) -> None:
    keyed = OracleTable(
        "THINGS",
        [
            OracleColumn("ID", "RAW(16)", nullable=False),
            OracleColumn("NOTE", "VARCHAR2(10)"),
            OracleColumn("UPDATED_AT", "TIMESTAMP(6)"),
        ],
        ["ID"],
    )
    ddl = "CREATE TABLE production.things (id uuid PRIMARY KEY, note varchar(10), updated_at timestamp)"
    tables = {"things": {"window_column": "updated_at", "orphans": "delete"}}
    one, two, three = (f"{number:032X}" for number in (10, 11, 12))
    with reload_bench(new_database, [keyed], ddl, tables) as bench:
        # CDC writes the bytes as they are, which production refuses: the rows are missing there.
        bench.on_source(
            f"""INSERT INTO "SALES"."THINGS" VALUES ('\\x{one}', 'new', '2025-01-03 12:00'), """
            f"""('\\x{two}', 'new', '2025-01-03 12:00')"""
        )
        bench.drain()
        bench.on_production(
            "DELETE FROM production.things;"
            f"INSERT INTO production.things VALUES ('{one}', 'old', '2025-01-03 11:00'), "
            f"('{three}', 'gone', '2025-01-03 11:00')"
        )
        reload = bench.stage()
        bench.merge(reload)
        assert bench.confirm(reload).settled
        found = bench.on_production("SELECT replace(upper(id::text), '-', ''), note FROM production.things ORDER BY id")
        assert found == [(one, "new"), (two, "new")]
        assert compared(bench).counts == {"same": 2}


def test_no_consent_lets_a_window_column_lose_anything(new_database: Databases) -> None:
    ddl = "CREATE TABLE production.things (id integer PRIMARY KEY, updated_at timestamp(0))"
    tables = {"things": {"window_column": "updated_at", "accept": {"updated_at": "fractions"}}}
    with (
        reload_bench(new_database, [source_table({})], ddl, tables) as bench,
        pytest.raises(ConfigError, match=r"rounds TIMESTAMP\(6\) to 0 digits"),
    ):
        bench.tables()
