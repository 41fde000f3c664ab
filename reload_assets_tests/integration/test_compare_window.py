"""Production's content against the source's: what DMS makes of a value is equal to it, and nothing else is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from psycopg import sql

from reload_assets.compare.by_key import compare_keys
from reload_assets.compare.window import Contents, compare_contents
from reload_assets.local import sales
from reload_assets.local.postgres import PostgresServer
from reload_assets.reload.parts import group_tables
from reload_assets.source.reader import SourceReader
from reload_assets.tables import resolve_group
from reload_assets.verify.outcome import CheckOutcome
from reload_assets.verify.window_matches_source import _WORDS, compare_with_source
from reload_assets_tests.integration.compare_rig import (
    COMPARED,
    DAY,
    ROWS,
    VALUES,
    WINDOW,
    Both,
    Row,
    base_row,
    by_dms,
    made,
)
from reload_assets_tests.integration.confirm_bench import ScriptedCdc
from reload_assets_tests.integration.staged import config
from reload_assets_tests.integration.throwaway import throwaway_database


@pytest.fixture(scope="module")
def both(postgres: PostgresServer) -> Iterator[Both]:
    with throwaway_database(postgres, "hostile_source") as source, throwaway_database(postgres, "hostile") as target:
        yield from made(source, target)


# An example fills two tables; a failing one is not made smaller, which would take minutes.
hostile = settings(
    max_examples=30,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.generate],
)


@hostile
@given(rows=ROWS)
def test_hazards_21_to_25_what_dms_makes_of_the_rows_is_equal(both: Both, rows: list[Row]) -> None:
    both.fill(rows)
    found = both.compare()
    assert (found.equal, found.segments_differing, found.counts["same"]) == (True, 0, len(rows))
    # As production may have it: '' for NULL, padding, trailing zeros.
    both.target.execute(
        "UPDATE production.hostile SET name = coalesce(name, ''), note = coalesce(note, ''), "
        "wide = coalesce(wide, ''), tag = coalesce(tag, ''), code = code || '  ', money = money + 0.0000"
    )
    assert both.compare().segments_differing == 0


def test_of_selected_keys_each_row_is_compared_and_no_other(both: Both) -> None:
    both.fill([base_row(number, name="right") for number in (1, 2, 3, 4, 6)])
    both.set("name", "wrong", 2)
    both.set("name", "wrong", 6)
    both.target.execute("DELETE FROM production.hostile WHERE id = 3")
    both.source.execute('DELETE FROM "SALES"."HOSTILE" WHERE "ID" = 4')

    def compared(*numbers: int) -> Contents:
        keys = [(str(number), "a") for number in numbers]
        selected = (sql.SQL("({}::numeric, {})").format(*map(sql.Literal, key)) for key in keys)
        values = sql.SQL("VALUES {}").format(sql.SQL(", ").join(selected))
        return compare_keys(both.target, both.table, keys, values, both.reader)

    found = compared(1, 2, 3, 4, 5)
    assert {outcome: count for outcome, count in found.counts.items() if count} == {
        "same": 1,
        "content": 1,
        "missing": 1,
        "extra": 1,
    }
    assert (found.equal, found.looked_up, found.gone) == (False, 1, 1)
    assert "2" in str(found.some["content"])
    both.set("name", "right", 2)
    found = compared(1, 2, 5)
    assert (found.equal, found.counts["same"]) == (True, 2)


@hostile
@given(rows=ROWS, data=st.data())
def test_hazards_21_to_25_any_other_value_is_found_and_its_key_is_named(
    both: Both, rows: list[Row], data: st.DataObject
) -> None:
    both.fill(rows)
    row = data.draw(st.sampled_from(rows))
    column = data.draw(st.sampled_from(COMPARED))
    was = by_dms(row)[column]
    other = data.draw(
        VALUES[column].map(lambda value: by_dms({**row, column: value})[column]).filter(lambda value: value != was)
    )
    both.set(column, other, row["id"])
    found = both.compare()
    key = f"{row['id']}, {by_dms(row)['code']}"
    assert (found.counts.get("content"), found.some["content"]) == (1, [key])
    assert (found.segments_differing, found.counts["same"]) == (1, len(rows) - 1)


@pytest.mark.parametrize(
    ("there", "here"),
    [
        (("a|b", "c"), ("a", "b|c")),
        (("a", None), (None, "a")),
        (("a", "bc"), ("ab", "c")),
        (("a|b", "c"), ("a~", "b|c")),
        (("a~|b", "c"), ("a~", "b|c")),
        (("a~", "|c"), ("a~|", "c")),
        (("|", None), (None, "|")),
        (("~", "~"), ("~~", None)),
    ],
)
def test_values_that_moved_to_the_next_column_are_no_equals(
    both: Both, there: Sequence[Any], here: Sequence[Any]
) -> None:
    source, production = (base_row(1, name=pair[0], note=pair[1]) for pair in (there, here))
    both.fill([])
    both.source_has(source)
    both.production_has(production)
    assert both.compare().counts["content"] == 1


@pytest.mark.parametrize(
    ("column", "there", "here"),
    [
        ("name", "Caf\u00e9", "Cafe\u0301"),
        ("name", "a", "A"),
        ("name", " ", None),
        ("name", "a ", "a"),
        ("wide", "x" * 4000, "x" * 3999 + "y"),
        ("day", "0044-03-15 BC", "0044-03-15"),
        ("stamp", "2025-01-01 00:00:00.999999", "2025-01-01 00:00:01"),
        ("stamp", None, "infinity"),
        ("plain", Decimal("0.0000000001"), Decimal(0)),
        ("tag", b"\x00", b"0"),
    ],
)
def test_values_that_look_alike_are_no_equals(both: Both, column: str, there: Any, here: Any) -> None:
    both.fill([])
    both.source_has(base_row(1, **{column: there}))
    both.production_has(base_row(1, **{column: here}))
    found = both.compare()
    assert (found.counts["content"], found.some["content"]) == (1, ["1, a"])


def test_a_changed_key_and_a_changed_version_are_told_apart_from_content(both: Both) -> None:
    both.fill([base_row(number) for number in range(1, 5)])
    both.set("id", 9, 1)
    both.set("updated_at", DAY - timedelta(microseconds=1), 2)
    both.set("updated_at", DAY + timedelta(microseconds=1), 3)
    found = both.compare()
    counts = {outcome: count for outcome, count in found.counts.items() if count}
    assert counts == {"missing": 1, "extra": 1, "other": 1, "newer": 1, "same": 1}


@pytest.mark.parametrize(
    ("there", "here", "outcome"),
    [
        ("0044-03-15 BC", "0043-03-15 BC", "later"),
        ("0044-03-15 BC", "0045-03-15 BC", "other"),
        ("0044-03-15", "0045-03-15 BC", "other"),
        ("0044-03-15 BC", "0001-01-01", "later"),
        ("0044-03-15 BC", "0044-03-15 BC", "same"),
    ],
)
def test_hazard_25_versions_before_christ_are_in_order(both: Both, there: str, here: str, outcome: str) -> None:
    both.fill([])
    both.source_has(base_row(1, day=there))
    both.production_has(base_row(1, day=here, name="" if outcome == "same" else "other"))
    versioned = config("hostile: {window_column: updated_at, version_column: day}")
    (table,) = resolve_group(group_tables(versioned, "sales"), both.target, both.reader)
    assert replace(both, table=table).compare().counts[outcome] == 1


def test_columns_that_cannot_be_compared_are_named(both: Both) -> None:
    both.fill([base_row(1)])
    for column, value in (("body", "other"), ("rate", 1.5)):
        both.set(column, value, 1)
    outcome = compare_with_source("window_matches_source", both.target, both.table, WINDOW, both.reader, None)
    left_out = "BODY (CLOB), RATE (FLOAT(126))"
    assert outcome.facts["not_compared"] == left_out
    assert outcome.detail == (
        "The window of production.hostile has the keys, versions and content of the source's 1 row, except "
        f"{left_out}, which cannot be compared."
    )
    both.set("name", "other", 1)
    outcome = compare_with_source("window_matches_source", both.target, both.table, WINDOW, both.reader, None)
    assert (outcome.status, outcome.facts["content"]) == ("failed", 1)
    assert "1 row of the same version and other content in production ((id, code) (1, a))" in outcome.detail


@pytest.mark.parametrize(
    ("policy", "left", "repairing", "outcome"),
    [
        ("equal_version: skip", {"name": "other"}, "equal_version: repair", "content"),
        ("null_version: report", {"day": None}, "null_version: repair", "unversioned"),
        ("orphans: report", None, "orphans: delete", "extra"),
    ],
)
def test_what_a_policy_leaves_is_told_apart_from_what_a_reload_would_fix(
    both: Both, policy: str, left: dict[str, Any] | None, repairing: str, outcome: str
) -> None:
    both.fill([base_row(number, day=DAY) for number in (1, 2)])
    if left is None:
        both.production_has(base_row(3, day=DAY))
    else:
        both.set(*next(iter(left.items())), 1)

    def compare(written: str) -> CheckOutcome:
        text = f"hostile: {{window_column: updated_at, version_column: day, {written}}}"
        (table,) = resolve_group(group_tables(config(text), "sales"), both.target, both.reader)
        return compare_with_source("window_matches_source", both.target, table, WINDOW, both.reader, None)

    found = compare(policy)
    assert (found.status, found.facts[f"{outcome}_left"]) == ("passed", 1)
    assert f"the table's policies leave 1 row {_WORDS[outcome]}" in found.detail
    assert f"({policy})" in found.detail
    assert compare(repairing).status == "failed"
    both.set("money", Decimal(7), 2)
    assert compare(policy).status == ("passed" if policy == "equal_version: skip" else "failed")
    both.set("day", DAY - timedelta(days=1), 2)
    assert compare(policy).status == "failed"


def test_only_rows_of_segments_that_differ_are_read(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    both.fill([base_row(minute, updated_at=DAY + timedelta(minutes=minute)) for minute in range(0, 1440, 2)])
    read: list[tuple[Any, ...]] = []
    ranges: list[tuple[datetime, datetime]] = []
    contents = both.reader.contents

    def counted(*given: Any) -> Iterator[Any]:
        ranges.extend(given[-1])
        for batch in contents(*given):
            read.extend(batch)
            yield batch

    monkeypatch.setattr(both.reader, "contents", counted)
    assert both.compare().equal
    assert read == []
    for minute in (600, 612, 1000):
        both.set("name", "other", minute)
    found = both.compare()
    assert (found.segments, found.segments_differing, found.counts["content"]) == (144, 3, 3)
    assert found.counts["same"] == 717
    # Of ten minutes each, of which two are neighbours.
    assert sorted(int(row[0]) for row in read) == [*range(600, 620, 2), *range(1000, 1010, 2)]
    assert [end - start for start, end in ranges] == [timedelta(minutes=20), timedelta(minutes=10)]


def test_rows_of_one_second_are_one_segment(both: Both) -> None:
    both.fill([base_row(number, updated_at=DAY.replace(second=1, microsecond=number)) for number in range(300)])
    both.set("money", Decimal("0.01"), 7)
    found = both.compare()
    assert (found.segments, found.counts["content"], found.counts["same"]) == (1, 1, 299)
    assert found.some["content"] == ["7, a"]


def test_two_rows_that_swap_their_content_are_found(both: Both) -> None:
    both.fill([base_row(1, name="a"), base_row(2, name="b")])
    both.set("name", "b", 1)
    both.set("name", "a", 2)
    assert both.compare().some["content"] == ["1, a", "2, a"]


def test_what_differs_only_because_cdc_was_behind_is_equal_at_the_second_look(both: Both) -> None:
    both.fill([base_row(1), base_row(2)])
    both.set("name", "stale", 1)
    # The waits: for the sums, for a reading that is too early, and for one that is not.
    cdc = ScriptedCdc([lambda: None, lambda: None, lambda: both.set("name", None, 1)])
    found = both.compare(cdc)
    assert (found.equal, found.segments_differing, found.counts["same"], cdc.waits) == (True, 1, 2, 3)
    both.set("name", "stale", 1)
    cdc = ScriptedCdc()
    assert (both.compare(cdc).equal, cdc.waits) == (False, 4)


def test_a_row_that_moves_into_a_segment_after_that_was_read_is_newer(both: Both) -> None:
    moving, late = base_row(1, updated_at=DAY), base_row(2, updated_at=DAY.replace(hour=12))
    both.fill([moving])
    both.source_has(late)
    noon = DAY.replace(hour=12, second=1)

    def move() -> None:
        both.source.execute('UPDATE "SALES"."HOSTILE" SET "UPDATED_AT" = %s WHERE "ID" = 1', (noon,))
        both.set("updated_at", noon, 1)
        both.production_has(late)

    cdc = ScriptedCdc([lambda: None, move])
    found = both.compare(cdc)
    assert (found.equal, found.counts["newer"], found.counts["extra"], cdc.waits) == (True, 1, 0, 2)


@pytest.mark.parametrize("column", ["updated_at", "stamp"])
def test_a_later_version_that_the_source_never_gets_to_is_wrong(both: Both, column: str) -> None:
    """A version of the year 2030 with other content is not CDC's lead, which the source itself would have."""
    both.fill([base_row(number, stamp=DAY) for number in (1, 2)])
    versioned = config(f"hostile: {{window_column: updated_at, version_column: {column}}}")
    (table,) = resolve_group(group_tables(versioned, "sales"), both.target, both.reader)
    compared = replace(both, table=table)
    both.set(column, "2030-01-01", 1)
    assert compared.compare(ScriptedCdc()).equal
    both.set("name", "WRONG", 1)
    found = compared.compare(ScriptedCdc())
    assert (found.equal, found.counts["later"], found.some["later"]) == (False, 1, ["1, a"])


