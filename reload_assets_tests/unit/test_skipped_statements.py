"""The statements that CDC skipped: which keys they name."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reload_assets.cdc.skipped import UNKNOWN, read_statement

ITEMS = ["order_id", "line_no"]


def keys_named(statement: str, key: list[str]) -> set[tuple[str, ...]]:
    """The keys of a statement; none where it cannot be read."""
    found = read_statement(statement)
    return found.keys(key) if found else set()


@pytest.mark.parametrize(
    ("statement", "key", "named"),
    [
        (
            """UPDATE "production"."orders" SET "id"='6' , "note"=NULL , "at"='2025-01-01 10:00:00' WHERE "id"='5'""",
            ["id"],
            {("5",), ("6",)},
        ),
        ("""UPDATE "p"."t" SET "note"='x' WHERE "id"='5'""", ["id"], {("5",)}),
        ("""INSERT INTO "p"."t" ("id","note","at") VALUES ('6','a, ''b'' (c)',NULL)""", ["id"], {("6",)}),
        ("""INSERT INTO "p"."t" ( "note" , "id" ) VALUES ( 'WHERE "id"=''1''' , -7.5 )""", ["id"], {("-7.5",)}),
        ("""DELETE FROM "p"."t" WHERE "id"='it''s'""", ["id"], {("it's",)}),
        # A value that looks like the end of the statement, and one that looks like a pair.
        ("""UPDATE "p"."t" SET "note"='a WHERE "id"=''9''' WHERE "id"='5'""", ["id"], {("5",)}),
        # Half of a key changes; the other half is only in the condition.
        (
            """UPDATE "p"."i" SET "line_no"='2' WHERE "order_id"='1' AND "line_no"='1'""",
            ITEMS,
            {("1", "1"), ("1", "2")},
        ),
        ("""INSERT INTO "p"."i" ("order_id","line_no") VALUES ('1','3')""", ITEMS, {("1", "3")}),
        ("""UPDATE "P"."T" SET "NOTE"='x' WHERE "ID"='5'""", ["id"], {("5",)}),
        # Nothing is better than a guess.
        ("""INSERT INTO "p"."t" ("id","note") VALUES ('6')""", ["id"], set()),
        ("""UPDATE "p"."t" SET "note"=? WHERE "id"=?""", ["id"], set()),
        ("TRUNCATE p.t", ["id"], set()),
    ],
)
def test_the_keys_are_those_of_the_rows_before_and_after(
    statement: str, key: list[str], named: set[tuple[str, ...]]
) -> None:
    assert keys_named(statement, key) == named


@pytest.mark.parametrize(
    ("statement", "key", "named"),
    [
        # Names that end like the key, with signs that Oracle allows, and with blanks.
        ("""DELETE FROM "p"."t" WHERE "id"='7' AND "my id"='1' AND "x#id"='2' AND "x$id"='3'""", ["id"], {("7",)}),
        ("""UPDATE "p"."t" SET "order#"='2' , "n"='x' WHERE "order#"='1'""", ["order#"], {("1",), ("2",)}),
        ("""DELETE FROM "p"."t" WHERE cust$id=1""", ["cust$id"], {("1",)}),
        ('INSERT INTO "p"."t" ("my id","a ""b""") VALUES (1,2)', ["my id"], {("1",)}),
        ('DELETE FROM "p"."t" WHERE "a ""b"""=1 AND "größe"=2', ['a "b"', "größe"], {("1", "2")}),
        ("""DELETE FROM "p"."t" WHERE "Id"='1' AND "ID"='2'""", ["Id"], {("1",)}),
        ("""DELETE FROM "p"."t" WHERE "Id"='1' AND "ID"='2'""", ["id"], set()),
        # White space and comments.
        ("""UPDATE "p"."t" SET "id"='2'\nWHERE\t"id"='1' ;""", ["id"], {("1",), ("2",)}),
        ("""DELETE FROM "p"."t" /* WHERE "id"='9' */ WHERE "id"='1' -- AND "id"='8'""", ["id"], {("1",)}),
        # Values.
        ("""INSERT INTO "p"."t" ("n","id") VALUES (coalesce(f('a,b'), 'x)'),'1')""", ["id"], {("1",)}),
        (
            """INSERT INTO "p"."t" ("id","d") VALUES ('1'::varchar(5),timestamp '2025-01-01 00:00:00')""",
            ["id"],
            {("1",)},
        ),
        ("""INSERT INTO "p"."t" ("id","n") VALUES (CAST('1' AS numeric(5,2)),N'x')""", ["id"], {("1",)}),
        (r"""DELETE FROM "p"."t" WHERE "id"=E'a\'b\n'""", ["id"], {("a'b\n",)}),
        (r"""DELETE FROM "p"."t" WHERE "id"='a\' AND "n"='b'""", ["id"], {("a\\",)}),
        ("""DELETE FROM "p"."t" WHERE ("id" = + 5.50) AND (("n" IS NULL))""", ["id"], {("5.50",)}),
        ("""INSERT INTO "p"."t" ("id","n") VALUES ('1','cut o""", ["id"], {("1",)}),
        # Not one row's condition.
        ("""DELETE FROM "p"."t" WHERE "id"='1' OR "id"='2'""", ["id"], set()),
    ],
)
def test_names_and_values_are_read_as_postgresql_reads_them(
    statement: str, key: list[str], named: set[tuple[str, ...]]
) -> None:
    assert keys_named(statement, key) == named


