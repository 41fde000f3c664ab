"""The hazards of merging a window that one session alone can show; those of concurrent writers are next door."""

from __future__ import annotations

from typing import Any

import pytest

from reload_assets.errors.merge import ColumnWithoutDefault, RowsWouldFollow, ValueHeld, ValuesSwap
from reload_assets.merge import Outcomes
from reload_assets_tests.integration.merge_bench import CUSTOMERS, EARLIER, LATER, NOON, UPDATED_AT, MakeBench

ACCOUNTS = "CREATE TABLE production.accounts (id integer PRIMARY KEY, email text {}, name text, updated_at timestamp)"
ON_ACCOUNTS: dict[str, Any] = {"accounts": dict(UPDATED_AT)}


def test_hazard_03_each_boundary_row_is_merged_with_its_own_window_only(make_bench: MakeBench) -> None:
    made = make_bench(CUSTOMERS)
    edges = ["2025-01-02 23:59:59.999999", "2025-01-03 00:00:00", "2025-01-03 23:59:59.999999", "2025-01-04 00:00:00"]
    reload = made.stage({"customers": [(number, "s", at) for number, at in enumerate(edges, start=1)]})
    assert made.ledger.tables(reload.reload_id)["customers"].staged_rows == 4
    assert made.merge(reload).outcomes["customers"] == Outcomes(inserted=2)
    assert made.customers() == [(2, "s"), (3, "s")]


@pytest.mark.parametrize(
    ("policy", "counts", "name"),
    [("repair", Outcomes(repaired=1), "source"), ("skip", Outcomes(skipped=1), "torn")],
)
def test_hazard_06_equal_version_with_other_content_follows_the_policy(
    make_bench: MakeBench, policy: str, counts: Outcomes, name: str
) -> None:
    made = make_bench(CUSTOMERS, {"customers": {**UPDATED_AT, "equal_version": policy}})
    made.execute(f"INSERT INTO production.customers VALUES (1, 'torn', '{NOON}')")
    assert made.reload([(1, "source", NOON)]) == counts
    assert made.customers() == [(1, name)]


def test_hazard_15_sequences_are_past_the_loaded_keys_and_never_go_back(make_bench: MakeBench) -> None:
    made = make_bench("CREATE TABLE production.accounts (id serial PRIMARY KEY, updated_at timestamp)", ON_ACCOUNTS)
    assert made.reload([(1, NOON), (500, NOON)]).inserted == 2
    next_key = "INSERT INTO production.accounts (updated_at) VALUES (NULL) RETURNING id"
    assert made.rows(next_key) == [(501,)]
    made.rows("SELECT setval('production.accounts_id_seq', 9000)")
    assert made.reload([(600, NOON)]).inserted == 1
    assert made.rows(next_key) == [(9001,)]


def test_hazard_15_a_sequence_that_starts_higher_is_left_alone(make_bench: MakeBench) -> None:
    made = make_bench(
        'CREATE TABLE production.accounts ("Id" bigint GENERATED ALWAYS AS IDENTITY (START 1000) PRIMARY KEY, '
        "updated_at timestamp)",
        ON_ACCOUNTS,
    )
    assert made.reload([(7, NOON)]) == Outcomes(inserted=1)
    assert made.rows('INSERT INTO production.accounts (updated_at) VALUES (NULL) RETURNING "Id"') == [(1000,)]
    assert made.reload([(1000, NOON), (1001, NOON)]) == Outcomes(repaired=0, inserted=1, unversioned=1)
    assert made.rows('INSERT INTO production.accounts (updated_at) VALUES (NULL) RETURNING "Id"') == [(1002,)]


def test_hazard_15_identity_always_and_generated_columns(make_bench: MakeBench) -> None:
    made = make_bench(
        "CREATE TABLE production.accounts (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text, "
        "upper_name text GENERATED ALWAYS AS (upper(name)) STORED, updated_at timestamp)",
        ON_ACCOUNTS,
    )
    made.execute(f"INSERT INTO production.accounts (name, updated_at) VALUES ('old', '{EARLIER}')")
    assert made.reload([(1, "a", NOON), (77, "b", NOON)]) == Outcomes(inserted=1, updated=1)
    assert made.rows("SELECT id, upper_name FROM production.accounts ORDER BY id") == [(1, "A"), (77, "B")]
    assert made.rows("INSERT INTO production.accounts (name) VALUES ('c') RETURNING id") == [(78,)]


