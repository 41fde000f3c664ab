"""A table of columns that are hard to compare, on both sides, with random rows for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any, cast

import psycopg
import sqlalchemy as sa
from hypothesis import strategies as st
from psycopg import sql

from reload_assets.cdc.position import Cdc
from reload_assets.compare.window import Contents, compare_contents
from reload_assets.local.oracle import OracleColumn, OracleTable, create_schema, create_table
from reload_assets.reload.parts import group_tables
from reload_assets.source.reader import SourceReader
from reload_assets.tables import ReloadTable, resolve_group
from reload_assets_tests.integration.confirm_bench import ScriptedCdc
from reload_assets_tests.integration.staged import config

DAY = datetime(2025, 1, 2)
WINDOW = (DAY, DAY + timedelta(days=1))
# Oracle's type, and production's.
COLUMNS = {
    "id": ("NUMBER(38,0)", "numeric"),
    "code": ("CHAR(6)", "text"),
    "name": ("VARCHAR2(20)", "text"),
    "note": ("NVARCHAR2(20)", "varchar(20)"),
    "wide": ("VARCHAR2(4000)", "text"),
    "padded": ("CHAR(4)", "character(4)"),
    "plain": ("NUMBER", "numeric(38,10)"),
    "money": ("NUMBER(12,2)", "numeric"),
    "rough": ("NUMBER(8,-2)", "bigint"),
    "day": ("DATE", "timestamp"),
    "stamp": ("TIMESTAMP(6)", "timestamp"),
    "tag": ("RAW(8)", "bytea"),
    "body": ("CLOB", "text"),
    "rate": ("FLOAT(126)", "double precision"),
    "flag": ("NUMBER(1,0)", "boolean"),
    "updated_at": ("TIMESTAMP(6)", "timestamp"),
}
COMPARED = ("name", "note", "wide", "padded", "plain", "money", "rough", "day", "stamp", "tag")
Row = dict[str, Any]

_letters = st.text(
    st.sampled_from(["a", "B", " ", "|", "~", "\\", "'", '"', "%", "\n", "ä", "\u0301", "😀"]), max_size=4
)
_times = st.sampled_from(["01-01 00:00:00", "02-28 23:59:59", "12-31 23:59:59", "12-31 12:00:00"])
_fractions = st.sampled_from(["", ".999999", ".000001", ".5"])


def _instants(fractions: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Years that Python does not know among them, as far back as Oracle goes."""
    after = st.builds("{:04}-{}{}".format, st.integers(1, 9999), _times, fractions)
    before = st.builds("{:04}-{}{} BC".format, st.integers(1, 4712), _times, fractions)
    return after | before


def _maybe(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | values


# Oracle has no empty text.
_texts = _letters.map(lambda text: text or None)
VALUES: Mapping[str, st.SearchStrategy[Any]] = {
    "name": _texts,
    "note": _texts,
    "wide": _texts | _letters.map(lambda text: (text * 1000)[:4000] or None),
    "padded": _maybe(_letters),
    "plain": _maybe(st.decimals(-(10**9), 10**9, places=12) | st.sampled_from([Decimal("0E-12"), Decimal("-4E-11")])),
    "money": _maybe(st.decimals(-(10**10) + 1, 10**10 - 1, places=2)),
    "rough": _maybe(st.integers(-99_999_999, 99_999_999).map(lambda number: number * 100)),
    "day": _maybe(_instants(st.just(""))),
    "stamp": _maybe(_instants(_fractions)),
    "tag": _maybe(st.binary(min_size=1, max_size=8)),
}
_moments = st.sampled_from([0, 1, 999_999, 3_600_000_000, 43_200_000_000, 43_200_999_999, 86_399_999_999])
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "id": st.integers(-(10**38) + 1, 10**38 - 1),
            "code": _letters.filter(lambda text: text.strip(" ") != ""),
            **VALUES,
            "body": st.none(),
            "rate": st.none(),
            "flag": st.none(),
            "updated_at": _moments.map(lambda moment: DAY + timedelta(microseconds=moment)),
        }
    ),
    min_size=1,
    max_size=8,
    unique_by=lambda row: row["id"],
)


def by_dms(row: Row) -> Row:
    """The row as DMS loads it: CHAR without padding, NUMBER rounded to ten decimals."""
    made = dict(row)
    for name in ("code", "padded"):
        made[name] = (row[name] or "").rstrip(" ") or None
    if row["plain"] is not None:
        made["plain"] = row["plain"].quantize(Decimal("1E-10"), ROUND_HALF_UP, Context(prec=60))
    return made


def base_row(number: int, **values: Any) -> Row:
    """A row of which only some values matter."""
    return {**dict.fromkeys(COLUMNS), "id": number, "code": "a", "updated_at": DAY, **values}


@dataclass(repr=False)
class Both:
    """A table on both sides, and rows for it."""

    source: psycopg.Connection[Any]
    target: psycopg.Connection[Any]
    reader: SourceReader
    table: ReloadTable

    def fill(self, rows: Sequence[Row]) -> None:
        """These rows only, on both sides."""
        self.source.execute('TRUNCATE "SALES"."HOSTILE"')
        self.target.execute("TRUNCATE production.hostile")
        for row in rows:
            self.source_has(row)
            self.production_has(by_dms(row))

    def source_has(self, row: Row) -> None:
        marks = ", ".join(["%s"] * len(row))
        self.source.execute(f'INSERT INTO "SALES"."HOSTILE" VALUES ({marks})'.encode(), [row[name] for name in COLUMNS])

    def production_has(self, row: Row) -> None:
        marks = ", ".join(["%s"] * len(row))
        self.target.execute(
            f"INSERT INTO production.hostile VALUES ({marks})".encode(), [row[name] for name in COLUMNS]
        )

    def set(self, column: str, value: Any, number: int) -> None:
        """Change production's row."""
        change = sql.SQL("UPDATE production.hostile SET {} = %s WHERE id = %s").format(sql.Identifier(column))
        assert self.target.execute(change, (value, number)).rowcount == 1

    def compare(self, cdc: ScriptedCdc | None = None) -> Contents:
        return compare_contents(self.target, self.table, WINDOW, self.reader, cast(Cdc, cdc) if cdc else None)


def made(source_url: str, target_url: str) -> Iterator[Both]:
    """The table in two databases."""
    with (
        psycopg.connect(source_url, autocommit=True) as source,
        psycopg.connect(target_url, autocommit=True) as target,
        SourceReader(sa.make_url(source_url), "SALES") as reader,
    ):
        create_schema(source, "SALES")
        columns = [OracleColumn(name.upper(), types[0]) for name, types in COLUMNS.items()]
        create_table(source, "SALES", OracleTable("HOSTILE", columns, ["ID", "CODE"]))
        target.execute("CREATE SCHEMA production")
        listed = ", ".join(f"{name} {types[1]}" for name, types in COLUMNS.items())
        target.execute(f"CREATE TABLE production.hostile ({listed}, PRIMARY KEY (id, code))".encode())
        target.execute("CREATE INDEX ON production.hostile (updated_at)")
        (table,) = resolve_group(group_tables(config("hostile: {window_column: updated_at}"), "sales"), target, reader)
        yield Both(source, target, reader, table)