@pytest.mark.parametrize(
    ("statement", "is_read"),
    [
        ("""UPDATE "p"."t" SET "id"='2' WHERE "id"='1'""", True),
        ("""UPDATE "p"."t" SET "id"='2' WHERE "n"='1'""", False),
        ("""UPDATE "p"."t" SET "id"='2' WHERE "id"='1' AND "n"='cut""", False),
        ("""UPDATE "p"."t" SET "id"=nextval('s') WHERE "id"='1'""", False),
        ("""DELETE FROM "p"."t" WHERE "id"=?""", False),
        ("""INSERT INTO "p"."t" ("n") VALUES ('1')""", False),
    ],
)
def test_it_is_known_whether_all_keys_were_read(statement: str, is_read: bool) -> None:
    found = read_statement(statement)
    assert found is not None
    assert found.is_read(["id"]) == is_read


def test_a_value_that_is_no_literal_leaves_the_others_known() -> None:
    found = read_statement("""INSERT INTO s.t (a, b, c, d) VALUES (1, now() - interval '1 day', NULL, 'x')""")
    assert found is not None
    assert (found.table, found.after) == (("s", "t"), {"a": "1", "b": UNKNOWN, "c": None, "d": "x"})


@pytest.mark.parametrize(
    "statement",
    [
        "",
        r"""DELETE FROM "p"."t" WHERE "id"=E'\UFFFFFFFF'""",
        r"""DELETE FROM "p"."t" WHERE "id"=E'\U00110000'""",
        f"""DELETE FROM "p"."t" WHERE {"(" * 1200}"id"='1'{")" * 1200}""",
        f"""INSERT INTO "p"."t" ("id") VALUES ({"(" * 1200}'1'{")" * 1200})""",
    ],
)
def test_what_no_server_would_take_is_not_known(statement: str) -> None:
    assert read_statement(statement) is None


_signs = st.sampled_from("ab'\"\\ ,;()=?#$%-/*\n:.eEWHEREANDVALUES")
_texts = st.text(_signs | st.characters(codec="utf-8"), max_size=12)
_names = _texts.filter(lambda name: name != "" and "\x00" not in name)
_rows = st.dictionaries(_names.map(str.lower), st.none() | _texts, min_size=1, max_size=5)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(value: str | None) -> str:
    return "NULL" if value is None else "'" + value.replace("'", "''") + "'"


@given(before=_rows, values=st.lists(st.none() | _texts, min_size=5, max_size=5), data=st.data())
def test_what_was_written_is_read(before: dict[str, Any], values: list[str | None], data: st.DataObject) -> None:
    after = dict(zip(before, values, strict=False))
    insert = (
        f"INSERT INTO {_quoted('s')}.{_quoted('t')} ({','.join(map(_quoted, before))}) "
        f"VALUES ({','.join(map(_literal, before.values()))})"
    )
    where = " AND ".join(
        f"{_quoted(name)} IS NULL" if value is None else f"{_quoted(name)}={_literal(value)}"
        for name, value in before.items()
    )
    sets = " , ".join(f"{_quoted(name)}={_literal(value)}" for name, value in after.items())
    found = read_statement(insert)
    assert found is not None
    assert found.after == before
    found = read_statement(f'DELETE FROM "s"."t" WHERE {where}')
    assert found is not None
    assert found.before == before
    found = read_statement(f'UPDATE "s"."t" SET {sets} WHERE {where}')
    assert found is not None
    assert (found.before, found.after, found.is_whole) == (before, after, True)
