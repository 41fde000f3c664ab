"""Whatever pair of key types the check lets pass: a key that was loaded is found in the source by production's text.

The stand-in for DMS loads; the keys are read back from production as confirm reads them, and looked up over the source
connection and, without one, by the filter of a DMS task.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import product
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from psycopg import Connection, sql

from reload_assets.canonical.oracle_types import SourceColumn
from reload_assets.canonical.postgres import production_text
from reload_assets.dms.lint import lint_mapping
from reload_assets.dms.mappings import TableLoad, key_mappings
from reload_assets.keys import filter_condition, filter_position, inexact, key_rule
from reload_assets.local.dms import catalog as carried
from reload_assets.local.dms.parsing import parse_rules
from reload_assets.local.dms.rules import SelectionRule
from reload_assets.local.oracle import OracleColumn, OracleTable, create_schema, create_table
from reload_assets.local.postgres import PostgresServer
from reload_assets.postgres.catalog import Column, read_table
from reload_assets.source.reader import SourceReader, source_url
from reload_assets_tests.integration.throwaway import throwaway_database

_integers = st.integers(-(10**9) + 1, 10**9 - 1)
_letters = st.text(
    st.sampled_from(["a", "B", "0", " ", "'", '"', "\\", "%", "_", "!", "\t", "\n", "ä", "\u0301", "😀", ","]),
    min_size=1,
    max_size=6,
)
_bare = st.one_of(
    st.decimals(-(10**25), 10**25, places=12),
    _integers.map(Decimal),
    st.sampled_from(
        ["0", "1E-10", "-0.00000000005", "0.123456789012", "9" * 28, f"-{'9' * 27}.5", "0.12345678905"]
    ).map(Decimal),
)
_days = st.sampled_from(["0001-01-01", "9999-12-31", "2025-02-28", "1582-10-10", "0044-03-15 BC", "4712-01-01 BC"])
_clocks = st.sampled_from(["00:00:00", "23:59:59", "08:00:00"])


def _instants(fractions: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    def written(day: str, clock: str, fraction: str) -> str:
        date, _, era = day.partition(" ")
        return f"{date} {clock}{fraction} {era}".rstrip()

    return st.builds(written, _days, _clocks, fractions)


SOURCES: Mapping[str, st.SearchStrategy[Any]] = {
    "NUMBER(9)": _integers,
    "NUMBER(38,0)": st.integers(-(10**38) + 1, 10**38 - 1),
    "NUMBER(*,0)": _integers,
    "NUMBER(10,2)": st.decimals(-(10**8) + 1, 10**8 - 1, places=2),
    "NUMBER(5,-2)": st.integers(-99999, 99999).map(lambda number: number * 100),
    "NUMBER": _bare,
    "FLOAT(126)": st.just(Decimal("0.5")),
    "BINARY_DOUBLE": st.just(0.5),
    "VARCHAR2(12)": _letters,
    "NVARCHAR2(12)": _letters,
    "CHAR(12)": _letters.filter(lambda text: text.strip(" ") != ""),
    "NCHAR(12)": _letters.filter(lambda text: text.strip(" ") != ""),
    "DATE": _instants(st.just("")),
    "TIMESTAMP(6)": _instants(st.sampled_from(["", ".5", ".000001", ".999999"])),
    "TIMESTAMP(3)": _instants(st.sampled_from(["", ".5", ".001"])),
    "TIMESTAMP(9)": st.just("2025-01-03 12:00:00.123456"),
    "TIMESTAMP(6) WITH TIME ZONE": st.just("2025-01-03 12:00:00+00"),
    "RAW(8)": st.binary(min_size=1, max_size=8),
}
TARGETS = [
    *("smallint", "integer", "bigint", "numeric", "numeric(38,0)", "numeric(38,10)", "numeric(10,2)", "numeric(5,-2)"),
    *("real", "double precision", "boolean"),
    *("text", "varchar(12)", "char(12)", "bpchar", "citext", "uuid", "jsonb", 'text COLLATE "blind"', "color", "name"),
    *("timestamp", "timestamp(0)", "timestamp(3)", "timestamptz", "date", "bytea", "text[]"),
    *("amount", "code", "smaller", "blind_code"),
]
SETUP = """
CREATE SCHEMA production;
-- As the extension does it, and a collation as only ICU has them: neither is in every build.
CREATE TYPE citext;
CREATE FUNCTION citextin(cstring) RETURNS citext AS 'textin' LANGUAGE internal IMMUTABLE STRICT;
CREATE FUNCTION citextout(citext) RETURNS cstring AS 'textout' LANGUAGE internal IMMUTABLE STRICT;
CREATE TYPE citext (INPUT = citextin, OUTPUT = citextout, LIKE = text, CATEGORY = 'S', COLLATABLE = true);
CREATE COLLATION "blind" (provider = libc, locale = 'C');
UPDATE pg_collation SET collisdeterministic = false WHERE collname = 'blind';
CREATE TYPE color AS ENUM ('red', 'blue', ' ', 'a', 'B', '''', 'ä');
CREATE DOMAIN amount AS numeric(38,10) CHECK (VALUE IS NOT NULL);
CREATE DOMAIN code AS text;
CREATE DOMAIN smaller AS amount;
CREATE DOMAIN blind_code AS text COLLATE "blind";
"""
# Every pair that passes; what else there is, is refused.
_WHOLE = {"smallint", "integer", "bigint", "numeric", "numeric(38,0)", "numeric(38,10)", "numeric(10,2)"}
_DOMAINS = {"amount", "smaller"}
PASSING: Mapping[str, set[str]] = {
    "NUMBER(9)": _WHOLE | _DOMAINS,
    "NUMBER(38,0)": _WHOLE | _DOMAINS,
    "NUMBER(*,0)": _WHOLE | _DOMAINS,
    "NUMBER(5,-2)": _WHOLE | _DOMAINS | {"numeric(5,-2)"},
    "NUMBER(10,2)": {"numeric", "numeric(38,10)", "numeric(10,2)"} | _DOMAINS,
    "NUMBER": {"numeric", "numeric(38,10)"} | _DOMAINS,
    "VARCHAR2(12)": {"text", "varchar(12)", "code", "color"},
    "NVARCHAR2(12)": {"text", "varchar(12)", "code", "color"},
    "CHAR(12)": {"text", "varchar(12)", "char(12)", "bpchar", "code"},
    "NCHAR(12)": {"text", "varchar(12)", "char(12)", "bpchar", "code"},
    "DATE": {"timestamp", "timestamp(0)", "timestamp(3)"},
    "TIMESTAMP(6)": {"timestamp"},
    "TIMESTAMP(3)": {"timestamp", "timestamp(3)"},
    "RAW(8)": {"bytea"},
}


@dataclass
class Sides:
    """Each source type has a table of its own there, each production type one in production."""

    source: Connection[Any]
    target: Connection[Any]
    reader: SourceReader
    sources: dict[str, SourceColumn] = field(default_factory=dict)
    as_loaded: dict[str, carried.SourceColumn] = field(default_factory=dict)
    targets: dict[str, Column] = field(default_factory=dict)

    def describe(self) -> None:
        """Read both catalogs once."""
        for source_type in SOURCES:
            name = self.source_table(source_type)
            (self.sources[source_type],) = self.reader.columns(name)
            (self.as_loaded[source_type],) = carried.source_columns(
                self.source, carried.SourceTable("SALES", name, "table")
            )
        for target_type in TARGETS:
            table = read_table(self.target, "production", self.target_table(target_type))
            (self.targets[target_type],) = table.columns

    @staticmethod
    def source_table(source_type: str) -> str:
        return f"S{list(SOURCES).index(source_type)}"

    @staticmethod
    def target_table(target_type: str) -> str:
        return f"t{TARGETS.index(target_type)}"

    def fill(self, source_type: str, values: list[Any]) -> bytes:
        """Put keys into the source. Returns what DMS makes of them, for COPY."""
        place = sql.Identifier("SALES", self.source_table(source_type))
        self.source.execute(sql.SQL("DELETE FROM {}").format(place))
        with self.source.cursor() as cursor:
            insert = sql.SQL("INSERT INTO {} VALUES (%s) ON CONFLICT DO NOTHING").format(place)
            cursor.executemany(insert, [(value,) for value in values])
        read = sql.SQL("COPY (SELECT {} FROM {}) TO STDOUT").format(self.as_loaded[source_type].value(None), place)
        with self.source.cursor().copy(read) as rows:
            return b"".join(rows)

    def load(self, rows: bytes, target_type: str) -> bool:
        """Load keys into production; whether it takes them."""
        target = sql.Identifier("production", self.target_table(target_type))
        try:
            with self.target.transaction():
                self.target.execute(sql.SQL("DELETE FROM {}").format(target))
                with self.target.cursor().copy(sql.SQL("COPY {} FROM STDIN").format(target)) as sink:
                    sink.write(rows)
        except (psycopg.DataError, psycopg.IntegrityError):
            return False
        return True

    def texts(self, source_type: str, target_type: str, *, described: bool) -> set[str]:
        """Production's keys as they are looked up."""
        source = self.sources[source_type] if described else None
        text = production_text("p", "k", key_rule(source, self.targets[target_type]))
        place = sql.Identifier("production", self.target_table(target_type))
        query = sql.SQL("SELECT {} FROM {} AS p").format(text, place)
        return {str(key) for (key,) in self.target.execute(query)}

    def found_by_filter(self, source_type: str, target_type: str, keys: set[str]) -> int:
        """How many of the source's rows a DMS filter on these keys loads."""
        name = self.source_table(source_type)
        load = TableLoad("SALES", name, "K", "staging", name.lower())
        conditions = [filter_condition(self.targets[target_type], key) for key in sorted(keys)]
        mapping = key_mappings([(load, "K", conditions)])
        assert lint_mapping(mapping) == []
        rules = parse_rules(json.dumps(mapping))
        (selection,) = [rule for rule in rules if isinstance(rule, SelectionRule)]
        (condition,) = [one.condition() for one in selection.filters]
        query = sql.SQL("SELECT count(*) FROM {} WHERE {}").format(sql.Identifier("SALES", name), condition)
        ((rows,),) = self.source.execute(query).fetchall()
        return int(rows)


@pytest.fixture(scope="module")
def sides(postgres: PostgresServer) -> Iterator[Sides]:
    with (
        throwaway_database(postgres, "key_source") as source_place,
        throwaway_database(postgres, "key_target") as target_place,
        psycopg.connect(source_place, autocommit=True) as source,
        psycopg.connect(target_place, autocommit=True) as target,
    ):
        create_schema(source, "SALES")
        for source_type in SOURCES:
            column = OracleColumn("K", source_type, nullable=False)
            create_table(source, "SALES", OracleTable(Sides.source_table(source_type), [column], ["K"]))
        target.execute(SETUP)
        for target_type in TARGETS:
            target.execute(f"CREATE TABLE production.{Sides.target_table(target_type)} (k {target_type})".encode())
        info = source.info
        url = source_url(
            "postgresql",
            host=info.host,
            port=info.port,
            database=info.dbname,
            user=info.user,
            password=info.password,
        )
        with SourceReader(url, "SALES") as reader:
            made = Sides(source, target, reader)
            made.describe()
            yield made


def why_not(sides: Sides, source_type: str, target_type: str) -> str | None:
    return inexact(sides.sources[source_type], sides.targets[target_type])


def test_only_these_pairs_of_types_pass(sides: Sides) -> None:
    passing: dict[str, set[str]] = {}
    for source_type, target_type in product(SOURCES, TARGETS):
        why = why_not(sides, source_type, target_type)
        if why is None:
            passing.setdefault(source_type, set()).add(target_type)
        else:
            assert why.startswith("K is ")
    assert passing == PASSING


@pytest.mark.parametrize(
    ("source_type", "target_type", "why"),
    [
        ("VARCHAR2(12)", "uuid", "whose text does not keep the case and the hyphens that the source wrote"),
        ("VARCHAR2(12)", "citext", "for which texts of different case are equal"),
        ("VARCHAR2(12)", 'text COLLATE "blind"', "whose collation holds different texts for equal"),
        ("VARCHAR2(12)", "blind_code", "whose collation holds different texts for equal"),
        ("VARCHAR2(12)", "char(12)", "which pads its values"),
        ("NUMBER", "numeric(10,2)", "which rounds it to 2 decimals"),
        ("NUMBER(10,2)", "integer", "which rounds it to 0 decimals"),
        ("TIMESTAMP(9)", "timestamp", "which rounds it to microseconds"),
        ("TIMESTAMP(6)", "timestamp(3)", "which rounds it to 3 digits of a second's fraction"),
        ("DATE", "date", "which drops the time of day"),
        ("FLOAT(126)", "numeric", "and DMS rounds it to 15 digits"),
    ],
)
def test_a_refused_pair_is_told_with_the_reason(sides: Sides, source_type: str, target_type: str, why: str) -> None:
    found = why_not(sides, source_type, target_type)
    assert found is not None
    assert found.endswith(why)


def _is_literal(value: Any) -> bool:
    """Whether a DMS filter can write the value: no time before Christ, nor the last second of all."""
    return not str(value).endswith(" BC") and not str(value).startswith("9999-12-31 23:59:59")


_examples = settings(
    max_examples=12,
    derandomize=True,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.mark.parametrize("source_type", PASSING)
def test_a_loaded_key_is_found_over_the_connection(sides: Sides, source_type: str) -> None:
    taken = set()

    @_examples
    @given(st.lists(SOURCES[source_type], min_size=1, max_size=8))
    def found(values: list[Any]) -> None:
        rows = sides.fill(source_type, values)
        for target_type in sorted(PASSING[source_type]):
            if not sides.load(rows, target_type):
                continue
            taken.add(target_type)
            keys = sides.texts(source_type, target_type, described=True)
            read = sides.reader.rows_as_text(sides.source_table(source_type), ["K"], ["K"], [(key,) for key in keys])
            assert {key for (key,) in read} == keys

    found()
    assert taken >= PASSING[source_type] - {"smallint", "color", "numeric(10,2)", "integer", "bigint"}


@pytest.mark.parametrize("source_type", [name for name in PASSING if name not in ("NUMBER", "RAW(8)")])
def test_a_loaded_key_is_found_by_a_filter(sides: Sides, source_type: str) -> None:
    taken = set()

    @_examples
    @given(st.lists(SOURCES[source_type].filter(_is_literal), min_size=1, max_size=8))
    def found(values: list[Any]) -> None:
        rows = sides.fill(source_type, values)
        for target_type in sorted(PASSING[source_type]):
            if filter_position([sides.targets[target_type]]) is None or not sides.load(rows, target_type):
                continue
            taken.add(target_type)
            for described in (False, True):
                keys = sides.texts(source_type, target_type, described=described)
                assert sides.found_by_filter(source_type, target_type, keys) == rows.count(b"\n")

    found()
    assert taken


def test_what_oracle_cannot_hold_is_not_there(sides: Sides) -> None:
    for source_type, keys in (
        ("NUMBER", ["NaN", "Infinity", "-Infinity", "1"]),
        ("DATE", ["infinity", "-infinity", "10000-01-01 00:00:00.000000", "2025-01-01 00:00:00.000000"]),
    ):
        assert sides.load(sides.fill(source_type, []), "numeric" if source_type == "NUMBER" else "timestamp")
        read = sides.reader.rows_as_text(sides.source_table(source_type), ["K"], ["K"], [(key,) for key in keys])
        assert list(read) == []
