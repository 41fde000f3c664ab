"""The SQL that Oracle is sent, compiled by SQLAlchemy's Oracle dialect without a server."""

from __future__ import annotations

from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import oracle

from reload_assets.canonical.oracle_types import SourceColumn
from reload_assets.canonical.text import source_role
from reload_assets.errors.source import SourceColumnType, SourceNameUnknown
from reload_assets.source import dictionary
from reload_assets.source.statements import SourceTable

ORDERS = SourceTable(
    "SALES",
    "ORDERS",
    (
        SourceColumn("ORDER_ID", "NUMBER", None, 10, 0, False, 1),
        SourceColumn("CODE", "CHAR", 10, None, None, True, 2),
        SourceColumn("NAME", "VARCHAR2", 100, None, None, True, 3),
        SourceColumn("DIGEST", "RAW", 16, None, None, True, 4),
        SourceColumn("ORDER_DATE", "DATE", None, None, None, True, 5),
        SourceColumn("UPDATED_AT", "TIMESTAMP(6)", None, None, 6, True, 6),
        SourceColumn("SEEN_AT", "TIMESTAMP(6) WITH TIME ZONE", None, None, 6, True, 7),
        SourceColumn("BODY", "CLOB", None, None, None, True, 8),
    ),
)
START, END = datetime(2025, 1, 2, 0, 0, 0, 1), datetime(2025, 1, 3)


def compiled(statement: sa.Select[Any]) -> tuple[str, dict[str, Any]]:
    result = statement.compile(dialect=oracle.dialect(), compile_kwargs={"render_postcompile": True})
    return " ".join(str(result).split()), result.params


def test_a_window_is_counted_half_open_with_bound_instants() -> None:
    assert compiled(ORDERS.count("UPDATED_AT", START, END)) == (
        'SELECT count(*) AS count_1 FROM "SALES"."ORDERS" '
        'WHERE "SALES"."ORDERS"."UPDATED_AT" >= :window_start AND "SALES"."ORDERS"."UPDATED_AT" < :window_end',
        {"window_start": START, "window_end": END},
    )


def test_rows_without_a_time_are_counted_up_to_a_limit() -> None:
    statement, values = compiled(ORDERS.count_without("UPDATED_AT", 10))
    assert statement == (
        'SELECT count(*) AS count_1 FROM (SELECT 1 AS one FROM "SALES"."ORDERS" '
        'WHERE "SALES"."ORDERS"."UPDATED_AT" IS NULL FETCH FIRST 10 ROWS ONLY) f'
    )
    assert values == {}


@pytest.mark.parametrize(
    ("number", "possible"),
    [
        ("-0", True),
        ("-1.5", True),
        (f"1{'0' * 125}", True),
        (f"1{'0' * 126}", False),
        (f"0.{'0' * 129}1", True),
        (f"0.{'0' * 130}1", False),
        ("9" * 40, True),
        ("9" * 41, False),
        ("Infinity", False),
        ("NaN", False),
    ],
)
def test_a_number_that_oracle_cannot_hold_is_not_asked_for(number: str, possible: bool) -> None:
    """The driver would not bind it, and the reload of a production that has it, or of such a key, would fail."""
    assert ORDERS.possible(["ORDER_ID"], [number]) is possible


def test_bounds_of_a_date_column_are_the_next_whole_seconds() -> None:
    _, bounds = compiled(ORDERS.count("ORDER_DATE", START, END))
    assert bounds == {"window_start": datetime(2025, 1, 2, 0, 0, 1), "window_end": END}


