"""The outcome rules and the shapes of tables, with nobody else writing."""

from __future__ import annotations

from typing import Any

import pytest

from reload_assets.merge import Outcomes
from reload_assets_tests.integration.merge_bench import CUSTOMERS, EARLIER, LATER, NOON, UPDATED_AT, MakeBench

VERSIONED = (
    "CREATE TABLE production.customers (id integer PRIMARY KEY, name text, version integer, updated_at timestamp)"
)


def test_each_outcome_once(make_bench: MakeBench) -> None:
    made = make_bench(CUSTOMERS)
    made.execute(
        f"INSERT INTO production.customers VALUES (2, 'old', '{EARLIER}'), (3, 'torn', '{NOON}'), "
        f"(4, 'same', '{NOON}'), (5, 'newer', '{LATER}'), (9, 'outside', '{NOON}')"
    )
    outcomes = made.reload([(number, "source", NOON) for number in (1, 2, 3)] + [(4, "same", NOON), (5, "x", NOON)])
    assert outcomes == Outcomes(inserted=1, updated=1, repaired=1, identical=1, refused=1)
    assert made.customers() == [(1, "source"), (2, "source"), (3, "source"), (4, "same"), (5, "newer"), (9, "outside")]


def test_the_ledger_says_what_happened(make_bench: MakeBench) -> None:
    made = make_bench(CUSTOMERS)
    made.execute(f"INSERT INTO production.customers VALUES (2, 'old', '{EARLIER}')")
    reload = made.stage({"customers": [(1, "a", NOON), (2, "b", NOON)]})
    result = made.merge(reload)
    assert (result.attempts, result.outcomes["customers"].changed) == (1, 2)
    assert made.ledger.get(reload.reload_id).status == "merged"
    counts = made.ledger.tables(reload.reload_id)["customers"]
    assert (counts.inserted, counts.updated, counts.identical) == (1, 1, 0)
    assert made.rows(
        "SELECT merge_started_at < merge_ended_at FROM admin.reloads UNION ALL "
        "SELECT merge_started_at < merge_ended_at FROM admin.reload_tables"
    ) == [(True,), (True,)]


@pytest.mark.parametrize(
    ("policy", "counts", "names"),
    [
        ("report", Outcomes(unversioned=3, identical=1, inserted=1), ["p", "p", "p", "s", "s"]),
        ("repair", Outcomes(repaired=3, identical=1, inserted=1), ["s", "s", "s", "s", "s"]),
    ],
)
def test_null_versions_follow_the_policy(
    make_bench: MakeBench, policy: str, counts: Outcomes, names: list[str]
) -> None:
    made = make_bench(VERSIONED, {"customers": {**UPDATED_AT, "version_column": "version", "null_version": policy}})
    made.execute(
        f"INSERT INTO production.customers VALUES (1, 'p', NULL, '{NOON}'), (2, 'p', 7, '{NOON}'), "
        f"(3, 'p', NULL, '{NOON}'), (4, 's', NULL, '{NOON}')"
    )
    staged = [(1, "s", 3, NOON), (2, "s", None, NOON), (3, "s", None, NOON), (4, "s", None, NOON)]
    assert made.reload([*staged, (5, "s", None, NOON)]) == counts
    assert [name for _, name in made.customers()] == names


