"""The reference group: seeded, copied, damaged and compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

import psycopg
import pytest

from reload_assets.local import sales
from reload_assets.local.compare import Comparison, compare_outside, compare_window, outside_digest
from reload_assets.local.damage import AT_LEAST, damage
from reload_assets.local.postgres import PostgresServer
from reload_assets_tests.integration.throwaway import throwaway_database

FIRST = datetime(2025, 1, 1)
DAY = datetime(2025, 1, 2)
WINDOW = (DAY, DAY + timedelta(days=1))
MICROSECOND = timedelta(microseconds=1)
ROWS: dict[str, Any] = {"first": date(2025, 1, 1), "days": 3, "customers_per_day": 60, "orders_per_day": 200}


class Databases(NamedTuple):
    source: psycopg.Connection
    target: psycopg.Connection


@pytest.fixture(scope="module")
def seeded(postgres: PostgresServer) -> Iterator[Databases]:
    """A seeded source and its exact copy, shared by this module's tests."""
    with (
        throwaway_database(postgres, "source") as source_url,
        throwaway_database(postgres, "target") as target_url,
        psycopg.connect(source_url, autocommit=True) as source,
        psycopg.connect(target_url, autocommit=True) as target,
    ):
        sales.create_source(source)
        sales.create_production(target)
        made = sales.seed(source, **ROWS, seed=3)
        copied = sales.copy_to_production(source, target)
        assert copied == {table.lower(): rows for table, rows in made.items()}
        yield Databases(source, target)


@pytest.fixture
def databases(seeded: Databases) -> Iterator[Databases]:
    """The same, for a test that changes rows: all is rolled back after it."""
    with seeded.source.transaction(force_rollback=True), seeded.target.transaction(force_rollback=True):
        yield seeded


def value(connection: psycopg.Connection, statement: str, *parameters: object) -> Any:
    row = connection.execute(statement, parameters).fetchone()
    assert row is not None
    return row[0]


def test_the_copy_equals_the_source(databases: Databases) -> None:
    for start in (FIRST, DAY, DAY + timedelta(days=1)):
        found = compare_window(*databases, start, start + timedelta(days=1))
        assert list(found) == ["customers", "orders", "order_items", "documents"]
        assert all(comparison.same for comparison in found.values())
        assert [found[name].equal for name in ("customers", "orders", "documents")] == [60, 200, 100]
        assert found["order_items"].equal > 300
    assert compare_window(*databases, FIRST - timedelta(days=2), FIRST)["orders"] == Comparison(0, 0, 0, 0, 0)


def test_every_day_has_rows_on_both_of_its_edges(databases: Databases) -> None:
    for table in sales.TABLES:
        for number in range(3):
            day = FIRST + timedelta(days=number)
            for edge in (day, day + timedelta(days=1) - MICROSECOND):
                rows = value(
                    databases.source, f'SELECT count(*) FROM "SALES"."{table.name}" WHERE "UPDATED_AT" = %s', edge
                )
                assert rows >= 1, (table.name, edge)
    fractions = (
        'SELECT count(*) FROM "SALES"."ORDERS" WHERE extract(microseconds FROM "UPDATED_AT")::bigint %% 1000 > %s'
    )
    assert value(databases.source, fractions, 0) > 500


def test_rows_refer_to_no_later_day(databases: Databases) -> None:
    later = """SELECT count(*) FROM "SALES"."ORDERS" AS o JOIN "SALES"."CUSTOMERS" AS c USING ("CUSTOMER_ID")
        WHERE c."UPDATED_AT"::date - o."UPDATED_AT"::date """
    assert value(databases.source, later + "> 0") == 0
    # Some parents lie outside their children's window, and most do not.
    assert 0 < value(databases.source, later + "< 0") < value(databases.source, later + "= 0")


def test_documents_hold_what_is_hard_to_copy(databases: Databases) -> None:
    for column in sales.TABLES[3].column_names[1:-1]:
        nulls = value(databases.source, f'SELECT count(*) FROM "SALES"."DOCUMENTS" WHERE "{column}" IS NULL')
        assert 20 < nulls < 250, column
    for condition in (
        '"TOTAL" > 1e20',
        '"TOTAL" < 0 AND scale("TOTAL") = 10',
        '"SERIAL_NO" = 99999999999999999999999999999999999999',
        'length("SERIAL_NO"::text) > 36',
        "\"ISSUED_ON\"::time <> time '00:00'",
        'length("CODE"::text) < 10',
        "\"TITLE\" = U&'Cafe\\0301'",
        "\"TITLE\" = E'Line\\nbreak\\r\\n'",
        "\"TITLE\" = 'NULL'",
        "position('\\x00'::bytea IN \"SCAN\") > 0",
    ):
        assert value(databases.source, f'SELECT count(*) FROM "SALES"."DOCUMENTS" WHERE {condition}') > 0, condition
    # Oracle keeps no trailing zeros and no empty text or LOB.
    assert value(databases.source, """SELECT count(*) FROM "SALES"."DOCUMENTS" WHERE "TOTAL" <> trim_scale("TOTAL")
        OR scale("TOTAL") <> min_scale("TOTAL") OR "TITLE" = '' OR "BODY" = '' OR "SCAN" = ''""") == 0  # fmt: skip