def test_a_row_that_the_source_has_changed_since_it_was_read_is_newer(both: Both) -> None:
    both.fill([base_row(1), base_row(2)])
    both.set("name", "stale", 2)

    def go_on() -> None:
        both.source.execute(
            """UPDATE "SALES"."HOSTILE" SET "NAME" = 'new', "UPDATED_AT" = %s""", (DAY.replace(hour=5),)
        )
        both.set("name", "new", 1)
        both.set("updated_at", DAY.replace(hour=5), 1)
        both.set("name", "new", 2)
        both.set("updated_at", DAY.replace(hour=5), 2)

    found = both.compare(ScriptedCdc([lambda: None, go_on]))
    assert (found.equal, found.counts["newer"], found.counts.get("later")) == (True, 2, None)


def test_a_server_of_another_encoding_has_the_same_content(postgres: PostgresServer) -> None:
    with throwaway_database(postgres, "utf8") as source, throwaway_database(postgres, "latin1") as target:
        name = target.rsplit("/", 1)[1]
        with psycopg.connect(postgres.url(), autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name}".encode())
            connection.execute(
                f"CREATE DATABASE {name} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0 LOCALE_PROVIDER libc".encode()
            )
        for both in made(source, target):
            row = base_row(1, name="Größe", note="é", wide="ü")
            both.fill([row])
            assert both.compare().segments_differing == 0
            both.set("wide", "u", 1)
            assert both.compare().counts["content"] == 1