def test_the_audit_is_exact_and_its_before_images_restore_the_rows_bit_for_bit(make_bench: MakeBench) -> None:
    made = make_bench(
        """CREATE TABLE production.customers (
            id integer PRIMARY KEY, exact numeric, money numeric(12,2), share double precision, small real,
            padded char(9), raw bytea, doc jsonb, tags text[], born date, seen timestamptz, name text, p text,
            updated_at timestamp
        )"""
    )
    made.execute(
        rf"""INSERT INTO production.customers VALUES
        (1, 1.500, 2.50, 0.1 + 0.2, 1e-7, 'x', '\x00ff80', '{{"a": [1.00, null]}}', '{{"a,b",NULL,""}}',
         'infinity', '2025-01-01 01:02:03.000001+02', E'\u00e9 "\\ \n', 'own', '{EARLIER}'),
        (2, 'NaN', NULL, '-Infinity', NULL, NULL, '', '{{}}', '{{}}', '0044-03-15 BC', NULL, '', NULL, '{NOON}'),
        (3, 0, 0, 0, 0, '', '', '[]', '{{}}', '2025-01-01', NULL, 'same', NULL, '{NOON}')"""
    )
    before = made.rows("SELECT c::text FROM production.customers AS c WHERE id < 3 ORDER BY id")
    blank: list[Any] = [None] * 11
    same = (3, 0, 0, 0, 0, "", b"", "[]", "{}", "2025-01-01", None, "same", None, NOON)
    outcomes = made.reload([(1, *blank, "new", NOON), (2, *blank, "new", NOON), (4, *blank, "new", NOON), same])
    assert outcomes == Outcomes(inserted=1, updated=1, repaired=1, identical=1)
    assert sorted((operation, key) for operation, key, _ in made.audit()) == [
        ("inserted", {"id": 4}),
        ("repaired", {"id": 2}),
        ("updated", {"id": 1}),
    ]
    restored = made.rows(
        "SELECT r::text FROM admin.reload_changes AS c, jsonb_populate_record(NULL::production.customers, c.before) "
        "AS r WHERE c.before IS NOT NULL ORDER BY r.id"
    )
    assert restored == before


def test_reloading_twice_changes_nothing_the_second_time(make_bench: MakeBench) -> None:
    made = make_bench(CUSTOMERS)
    made.execute(f"INSERT INTO production.customers VALUES (1, 'old', '{EARLIER}')")
    rows = [(1, "a", NOON), (2, "b", NOON)]
    assert made.reload(rows).changed == 2
    written = made.rows("SELECT ctid, xmin, * FROM production.customers ORDER BY id")
    assert made.reload(rows) == Outcomes(identical=2)
    assert made.rows("SELECT ctid, xmin, * FROM production.customers ORDER BY id") == written
    assert len(made.audit()) == 2


def test_parents_come_first_and_all_tables_share_one_transaction(make_bench: MakeBench) -> None:
    made = make_bench(
        CUSTOMERS + ";"
        "CREATE TABLE production.a_orders (id integer PRIMARY KEY, customer_id integer NOT NULL REFERENCES "
        "production.customers, updated_at timestamp)",
        {"a_orders": dict(UPDATED_AT), "customers": dict(UPDATED_AT)},
    )
    reload = made.stage({"a_orders": [(7, 1, NOON)], "customers": [(1, "a", NOON)]})
    outcomes = made.merge(reload).outcomes
    assert list(outcomes) == ["customers", "a_orders"]
    assert outcomes["a_orders"] == outcomes["customers"] == Outcomes(inserted=1)
    assert made.rows("SELECT count(DISTINCT xmin::text) FROM (SELECT xmin FROM production.customers UNION ALL "
                     "SELECT xmin FROM production.a_orders) AS both_tables") == [(1,)]  # fmt: skip


def test_deferrable_foreign_keys_may_form_a_circle(make_bench: MakeBench) -> None:
    made = make_bench(
        "CREATE TABLE production.teams (id integer PRIMARY KEY, head integer, updated_at timestamp);"
        "CREATE TABLE production.people (id integer PRIMARY KEY, team integer REFERENCES production.teams DEFERRABLE, "
        "updated_at timestamp);"
        "ALTER TABLE production.teams ADD FOREIGN KEY (head) REFERENCES production.people DEFERRABLE",
        {"teams": dict(UPDATED_AT), "people": dict(UPDATED_AT)},
    )
    result = made.merge(made.stage({"teams": [(1, 5, NOON)], "people": [(5, 1, NOON)]}))
    assert [outcomes.inserted for outcomes in result.outcomes.values()] == [1, 1]


