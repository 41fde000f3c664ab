"""What new rows of production meet although the source has no say in it: said before a load, and true of the merge."""

from __future__ import annotations

import re
from typing import Any

import pytest

from reload_assets.errors import MergeFailed
from reload_assets.errors.tables import CheckNotFed, PartitionsLacking
from reload_assets.merge import Outcomes
from reload_assets.preflight.new_rows import require_insertable
from reload_assets_tests.integration.merge_bench import NOON, UPDATED_AT, MakeBench, MergeBench

# Nothing feeds score and extra.
TABLES: dict[str, Any] = {
    "things": {
        **UPDATED_AT,
        "columns": ["id", "note", "updated_at"],
        "orphans": "soft_delete",
        "soft_delete_column": "gone",
    }
}
DDL = (
    "CREATE DOMAIN production.known AS integer CHECK (VALUE IS NOT NULL); CREATE DOMAIN production.small AS "
    "production.known CHECK (VALUE < 10); CREATE DOMAIN production.zero AS integer DEFAULT 0 CHECK (VALUE = 0);"
    "CREATE SEQUENCE production.numbers;"
    "CREATE FUNCTION production.fits(score integer, code text) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN "
    "IF score IS NULL THEN RAISE EXCEPTION 'nobody has scored' USING ERRCODE = code; END IF; RETURN true; END $$;"
    "CREATE TABLE production.things (id integer PRIMARY KEY, note text, gone timestamp, updated_at timestamp{})"
)


def made_with(make_bench: MakeBench, columns: str, after: str = "") -> MergeBench:
    return make_bench(DDL.format(columns) + after, TABLES)


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (
            ", score integer CHECK (score IS NOT NULL)",
            "things_score_check does not hold for a new row, where score = NULL",
        ),
        (", score integer DEFAULT 0, CONSTRAINT positive CHECK (score > 0)", "the check positive .* where score = 0,"),
        (
            ", score integer, extra integer DEFAULT 3, CHECK (coalesce(score, extra) > 3)",
            "where extra = 3, score = NULL",
        ),
        (
            ", score integer, extra integer GENERATED ALWAYS AS (score * 2) STORED CHECK (extra > 0 IS TRUE)",
            "score = NULL",
        ),
        (", CONSTRAINT closed CHECK (false)", "the check closed does not hold for a new row, so that no missing row"),
        (", CONSTRAINT closed CHECK (gone IS NOT NULL)", "closed .* where gone = NULL"),
        (", score integer DEFAULT 0 CHECK (1 / score > 0)", "things_score_check .* where score = 0"),
        *(
            (f", score integer CHECK (production.fits(score, '{code}'))", "things_score_check .* where score = NULL,")
            for code in ("P0001", "45000", "ZZ001", "38000", "40001")
        ),
        (", score production.known", r"things\.score: its type production\.known refuses NULL \(value for domain"),
        (", score production.small DEFAULT 10", r"refuses 10 \(value for domain production\.small violates check"),
    ],
)
def test_a_constraint_that_no_new_row_can_meet_is_refused(make_bench: MakeBench, columns: str, said: str) -> None:
    made = made_with(make_bench, columns)
    (table,) = made.resolve()
    with pytest.raises(CheckNotFed, match=said):
        require_insertable(made.connection, table)
    with pytest.raises(MergeFailed):
        made.reload([(1, "a", NOON)])


@pytest.mark.parametrize(
    ("columns", "warned"),
    [
        (", score integer CHECK (score > 0)", ""),
        (", score integer DEFAULT 1 CHECK (score > 0), extra production.zero CHECK (extra = 0)", ""),
        (", score integer CHECK (score IS NOT NULL OR gone IS NULL)", ""),
        (
            ", score integer, CHECK (note <> '' OR score IS NOT NULL)",
            r"is also about score, .* with score = NULL",
        ),
        (", score integer DEFAULT nextval('production.numbers'), CHECK (score > 0)", "score = nextval"),
        (", score integer GENERATED ALWAYS AS IDENTITY CHECK (score > 0)", "is also about score"),
        (", score integer DEFAULT 5, CONSTRAINT whole CHECK ((things.*) IS NOT NULL OR id > 0)", ""),
        (", CHECK (note <> '')", ""),
        (", score integer DEFAULT 1 CHECK (production.fits(score, 'P0001'))", ""),
        (", CONSTRAINT later CHECK (gone IS NULL OR note <> '')", ""),
    ],
)
def test_a_constraint_that_new_rows_can_meet_is_no_problem(make_bench: MakeBench, columns: str, warned: str) -> None:
    made = made_with(make_bench, columns)
    (table,) = made.resolve()
    findings = require_insertable(made.connection, table)
    assert [one.code for one in findings] == (["check-unfed"] if warned else [])
    assert re.search(warned, "".join(one.text for one in findings))
    assert made.rows("SELECT last_value, is_called FROM production.numbers") == [(1, False)]
    assert made.reload([(1, "a", NOON)]) == Outcomes(inserted=1)