def test_a_key_without_canonical_text_is_no_key(both: Both) -> None:
    described = both.table.source_columns
    assert described is not None
    clobs = tuple(replace(column, data_type="CLOB") if column.name == "CODE" else column for column in described)
    with pytest.raises(Exception, match="CODE is CLOB"):
        compare_contents(both.target, replace(both.table, source_columns=clobs), WINDOW, both.reader)


def test_the_reference_tables_are_equal_once_copied(postgres: PostgresServer) -> None:
    tables = "\n".join(f"{table.name.lower()}: {{window_column: updated_at}}" for table in sales.TABLES)
    with (
        throwaway_database(postgres, "sales_source") as source_url,
        throwaway_database(postgres, "sales") as target_url,
        psycopg.connect(source_url, autocommit=True) as source,
        psycopg.connect(target_url, autocommit=True) as target,
        SourceReader(sa.make_url(source_url), "SALES") as reader,
    ):
        sales.create_source(source)
        sales.seed(source, first=DAY.date(), days=1, customers_per_day=50, orders_per_day=200, seed=1)
        sales.create_production(target)
        rows = sales.copy_to_production(source, target)
        for table in resolve_group(group_tables(config(tables), "sales"), target, reader):
            found = compare_contents(target, table, WINDOW, reader)
            assert (found.segments_differing, found.counts["same"]) == (0, rows[table.name]), table.name
            assert list(found.left_out) == (["BODY", "SCAN"] if table.name == "documents" else [])