def test_hazard_15_a_column_only_production_has_keeps_its_value_and_gets_its_default(make_bench: MakeBench) -> None:
    made = make_bench(
        "CREATE TABLE production.accounts (id integer PRIMARY KEY, score integer NOT NULL DEFAULT 5, name text, "
        "updated_at timestamp)",
        {"accounts": {**UPDATED_AT, "columns": ["id", "name", "updated_at"]}},
    )
    made.execute(f"INSERT INTO production.accounts VALUES (1, 42, 'old', '{EARLIER}')")
    assert made.reload([(1, "a", NOON), (2, "b", NOON)]) == Outcomes(inserted=1, updated=1)
    assert made.rows("SELECT id, score, name FROM production.accounts ORDER BY id") == [(1, 42, "a"), (2, 5, "b")]


def test_hazard_15_a_column_that_only_production_has_may_lose_its_default_meanwhile(
    make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_bench(
        CUSTOMERS + "; CREATE TABLE production.accounts (id integer PRIMARY KEY, score integer NOT NULL DEFAULT 5, "
        "customer integer REFERENCES production.customers, updated_at timestamp)",
        {
            "customers": dict(UPDATED_AT),
            "accounts": {**UPDATED_AT, "columns": ["id", "customer", "updated_at"]},
        },
    )
    made.execute(f"INSERT INTO production.accounts VALUES (1, 42, NULL, '{EARLIER}')")

    def reload(rows: dict[str, Any]) -> Outcomes:
        staged, tables = made.stage(rows), made.resolve(list(rows))
        made.execute("ALTER TABLE production.accounts ALTER COLUMN score DROP DEFAULT")
        try:
            with monkeypatch.context() as patched:
                # As the ledger keeps them.
                patched.setattr(made, "resolve", lambda names: tables)
                return made.merge(staged).outcomes["accounts"]
        finally:
            made.execute("ALTER TABLE production.accounts ALTER COLUMN score SET DEFAULT 5")

    # Without a missing row the column is in nobody's way.
    assert reload({"accounts": [(1, None, NOON)]}).updated == 1
    with pytest.raises(ColumnWithoutDefault, match=r"production\.accounts\.score"):
        reload({"customers": [(1, "a", NOON)], "accounts": [(2, 1, NOON)]})
    assert made.customers() == []
    assert made.rows("SELECT status FROM admin.reloads ORDER BY reload_id") == [("merged",), ("failed",)]


def test_hazard_16_reordered_columns_are_merged_by_name(make_bench: MakeBench) -> None:
    made = make_bench(
        "CREATE TABLE production.customers (updated_at timestamp, name text, city text, id integer PRIMARY KEY)",
        {"customers": {**UPDATED_AT, "columns": ["id", "city", "name", "updated_at"]}},
    )
    made.execute(f"INSERT INTO production.customers VALUES ('{EARLIER}', 'old', 'old', 1)")
    assert made.reload([(1, "Bern", "Ada", NOON), (2, "Chur", "Bo", NOON)]) == Outcomes(inserted=1, updated=1)
    query = "SELECT id, name, city FROM production.customers ORDER BY id"
    assert made.rows(query) == [(1, "Ada", "Bern"), (2, "Bo", "Chur")]


PARTS = (
    " PARTITION BY RANGE (id); CREATE TABLE production.rest PARTITION OF production.accounts DEFAULT;"
    "CREATE TABLE production.low PARTITION OF production.accounts FOR VALUES FROM (0) TO (100) {};"
)


@pytest.mark.parametrize(
    ("column", "index"),
    [
        ("UNIQUE", ""),
        ("NOT NULL UNIQUE", ""),
        ("UNIQUE NULLS NOT DISTINCT", ""),
        ("NOT NULL UNIQUE DEFERRABLE", ""),
        (", upper_email text GENERATED ALWAYS AS (upper(email)) STORED UNIQUE", ""),
        (", EXCLUDE USING btree (email WITH =)", ""),
        (", EXCLUDE USING btree (email WITH =) DEFERRABLE", ""),
        ("", "; CREATE UNIQUE INDEX ON production.accounts (lower(email), (id % 1))"),
        ("", "; CREATE UNIQUE INDEX ON production.accounts (email) WHERE id > 0"),
        ("", "; CREATE UNIQUE INDEX ON production.accounts (lower(email)) WHERE updated_at > '2000-01-01'"),
        # As CREATE INDEX CONCURRENTLY leaves it if a row was in its way: it refuses rows all the same.
        (
            "",
            "; CREATE UNIQUE INDEX bad ON production.accounts (email);"
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'production.bad'::regclass",
        ),
        # An index that only a partition has.
        ("", PARTS.format("") + "CREATE UNIQUE INDEX ON production.low (email)"),
        ("NOT NULL", PARTS.format("") + "ALTER TABLE production.low ADD UNIQUE (email) DEFERRABLE"),
        (
            "",
            PARTS.format("PARTITION BY HASH (id)")
            + "CREATE TABLE production.lowest PARTITION OF production.low FOR VALUES WITH (MODULUS 1, REMAINDER 0);"
            "CREATE UNIQUE INDEX ON production.lowest (lower(email)) WHERE id > 0",
        ),
    ],
)
def test_hazard_19_unique_values_move_between_rows(make_bench: MakeBench, column: str, index: str) -> None:
    options = {**ON_ACCOUNTS, "accounts": {**ON_ACCOUNTS["accounts"], "columns": ["id", "email", "name", "updated_at"]}}
    made = make_bench(f"{ACCOUNTS.format(column)}{index}", options)
    made.execute(
        "INSERT INTO production.accounts (id, email, name, updated_at) SELECT i, chr(96 + i), 'p', "
        f"CASE WHEN i = 3 THEN timestamp '{NOON}' ELSE '{EARLIER}' END FROM generate_series(1, 8) AS i"
    )
    before = made.rows("SELECT to_jsonb(a) FROM production.accounts AS a WHERE id < 8 ORDER BY id")
    staged = [
        (1, "b", "s", NOON),  # 1 and 2 swap
        (2, "a", "s", NOON),
        (3, "d", "s", NOON),  # a chain into a free value
        (4, "e", "s", NOON),
        (5, "z", "s", NOON),
        (6, "y", "s", NOON),  # a missing row takes what 6 gives up
        (7, "g", "s", NOON),  # keeps its value
        (9, "f", "s", NOON),
    ]
    assert made.reload(staged) == Outcomes(inserted=1, updated=6, repaired=1)
    rows = made.rows("SELECT id, email, name FROM production.accounts ORDER BY id")
    assert rows == [*((key, email, "s") for key, email, _, _ in staged[:7]), (8, "h", "p"), (9, "f", "s")]
    images = made.rows("SELECT before FROM admin.reload_changes WHERE before IS NOT NULL ORDER BY key")
    assert images == before
    assert made.reload(staged) == Outcomes(identical=8)


def test_hazard_19_ranges_that_exclude_each_other_move_between_rows(make_bench: MakeBench) -> None:
    made = make_bench(
        "CREATE TABLE production.spans (id integer PRIMARY KEY, low integer, high integer, updated_at timestamp, "
        "EXCLUDE USING gist (int4range(low, high) WITH &&))",
        {"spans": dict(UPDATED_AT)},
    )
    made.execute(
        f"INSERT INTO production.spans SELECT i, i * 10, i * 10 + 10, '{EARLIER}' FROM generate_series(1, 4) AS i"
    )
    staged = [(1, 15, 25, NOON), (2, 25, 40, NOON), (3, 10, 15, NOON), (4, 40, 50, NOON)]
    assert made.reload(staged) == Outcomes(updated=4)
    assert made.rows("SELECT id, low, high FROM production.spans ORDER BY id") == [row[:3] for row in staged]


def test_hazard_19_parked_rows_may_end_as_null_and_fire_triggers(make_bench: MakeBench) -> None:
    made = make_bench(
        ACCOUNTS.format("UNIQUE")
        + """;
        CREATE FUNCTION production.touch() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN NEW.updated_at := clock_timestamp(); RETURN NEW; END $$;
        CREATE TRIGGER touch BEFORE UPDATE ON production.accounts FOR EACH ROW EXECUTE FUNCTION production.touch()""",
        ON_ACCOUNTS,
    )
    made.execute(f"INSERT INTO production.accounts VALUES (1, 'a', 's', '{NOON}'), (2, 'b', 's', '{NOON}')")
    assert made.reload([(1, None, "s", NOON), (2, "a", "s", NOON)]) == Outcomes(repaired=2)
    assert made.rows("SELECT id, email FROM production.accounts ORDER BY id") == [(1, None), (2, "a")]


def test_hazard_19_rows_made_anew_keep_columns_of_their_own_and_their_children(make_bench: MakeBench) -> None:
    made = make_bench(
        "CREATE TABLE production.accounts (id integer PRIMARY KEY, region integer NOT NULL, email text NOT NULL, "
        "score integer DEFAULT 5, p text, updated_at timestamp, twice integer GENERATED ALWAYS AS (id * 2) STORED, "
        "UNIQUE (region, email));"
        "CREATE TABLE production.visits (account integer REFERENCES production.accounts)",
        {"accounts": {**UPDATED_AT, "columns": ["id", "email", "region", "updated_at"]}},
    )
    made.execute(
        f"INSERT INTO production.accounts VALUES (1, 1, 'a', 41, 'x', '{EARLIER}'), (2, 1, 'b', 42, 'y', '{NOON}');"
        "INSERT INTO production.visits VALUES (1), (2)"
    )
    assert made.reload([(1, "b", 1, NOON), (2, "a", 1, NOON)]) == Outcomes(updated=1, repaired=1)
    query = "SELECT id, email, score, p, twice FROM production.accounts ORDER BY id"
    assert made.rows(query) == [(1, "b", 41, "x", 2), (2, "a", 42, "y", 4)]
    assert len(made.rows("SELECT * FROM production.visits")) == 2


def test_hazard_19_what_cannot_move_says_so(make_bench: MakeBench) -> None:
    made = make_bench(ACCOUNTS.format("NOT NULL UNIQUE"), ON_ACCOUNTS)
    made.execute(f"INSERT INTO production.accounts VALUES (1, 'a', 'p', '{NOON}'), (2, 'b', 'p', '{NOON}')")
    swapped = [(1, "b", "s", NOON), (2, "a", "s", NOON)]
    followed = {
        "integer REFERENCES production.accounts ON DELETE CASCADE": ValuesSwap,
        "integer DEFAULT 2 REFERENCES production.accounts ON DELETE SET DEFAULT": ValuesSwap,
        "integer REFERENCES production.accounts ON DELETE RESTRICT": ValuesSwap,
        "text REFERENCES production.accounts (email) ON DELETE SET NULL": ValuesSwap,
        "text REFERENCES production.accounts (email) ON UPDATE CASCADE": RowsWouldFollow,
        "text REFERENCES production.accounts (email) ON UPDATE SET NULL": RowsWouldFollow,
    }
    for child, error in followed.items():
        value = "1" if child.startswith("integer") else "a"
        made.execute(
            f"CREATE TABLE production.visits (account {child}); INSERT INTO production.visits VALUES ('{value}')"
        )
        with pytest.raises(error, match=r"(accounts_email_key .*|visits_account_fkey.*) \(id\)=\([12]\)"):
            made.reload(swapped)
        assert made.rows("SELECT email, name FROM production.accounts ORDER BY id") == [("a", "p"), ("b", "p")]
        assert made.rows("SELECT account::text FROM production.visits") == [(value,)]
        made.execute("DROP TABLE production.visits")


@pytest.mark.parametrize("unique", ["NOT NULL UNIQUE", "UNIQUE"])
def test_hazard_19_values_move_to_which_other_rows_refer(make_bench: MakeBench, unique: str) -> None:
    made = make_bench(ACCOUNTS.format(unique), ON_ACCOUNTS)
    made.execute(f"INSERT INTO production.accounts VALUES (1, 'a', 'p', '{NOON}'), (2, 'b', 'p', '{NOON}')")
    made.execute(
        "CREATE TABLE production.visits (account text REFERENCES production.accounts (email) ON UPDATE RESTRICT);"
        "CREATE TABLE production.calls (account text REFERENCES production.accounts (email));"
        "INSERT INTO production.visits VALUES ('a'); INSERT INTO production.calls VALUES ('b')"
    )
    assert made.reload([(1, "b", "s", NOON), (2, "a", "s", NOON)]) == Outcomes(repaired=2)
    assert made.rows("SELECT email, name FROM production.accounts ORDER BY id") == [("b", "s"), ("a", "s")]
    assert made.rows("SELECT * FROM production.visits, production.calls") == [("a", "b")]


def test_hazard_19_a_value_that_another_row_keeps_is_refused_by_name(make_bench: MakeBench) -> None:
    made = make_bench(ACCOUNTS.format("UNIQUE"), ON_ACCOUNTS)
    made.execute(f"INSERT INTO production.accounts VALUES (1, 'a', 'p', '{LATER}'), (8, 'keeps', 'p', '{NOON}')")
    with pytest.raises(ValueHeld, match=r"reload 1 .* row \(id\)=\(5\).*\(accounts_email_key\) that \(id\)=\(8\)"):
        made.reload([(4, "free", "s", NOON), (5, "keeps", "s", NOON)])
    assert made.rows("SELECT id FROM production.accounts ORDER BY id") == [(1,), (8,)]