COLUMN = '"SALES"."ORDERS".'
# The canonical text of each column, as docs/canonical-text.md has it.
TM9 = "'TM9', 'NLS_NUMERIC_CHARACTERS=''.,''')"
ORDER_ID = (
    f'CASE WHEN {COLUMN}"ORDER_ID" > -1 AND {COLUMN}"ORDER_ID" < 1 THEN REGEXP_REPLACE(TO_CHAR({COLUMN}"ORDER_ID", '
    f"{TM9}, '^(-?)\\.', '\\10.') ELSE TO_CHAR({COLUMN}\"ORDER_ID\", {TM9} END"
)
CODE = f"RTRIM(REPLACE({COLUMN}\"CODE\", CHR(0), ' '))"
NAME = f"REPLACE({COLUMN}\"NAME\", CHR(0), ' ')"
DIGEST = f'LOWER(RAWTOHEX({COLUMN}"DIGEST"))'
ORDER_DATE = (
    f'CASE WHEN {COLUMN}"ORDER_DATE" < DATE \'0001-01-01\' THEN TO_CHAR({COLUMN}"ORDER_DATE", '
    "'YYYY-MM-DD HH24:MI:SS\".000000 BC\"', 'NLS_CALENDAR=GREGORIAN') "
    f"ELSE TO_CHAR({COLUMN}\"ORDER_DATE\", 'YYYY-MM-DD HH24:MI:SS\".000000\"', 'NLS_CALENDAR=GREGORIAN') END"
)
STAMP = f'CAST({COLUMN}"UPDATED_AT" AS TIMESTAMP(6))'
UPDATED_AT = (
    f"CASE WHEN {STAMP} < DATE '0001-01-01' THEN TO_CHAR({STAMP}, 'YYYY-MM-DD HH24:MI:SS.FF6\" BC\"', "
    f"'NLS_CALENDAR=GREGORIAN') ELSE TO_CHAR({STAMP}, 'YYYY-MM-DD HH24:MI:SS.FF6', 'NLS_CALENDAR=GREGORIAN') END"
)
IN_WINDOW = f'WHERE {COLUMN}"UPDATED_AT" >= :window_start AND {COLUMN}"UPDATED_AT" < :window_end'
# Text last, and of text the longest: only what is before the last column is escaped.
HASH = (
    f"LOWER(RAWTOHEX(STANDARD_HASH(CONVERT({ORDER_ID} || '|' || {UPDATED_AT} || '|' || "
    f"REPLACE(REPLACE({CODE}, '~', '~~'), '|', '~|') || '|' || {NAME}, 'AL32UTF8'), 'MD5')))"
)
HASHED = ["NAME", "CODE", "ORDER_ID", "UPDATED_AT"]


def test_hazard_22_canonical_text_is_made_by_oracle_whatever_the_session_says() -> None:
    keys = ["ORDER_ID", "CODE", "NAME", "DIGEST", "ORDER_DATE"]
    text, _ = compiled(ORDERS.contents(keys, "UPDATED_AT", HASHED, "UPDATED_AT", START, END))
    assert text == (
        f"SELECT {ORDER_ID} AS v0, {CODE} AS v1, {NAME} AS v2, {DIGEST} AS v3, {ORDER_DATE} AS v4, {UPDATED_AT} AS v5, "
        f'{HASH} AS content FROM "SALES"."ORDERS" {IN_WINDOW}'
    )


def test_a_window_is_summed_up_in_one_read() -> None:
    assert compiled(ORDERS.segments(HASHED, "UPDATED_AT", START, END, 16)) == (
        "SELECT w.segment, count(*) AS count_1, CAST(sum(w.checksum) AS VARCHAR2(40 CHAR)) AS sum_1 FROM (SELECT "
        f"substr({UPDATED_AT}, 1, 16) AS segment, TO_NUMBER(SUBSTR({HASH}, 1, 15), 'XXXXXXXXXXXXXXX') AS checksum "
        f'FROM "SALES"."ORDERS" {IN_WINDOW}) w GROUP BY w.segment',
        {"window_start": START, "window_end": END},
    )


def test_contents_are_asked_for_by_key() -> None:
    text, values = compiled(ORDERS.contents_by_key(["ORDER_ID"], "UPDATED_AT", HASHED, [["1"], ["2"]]))
    assert text == (
        f'SELECT {ORDER_ID} AS v0, {UPDATED_AT} AS v1, {HASH} AS content FROM "SALES"."ORDERS" '
        f'WHERE {COLUMN}"ORDER_ID" IN (:param_1_1, :param_1_2)'
    )
    assert list(values.values()) == [1, 2]


def test_rows_are_asked_for_by_key() -> None:
    text, values = compiled(ORDERS.rows_as_text(["ORDER_ID", "BODY"], ["ORDER_ID"], [[1], ["2"]]))
    assert text == (
        f'SELECT {ORDER_ID} AS v0, "SALES"."ORDERS"."BODY" AS v1 FROM "SALES"."ORDERS" '
        'WHERE "SALES"."ORDERS"."ORDER_ID" IN (:param_1_1, :param_1_2)'
    )
    assert values == {"param_1_1": 1, "param_1_2": 2}


def test_rows_are_asked_for_by_composite_key() -> None:
    text, values = compiled(ORDERS.rows_as_text(["NAME"], ["ORDER_ID", "CODE"], [(1, "a  "), (2, "b")]))
    assert text.endswith(
        'AS v0 FROM "SALES"."ORDERS" WHERE ("SALES"."ORDERS"."ORDER_ID", "SALES"."ORDERS"."CODE") '
        "IN ((:param_1_1_1, :param_1_1_2), (:param_1_2_1, :param_1_2_2))"
    )
    assert list(values.values()) == [1, "a", 2, "b"]