def test_the_same_seed_makes_the_same_rows_and_another_other_ones(new_database: Callable[[str], str]) -> None:
    digest = "md5(string_agg(t::text, '|' ORDER BY t::text))"
    digests = []
    for seed in (3, 3, 4):
        with psycopg.connect(new_database("seeded"), autocommit=True) as source:
            sales.create_source(source)
            sales.seed(source, **ROWS, seed=seed)
            digests.append(
                [value(source, f'SELECT {digest} FROM "SALES"."{table.name}" AS t') for table in sales.TABLES]
            )
    assert digests[0] == digests[1]
    assert all(one != other for one, other in zip(digests[0], digests[2], strict=True))


def test_seeding_again_adds_later_days(databases: Databases) -> None:
    sales.seed(databases.source, **{**ROWS, "first": date(2025, 1, 4), "days": 1}, seed=3)
    assert value(databases.source, 'SELECT count(*) FROM "SALES"."ORDERS"') == 800
    found = compare_window(*databases, datetime(2025, 1, 4), datetime(2025, 1, 5))
    assert found["orders"] == Comparison(missing=200, stale=0, corrupted=0, extra=0, equal=0)


@pytest.mark.parametrize("window", [WINDOW, (DAY + timedelta(hours=6), DAY + timedelta(hours=18))])
def test_damage_is_exactly_what_the_comparison_finds(databases: Databases, window: tuple[datetime, datetime]) -> None:
    outside = outside_digest(databases.target, *window)
    before = compare_window(*databases, *window)
    done = damage(databases.target, *window, seed=5)
    found = compare_window(*databases, *window)
    assert list(done) == list(found)
    for table, kinds in done.items():
        assert set(kinds) == {"missing", "stale", "corrupted"}
        assert all(rows >= AT_LEAST for rows in kinds.values()), (table, kinds)
        broken = sum(kinds.values())
        assert broken < before[table].equal / 3
        assert found[table] == Comparison(**kinds, extra=0, equal=before[table].equal - broken), table
        assert not found[table].same
    assert outside_digest(databases.target, *window) == outside
    for number in (-1, 1):
        neighbour = (window[0] + timedelta(days=number), window[1] + timedelta(days=number))
        assert all(comparison.same for comparison in compare_window(*databases, *neighbour).values())


def test_damage_breaks_the_edges_of_the_window_and_every_column_of_documents(databases: Databases) -> None:
    day = (FIRST, FIRST + timedelta(days=3))
    databases.target.execute("CREATE TABLE untouched AS SELECT * FROM production.documents")
    damage(databases.target, *day, seed=1)
    columns = [name.lower() for name in sales.TABLES[3].column_names[1:-1]]
    differing = ", ".join(f"count(*) FILTER (WHERE p.{c} IS DISTINCT FROM u.{c})" for c in columns)
    row = databases.target.execute(
        f"SELECT {differing} FROM production.documents AS p JOIN untouched AS u USING (document_id)"
    ).fetchone()
    assert row is not None
    # Six rows at least of either kind, over ten columns.
    assert sum(row) == 12
    assert all(row)
    missing = value(
        databases.target,
        "SELECT max(u.updated_at) FROM untouched AS u LEFT JOIN production.documents AS p USING (document_id) "
        "WHERE p.document_id IS NULL",
    )
    assert missing == day[1] - MICROSECOND


def test_the_same_seed_damages_the_same_rows(databases: Databases) -> None:
    digests = []
    for seed in (5, 5, 6):
        with databases.target.transaction(force_rollback=True):
            damage(databases.target, *WINDOW, seed=seed)
            digests.append(outside_digest(databases.target, FIRST, FIRST))
    assert digests[0] == digests[1] != digests[2]


def test_a_window_with_too_few_rows_is_refused_and_left_alone(databases: Databases) -> None:
    before = outside_digest(databases.target, FIRST, FIRST)
    with pytest.raises(ValueError, match=r"production\.customers has 0 rows .* seed more rows a day"):
        damage(databases.target, DAY, DAY + timedelta(seconds=1), seed=1)
    assert outside_digest(databases.target, FIRST, FIRST) == before
    damage(databases.target, *WINDOW, seed=1)