def test_composite_keys_mixed_case_reserved_words_and_percent_signs(make_bench: MakeBench) -> None:
    made = make_bench(
        """CREATE TABLE production."Order ""%"" Lines" (
            "Select" integer, "line%no" text, "order" text UNIQUE, "p" text, "d" text, "outcome" text, "c1" text,
            "Updated At" timestamp, PRIMARY KEY ("Select", "line%no")
        )""",
        {"lines": {"target": 'Order "%" Lines', "window_column": "Updated At", "key": ["line%no", "Select"]}},
    )
    made.execute(
        f"""INSERT INTO production."Order ""%"" Lines" VALUES
        (1, 'a%s', 'x', 'p', 'd', 'o', 'c', '{EARLIER}'), (1, 'b', 'y', 'p', 'd', 'o', 'c', '{NOON}')"""
    )
    rest = ("P", "D", "O", "C", NOON)
    outcomes = made.reload([(1, "a%s", "y", *rest), (1, "b", "x", *rest), (2, "a%s", None, *rest)])
    assert outcomes == Outcomes(inserted=1, updated=1, repaired=1)
    query = """SELECT "Select", "line%no", "order", "p", "outcome" FROM production."Order ""%"" Lines" ORDER BY 1, 2"""
    assert made.rows(query) == [(1, "a%s", "y", "P", "O"), (1, "b", "x", "P", "O"), (2, "a%s", None, "P", "O")]
    keys = [key for _, key, _ in made.audit()]
    assert {"Select": 1, "line%no": "a%s"} in keys
    assert all(before is None or (before["p"] == "p" and len(before) == 8) for _, _, before in made.audit())


def test_any_type_of_column_is_compared(make_bench: MakeBench) -> None:
    types = {
        "json": ('{"a": 1}', '{"a": 2}'),
        "json[]": ('{"{}"}', '{"[]"}'),
        "point": ("(1,2)", "(1,3)"),
        "box": ("((2,2),(0,0))", "((4,1),(0,0))"),  # of the same area, which is all that "=" compares
        "circle": ("<(0,0),1>", "<(5,5),1>"),
        "int4range": ("[1,3)", "[1,4)"),
        "text": ("a", "a "),
        "uuid[]": ("{00000000-0000-0000-0000-000000000001}", "{00000000-0000-0000-0000-000000000002}"),
        "bytea": (r"\x00", r"\x01"),
        "interval": ("1 hour", "2 hours"),
    }
    columns = ", ".join(f"v{number} {declared}" for number, declared in enumerate(types))
    made = make_bench(f"CREATE TABLE production.customers (id integer PRIMARY KEY, {columns}, updated_at timestamp)")
    old = [values[0] for values in types.values()]
    staged = [[number, *old, NOON] for number in range(len(types) + 1)]
    with made.connection.cursor() as cursor:
        marks = ", ".join(["%s"] * (len(types) + 2))
        cursor.executemany(f"INSERT INTO production.customers VALUES ({marks})".encode(), staged)
    for number, (_, new) in enumerate(types.values()):
        staged[number][number + 1] = new
    assert made.reload(staged) == Outcomes(identical=1, repaired=len(types))


def test_a_partitioned_table_is_merged(make_bench: MakeBench) -> None:
    made = make_bench(
        CUSTOMERS + " PARTITION BY RANGE (id);"
        "CREATE TABLE production.low PARTITION OF production.customers FOR VALUES FROM (0) TO (10);"
        "CREATE TABLE production.high PARTITION OF production.customers FOR VALUES FROM (10) TO (20)"
    )
    made.execute(f"INSERT INTO production.customers VALUES (1, 'x', '{NOON}'), (11, 'x', '{EARLIER}')")
    rows = [(number, "s", NOON) for number in (1, 2, 11, 12)]
    assert made.reload(rows) == Outcomes(inserted=2, updated=1, repaired=1)
    assert made.customers() == [(1, "s"), (2, "s"), (11, "s"), (12, "s")]


def test_a_table_of_keys_alone_gets_only_missing_rows(make_bench: MakeBench) -> None:
    made = make_bench(
        "CREATE TABLE production.customers (id integer, updated_at timestamp, PRIMARY KEY (id, updated_at))",
        {"customers": {**UPDATED_AT, "key": ["id", "updated_at"]}},
    )
    made.execute(f"INSERT INTO production.customers VALUES (1, '{NOON}')")
    assert made.reload([(1, NOON), (2, NOON)]) == Outcomes(inserted=1, identical=1)


def test_an_empty_window_is_merged(make_bench: MakeBench) -> None:
    made = make_bench(CUSTOMERS)
    reload = made.stage({"customers": []})
    assert made.merge(reload).outcomes == {"customers": Outcomes()}
    assert made.ledger.get(reload.reload_id).status == "merged"