def test_the_dictionary_is_asked_with_bound_names() -> None:
    text, values = compiled(dictionary.columns("SALES", "ORDERS", collations=True))
    view = '"ALL_TAB_COLS".'
    assert text.endswith(
        f'FROM "ALL_TAB_COLS" WHERE {view}"OWNER" = :p_owner AND {view}"TABLE_NAME" = :p_table_name '
        f'AND {view}"HIDDEN_COLUMN" = :p_hidden_column AND {view}"VIRTUAL_COLUMN" = :p_virtual_column '
        f'ORDER BY {view}"COLUMN_ID"'
    )
    assert values == {
        "p_owner": "SALES",
        "p_table_name": "ORDERS",
        "p_hidden_column": "NO",
        "p_virtual_column": "NO",
    }
    assert f'{view}"COLLATION" FROM' in text


@pytest.mark.parametrize(("version", "known"), [((12, 1, 0, 2, 0), False), ((12, 2, 0, 1, 0), True), ((19, 3), True)])
def test_an_oracle_before_12_2_is_not_asked_for_collations(version: tuple[int, ...], known: bool) -> None:
    dialect = oracle.dialect()
    dialect.server_version_info = version
    assert dictionary.has_collations(dialect) is known
    text, _ = compiled(dictionary.columns("SALES", "ORDERS", collations=known))
    assert ('NULL AS "COLLATION"' in text) is not known


def test_keys_of_the_same_text_are_looked_for_by_ranges_that_an_index_serves() -> None:
    bare = SourceTable("SALES", "T", (SourceColumn("K", "NUMBER", None, None, None, False, 1),))
    text, values = compiled(bare.rows_as_text(["K"], ["K"], [("0.1",)], alike=True))
    assert "BETWEEN :param_1 AND :param_2 AND " in text
    assert sorted(str(value) for value in values.values()) == ["0.09999999995", "0.1", "0.10000000005"]
    text, values = compiled(ORDERS.rows_as_text(["NAME"], ["ORDER_ID", "NAME"], [("7", "10% of it")], alike=True))
    assert """LIKE :param_2 ESCAPE '!' AND REPLACE("SALES"."ORDERS"."NAME", CHR(0), ' ') = :param_3""" in text
    assert set(values.values()) == {Decimal(7), "10!%%", "10% of it"}
    text, values = compiled(ORDERS.rows_as_text(["NAME"], ["CODE"], [("ab",)], alike=True))
    assert """LIKE :param_1 ESCAPE '!' AND RTRIM(REPLACE(""" in text
    assert set(values.values()) == {"ab%", "ab"}


def test_unique_keys_are_those_that_hold_for_all_rows() -> None:
    text, values = compiled(dictionary.unique_constraints("SALES", "ORDERS"))
    assert """"ALL_CONSTRAINTS"."CONSTRAINT_TYPE" IN ('P', 'U')""" in text
    assert (values["p_status"], values["p_validated"]) == ("ENABLED", "VALIDATED")
    text, values = compiled(dictionary.unique_indexes("SALES", "ORDERS"))
    assert """"ALL_INDEXES"."STATUS" != :p_status""" in text
    assert (values["p_uniqueness"], values["p_status"]) == ("UNIQUE", "UNUSABLE")


def test_an_unknown_column_is_named_with_the_one_that_was_meant() -> None:
    with pytest.raises(SourceNameUnknown, match=r"SALES\.ORDERS .* 'updated_at' \(did you mean 'UPDATED_AT'\?\)"):
        ORDERS.count("updated_at", START, END)


@pytest.mark.parametrize("name", ["NAME", "ORDER_ID", "SEEN_AT"])
def test_only_columns_of_wall_clock_times_cut_a_window(name: str) -> None:
    with pytest.raises(SourceColumnType, match=rf"SALES\.ORDERS\.{name} is .* cannot cut a window"):
        ORDERS.count(name, START, END)


def test_columns_without_canonical_text_are_no_keys() -> None:
    with pytest.raises(SourceColumnType, match=r"SALES\.ORDERS\.BODY is CLOB, which cannot be a key or a version;"):
        ORDERS.contents(["BODY"], "UPDATED_AT", ["ORDER_ID"], "UPDATED_AT", START, END)
    with pytest.raises(SourceColumnType, match=r"SALES\.ORDERS\.BODY is CLOB, which cannot be compared by its text;"):
        ORDERS.segments(["ORDER_ID", "BODY"], "UPDATED_AT", START, END, 16)
    with pytest.raises(SourceColumnType, match=r"SALES\.ORDERS\.SEEN_AT is .* cannot be a key;"):
        ORDERS.rows_as_text(["NAME"], ["SEEN_AT"], [[START]])


def test_bounds_with_a_zone_are_refused() -> None:
    with pytest.raises(ValueError, match="wall-clock"):
        ORDERS.count("UPDATED_AT", START.replace(tzinfo=timezone.utc), END)


def test_oracle_is_asked_for_its_role_where_every_login_may() -> None:
    assert compiled(sa.select(source_role())) == (
        "SELECT SYS_CONTEXT('USERENV', 'DATABASE_ROLE') AS anon_1 FROM DUAL",
        {},
    )