@pytest.mark.parametrize(
    ("columns", "warned"),
    [
        (
            ", score integer DEFAULT 0 UNIQUE",
            "things_score_key is unique: of the new rows with score = 0 only one can be",
        ),
        (", score integer UNIQUE NULLS NOT DISTINCT", "of the new rows with score = NULL only one can be there"),
        (
            ", score integer DEFAULT 0, extra timestamptz DEFAULT now(), UNIQUE (score, extra)",
            "feeds score, extra, and",
        ),
        (", score integer UNIQUE", ""),
        (", score integer DEFAULT NULL::integer, extra integer DEFAULT 1, UNIQUE (score, extra)", ""),
        (", score integer DEFAULT nextval('production.numbers') UNIQUE", ""),
        (", score integer DEFAULT 0, UNIQUE (score, id)", ""),
    ],
)
def test_a_unique_index_in_which_all_new_rows_are_alike_is_a_warning(
    make_bench: MakeBench, columns: str, warned: str
) -> None:
    made = made_with(make_bench, columns)
    (table,) = made.resolve()
    findings = require_insertable(made.connection, table)
    assert [one.code for one in findings] == (["unique-unfed"] if warned else [])
    assert warned in "".join(one.text for one in findings)
    rows = [(1, "a", NOON), (2, "a", NOON)]
    if not warned:
        assert made.reload(rows) == Outcomes(inserted=2)
        return
    with pytest.raises(MergeFailed):
        made.reload(rows)


PARTITIONS = {
    "by hash": (
        "HASH (id); CREATE TABLE production.one PARTITION OF production.things "
        "FOR VALUES WITH (MODULUS 4, REMAINDER 1)",
        "production.things is partitioned by HASH (id) and has no partition for some of the hashes",
    ),
    "below": (
        "LIST (id); CREATE TABLE production.one PARTITION OF production.things FOR VALUES IN (1) "
        "PARTITION BY RANGE (id); CREATE TABLE production.rest PARTITION OF production.things DEFAULT",
        "production.one is partitioned by RANGE (id) and has no partition; rows that would lie there are refused",
    ),
    "with a check": (
        "LIST (id); CREATE TABLE production.one PARTITION OF production.things (score CHECK (score > 0)) "
        "FOR VALUES IN (1)",
        "production.one: the check one_score_check does not hold for a new row, where score = 0, so that",
    ),
}


@pytest.mark.parametrize("name", PARTITIONS)
def test_what_only_some_rows_meet_is_a_warning(make_bench: MakeBench, name: str) -> None:
    partitions, said = PARTITIONS[name]
    made = made_with(make_bench, ", score integer DEFAULT 0", f" PARTITION BY {partitions}")
    (table,) = made.resolve()
    (warning,) = require_insertable(made.connection, table)
    assert said in warning.text
    with pytest.raises(MergeFailed):
        made.reload([(number, "a", NOON) for number in range(1, 9)])


def test_a_table_without_any_partition_is_refused(make_bench: MakeBench) -> None:
    made = made_with(make_bench, "", " PARTITION BY HASH (id)")
    (table,) = made.resolve()
    with pytest.raises(PartitionsLacking, match=r"production\.things: it is partitioned by HASH \(id\)"):
        require_insertable(made.connection, table)
    with pytest.raises(MergeFailed, match="partition-missing"):
        made.reload([(1, "a", NOON)])


def test_a_partition_alone_is_a_warning_and_no_refusal_shows_a_row(make_bench: MakeBench) -> None:
    made = made_with(make_bench, "")
    made.execute(
        "CREATE TABLE production.whole (LIKE production.things INCLUDING ALL) PARTITION BY RANGE (id);"
        "ALTER TABLE production.whole ATTACH PARTITION production.things FOR VALUES FROM (0) TO (9)"
    )
    (table,) = made.resolve()
    (warning,) = require_insertable(made.connection, table)
    assert "is a partition of production.whole (FOR VALUES FROM (0) TO (9));" in warning.text
    with pytest.raises(MergeFailed, match="partition-missing") as caught:
        made.reload([(10, "secret", NOON)])
    assert "secret" not in str(caught.value)


def test_a_foreign_key_that_is_not_enforced_asks_for_no_parent(make_bench: MakeBench) -> None:
    made = made_with(make_bench, "")
    if made.connection.info.server_version < 180000:
        pytest.skip("PostgreSQL 18 is the first that has NOT ENFORCED for foreign keys")
    made.execute(
        "CREATE TABLE production.notes (note text PRIMARY KEY);"
        "ALTER TABLE production.things ADD FOREIGN KEY (note) REFERENCES production.notes NOT ENFORCED"
    )
    assert made.reload([(1, "a", NOON)]) == Outcomes(inserted=1)
