"""A row that is not found by its key counts as deleted only if the source finds other rows by production's keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from reload_assets.errors import ConfigError, ReloadRefused
from reload_assets.errors.reloads import KeyTextDiffers
from reload_assets.local.oracle import OracleColumn, OracleTable
from reload_assets.local.postgres import PostgresServer
from reload_assets.reload.parts import group_tables
from reload_assets.source.reader import SourceReader
from reload_assets.tables import resolve_group
from reload_assets_tests.integration.confirm_bench import ConfirmBench, confirm_bench
from reload_assets_tests.integration.merge_bench import GROUP, LATER, NOON, UPDATED_AT
from reload_assets_tests.integration.throwaway import throwaway_database

Make = Callable[..., ConfirmBench]
PRODUCTION = "SELECT k::text FROM production.t ORDER BY k"


@pytest.fixture(scope="module")
def databases(postgres: PostgresServer) -> Iterator[tuple[str, str]]:
    with throwaway_database(postgres, "control") as target, throwaway_database(postgres, "control") as source:
        yield target, source


@pytest.fixture
def make(databases: tuple[str, str]) -> Iterator[Make]:
    made: list[Any] = []

    def one(key_type: str, target_type: str, *in_source: Any, more: str = "", **options: Any) -> ConfirmBench:
        table = OracleTable(
            "T",
            [
                OracleColumn("K", key_type, nullable=False),
                OracleColumn("NAME", "VARCHAR2(40)"),
                OracleColumn("UPDATED_AT", "TIMESTAMP(6)"),
            ],
            ["K"],
        )
        ddl = f"CREATE TABLE production.t (k {target_type} PRIMARY KEY, name text, updated_at timestamp); {more}"
        entered = confirm_bench(*databases, ddl, [table], {"t": {**UPDATED_AT, **options}})
        made.append(entered)
        bench: ConfirmBench = entered.__enter__()
        for key in in_source:
            source_has(bench, key)
        return bench

    yield one
    for entered in made:
        entered.__exit__(None, None, None)


def source_has(bench: ConfirmBench, key: Any, name: str = "n", at: str = NOON) -> None:
    bench.source.execute('INSERT INTO "SALES"."T" VALUES (%s, %s, %s)', (key, name, at))


@contextmanager
def refused(bench: ConfirmBench) -> Iterator[None]:
    before = bench.rows(PRODUCTION)
    with pytest.raises(KeyTextDiffers):
        yield
    assert bench.rows(PRODUCTION) == before
    assert bench.audit() == []


@pytest.mark.parametrize("policy", ["report", "delete"])
def test_a_padded_key_in_a_text_column_stops_confirm(make: Make, policy: str) -> None:
    """TrimSpaceInChar=false at the endpoint."""
    bench = make("CHAR(10)", "text", "ab", "cd", orphans=policy)
    reload = bench.merge({"t": [("ab        ", "n", NOON), ("cd        ", "n", NOON)]})
    with refused(bench):
        bench.confirm(reload)


def test_found_keys_of_another_shape_prove_nothing(make: Make) -> None:
    # Those that fill the column have no blanks, and are found.
    whole = [f"abcdefghi{number}" for number in range(10)]
    bench = make("CHAR(10)", "text", "ab", *whole)
    reload = bench.merge({"t": [("ab        ", "n", NOON), *((key, "n", NOON) for key in whole)]})
    with refused(bench):
        bench.confirm(reload)


def test_a_number_is_found_by_what_dms_rounds_it_to(make: Make) -> None:
    bench = make("NUMBER", "numeric", "0.123456789012", "1")
    reload = bench.merge({"t": [("0.1234567890", "n", NOON), ("1", "n", NOON)]})
    confirmed = bench.confirm(reload)
    assert (confirmed.settled, confirmed.corrections) == (True, 0)
    assert bench.rows(PRODUCTION) == [("0.1234567890",), ("1",)]


def test_a_number_that_dms_does_not_round_stops_confirm(make: Make) -> None:
    """NumberDatatypeScale=38 at the endpoint."""
    bench = make("NUMBER", "numeric", "0.123456789012", "1")
    reload = bench.merge({"t": [("0.123456789012", "n", NOON), ("1", "n", NOON)]})
    with refused(bench):
        bench.confirm(reload)


def test_a_reader_that_finds_nothing_by_key_stops_confirm(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = make("NUMBER(9)", "integer", 1, 2)
    reload = bench.merge({"t": [(1, "n", NOON), (2, "n", NOON)]})
    monkeypatch.setattr(SourceReader, "rows_as_text", lambda *given, **named: iter(()))
    with refused(bench):
        bench.confirm(reload)


@pytest.mark.parametrize("key", ["0044-03-15 00:00:00 BC", "4712-01-01 12:00:00 BC"])
def test_a_key_before_christ_is_found(make: Make, key: str) -> None:
    bench = make("DATE", "timestamp", key)
    confirmed = bench.confirm(bench.merge({"t": [(key, "n", NOON)]}))
    assert (confirmed.settled, confirmed.corrections) == (True, 0)


@pytest.mark.parametrize(
    ("key_type", "target_type", "key"),
    [
        ("VARCHAR2(36)", "uuid", "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"),
        ("TIMESTAMP(9)", "timestamp", NOON),
        ("VARCHAR2(9)", "char(9)", "ab"),
    ],
)
def test_a_type_that_changes_keys_is_refused_when_the_reload_opens(
    make: Make, key_type: str, target_type: str, key: str
) -> None:
    bench = make(key_type, target_type, key)
    with (
        bench.made.target.connect() as connection,
        pytest.raises(ConfigError, match=r"reload.yaml: groups.sales.tables.t.key: rows of production.t .*\[key-not-"),
    ):
        resolve_group(group_tables(bench.made.config, GROUP), connection, bench.reader)


# What the control must not stop.


def test_a_purge_since_the_load_is_believed(make: Make) -> None:
    bench = make("VARCHAR2(9)", "text")
    reload = bench.merge({"t": [("a", "n", NOON), ("b c", "n", NOON), ("D", "n", NOON)]})
    confirmed = bench.confirm(reload)
    assert (confirmed.settled, confirmed.corrections) == (True, 3)
    assert bench.rows(PRODUCTION) == []


def test_a_purge_beside_new_rows_is_believed(make: Make) -> None:
    bench = make("NUMBER(9)", "integer", 7, 8, orphans="delete")
    bench.on_production(f"INSERT INTO production.t VALUES (9, 'other', '{NOON}')")
    source_has(bench, 10, "n", LATER)
    confirmed = bench.confirm(bench.merge({"t": [(1, "n", NOON), (2, "m", NOON)]}))
    assert confirmed.settled
    # What production lacked besides is found by the comparison.
    assert bench.rows(PRODUCTION) == [("10",), ("7",), ("8",)]


def test_most_rows_deleted_and_some_found_needs_no_second_opinion(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = make("NUMBER(9)", "integer", *range(10, 60))
    monkeypatch.setattr(SourceReader, "rows_in_window", None)
    reload = bench.merge({"t": [(key, "n", NOON) for key in range(60)]})
    confirmed = bench.confirm(reload)
    assert (confirmed.settled, confirmed.corrections) == (True, 10)


def test_a_row_that_is_inserted_again_while_it_is_looked_for_is_no_proof(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = make("NUMBER(9)", "integer")
    reload = bench.merge({"t": [(1, "n", NOON)]})
    listed = SourceReader.rows_in_window

    def born_again(*given: Any, **named: Any) -> Any:
        if not bench.source.execute('SELECT FROM "SALES"."T"').fetchall():
            source_has(bench, 1, "again", LATER)
        return listed(*given, **named)

    monkeypatch.setattr(SourceReader, "rows_in_window", born_again)
    # CDC inserts it when confirm has deleted ours.
    confirmed = bench.confirm(reload)
    assert confirmed.settled
    assert bench.rows("SELECT k, name FROM production.t") == [(1, "again")]


def test_the_sentence_names_table_key_and_mend(make: Make) -> None:
    bench = make("CHAR(10)", "text", "ab")
    reload = bench.merge({"t": [("ab        ", "n", NOON)]})
    with pytest.raises(ReloadRefused) as caught:
        bench.confirm(reload)
    assert "rows of production.t are not found in the source" in str(caught.value)
    assert "for example (k)=(ab        ) in SALES.T, which has (k)=(ab)" in str(caught.value)
    assert str(caught.value).endswith("then reload the window again. [key-text-differs]")
    with psycopg.connect(bench.made.url) as connection:
        assert connection.execute("SELECT k FROM production.t").fetchall() == [("ab        ",)]
    # Which is what is done: the endpoint trims now, as somebody does with the keys that production has.
    bench.made.ledger.set_confirm_ended(reload.reload_id, "unconfirmed", 1, 0.0, str(caught.value))
    bench.on_production("UPDATE production.t SET k = rtrim(k)")
    confirmed = bench.confirm(bench.merge({"t": [("ab", "n", NOON)]}))
    assert confirmed.settled, confirmed.detail
    assert bench.rows(PRODUCTION) == [("ab",)]
