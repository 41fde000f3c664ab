"""The statements that DMS writes down as passed over: which keys they name."""

from __future__ import annotations

import pytest

from reload_assets.confirm.skipped import keys_named

ITEMS = ["order_id", "line_no"]


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