def test_the_rows_outside_the_window_are_compared_too(databases: Databases) -> None:
    for table in ("order_items", "documents"):
        databases.target.execute(
            f"DELETE FROM production.{table} WHERE updated_at >= %s AND updated_at < %s".encode(), WINDOW
        )
    found = compare_outside(*databases, *WINDOW)
    assert all(comparison.same for comparison in found.values())
    assert [found[name].equal for name in ("customers", "orders", "documents")] == [120, 400, 200]
    for change in (
        "DELETE FROM production.documents WHERE document_id = 1",
        "UPDATE production.documents SET updated_at = updated_at - interval '1 microsecond' WHERE document_id = 2",
        "UPDATE production.documents SET code = 'other' WHERE document_id = 3",
        "INSERT INTO production.documents (document_id) VALUES (999999)",
        "INSERT INTO production.documents (document_id, updated_at) VALUES (999998, '2025-01-01')",
    ):
        assert databases.target.execute(change.encode()).rowcount == 1
    assert compare_outside(*databases, *WINDOW)["documents"] == Comparison(1, 1, 1, 2, 197)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE production.documents SET signed_at = signed_at + interval '1 microsecond' WHERE document_id = 1",
        "UPDATE production.documents SET title = title || ' ' WHERE document_id = {titled}",
        "UPDATE production.orders SET updated_at = NULL WHERE order_id = 1",
        "DELETE FROM production.order_items WHERE order_id = 1 AND line_no = 1",
        "INSERT INTO production.customers (customer_id, updated_at) VALUES (999999, '2025-01-03')",
        "UPDATE production.documents SET updated_at = '2025-01-03' WHERE document_id = 150",
    ],
)
def test_the_outside_digest_changes_with_any_row_outside(databases: Databases, change: str) -> None:
    titled = "SELECT min(document_id) FROM production.documents WHERE title IS NOT NULL AND updated_at < %s"
    databases.target.execute("UPDATE production.documents SET signed_at = '2025-01-01' WHERE document_id = 1")
    before = outside_digest(databases.target, *WINDOW)
    changed = databases.target.execute(change.replace("{titled}", str(value(databases.target, titled, DAY)))).rowcount
    assert changed == 1
    assert outside_digest(databases.target, *WINDOW) != before


def test_the_outside_digest_ignores_the_window_and_the_sessions_settings(databases: Databases) -> None:
    before = outside_digest(databases.target, *WINDOW)
    databases.target.execute("DELETE FROM production.documents WHERE updated_at >= %s AND updated_at < %s", WINDOW)
    databases.target.execute("SET datestyle = 'German'")
    databases.target.execute("SET bytea_output = 'escape'")
    assert outside_digest(databases.target, *WINDOW) == before


@pytest.mark.parametrize(
    ("change", "table", "expected"),
    [
        (
            "INSERT INTO production.documents (document_id, updated_at) VALUES (999999, '2025-01-02')",
            "documents",
            Comparison(missing=0, stale=0, corrupted=0, extra=1, equal=100),
        ),
        (
            # A row of the day before strays into the window: wrong there, and missing nowhere.
            "UPDATE production.orders SET updated_at = '2025-01-02 12:00' WHERE order_id = 1",
            "orders",
            Comparison(missing=0, stale=0, corrupted=0, extra=1, equal=200),
        ),
        (
            # Stale, with a version from before the window.
            "UPDATE production.orders SET updated_at = '2024-12-24' WHERE order_id = 201",
            "orders",
            Comparison(missing=0, stale=1, corrupted=0, extra=0, equal=199),
        ),
        (
            "UPDATE production.orders SET updated_at = NULL WHERE order_id = 201",
            "orders",
            Comparison(missing=0, stale=0, corrupted=1, extra=0, equal=199),
        ),
        (
            "UPDATE production.order_items SET updated_at = '2026-01-01' WHERE order_id = 201 AND line_no = 1",
            "order_items",
            Comparison(missing=0, stale=0, corrupted=1, extra=0, equal=-1),
        ),
        (
            "UPDATE production.customers SET email = '' WHERE customer_id = {nameless}",
            "customers",
            Comparison(missing=0, stale=0, corrupted=1, extra=0, equal=59),
        ),
    ],
)
def test_the_comparison_tells_every_difference(
    databases: Databases, change: str, table: str, expected: Comparison
) -> None:
    nameless = value(
        databases.target,
        "SELECT min(customer_id) FROM production.customers "
        "WHERE email IS NULL AND updated_at >= %s AND updated_at < %s",
        *WINDOW,
    )
    before = compare_window(*databases, *WINDOW)
    assert databases.target.execute(change.replace("{nameless}", str(nameless))).rowcount == 1
    found = compare_window(*databases, *WINDOW)
    if expected.equal < 0:
        expected = Comparison(**{**vars(expected), "equal": before[table].equal + expected.equal})
    assert found.pop(table) == expected
    assert all(comparison.same for comparison in found.values())
