"""Compares production with the source, by SQL that shares nothing with the reload and so can prove it wrong.

Each side's own server turns its rows into the same canonical text. The source's digests are then copied into a
temporary table beside production and compared there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection, sql

from reload_assets.local.oracle import OracleColumn, OracleTable
from reload_assets.local.sales import SCHEMA, TABLES

_WINDOW_COLUMN = "UPDATED_AT"
# Text that does not depend on session settings and is the same for equal values: 1.0 and 1.00, CHAR padded or not.
_CANONICAL = {
    "numeric": "trim_scale({}::numeric)::text",
    "char": "rtrim({}, ' ')",
    "varchar": "{}::text",
    "text": "{}::text",
    "timestamp": "to_char({}::timestamp(6), 'YYYY-MM-DD HH24:MI:SS.US')",
    "bytea": "encode({}, 'hex')",
    "float4": "{}::text",
    "float8": "{}::text",
}
_COUNT = """
SELECT
    count(*) FILTER (WHERE p.digest IS NULL),
    count(*) FILTER (WHERE p.version < s.version),
    count(*) FILTER (WHERE p.digest <> s.digest AND (p.version < s.version) IS NOT TRUE),
    (SELECT count(*) FROM {table} AS t WHERE {chosen} AND NOT EXISTS (SELECT 1 FROM {truth} AS s WHERE {same_key})),
    count(*) FILTER (WHERE p.digest = s.digest)
FROM {truth} AS s
LEFT JOIN LATERAL (SELECT {digest} AS digest, t.{window} AS version FROM {table} AS t WHERE {same_key}) AS p ON true
"""
# Two sums of 64 bits of each row's md5: the order of the rows does not matter, and no row is kept in memory.
_OUTSIDE = """
SELECT count(*)::text || ':' || coalesce(sum(('x' || left(d.digest, 16))::bit(64)::bigint), 0)::text
    || ':' || coalesce(sum(('x' || right(d.digest, 16))::bit(64)::bigint), 0)::text
FROM (SELECT md5(t::text) AS digest FROM {table} AS t WHERE ({in_window}) IS NOT TRUE) AS d
"""
_Chosen = Callable[[str], sql.Composed]
"""The condition on the rows to be compared, by the name that the window column has on a side."""
_SETTINGS = """
SELECT set_config('datestyle', 'ISO, YMD', true), set_config('timezone', 'UTC', true),
    set_config('bytea_output', 'hex', true), set_config('extra_float_digits', '1', true)
"""


@dataclass(frozen=True)
class Comparison:
    """How production's rows compare with the source's rows of a window, or with those outside it.

    ``missing``: not in production at all; ``stale``: there in an older version; ``corrupted``: there, not older, but
    different; ``extra``: in production's part, but not in the source's; ``equal``: the same in every column.
    """

    missing: int
    stale: int
    corrupted: int
    extra: int
    equal: int

    @property
    def same(self) -> bool:
        """Whether production equals the source."""
        return not (self.missing or self.stale or self.corrupted or self.extra)


def compare_window(
    source_connection: Connection[Any],
    target_connection: Connection[Any],
    start: datetime,
    end: datetime,
    *,
    tables: Sequence[OracleTable] = TABLES,
    schema: str = "production",
) -> dict[str, Comparison]:
    """Compare the source's rows in ``[start, end)`` with production, by production table.

    The bounds are wall-clock times of the source's zone. The tables need a primary key and a column UPDATED_AT.
    """
    return _compare_all(
        source_connection, target_connection, lambda column: _in_window(column, start, end), tables, schema
    )


def compare_outside(
    source_connection: Connection[Any],
    target_connection: Connection[Any],
    start: datetime,
    end: datetime,
    *,
    tables: Sequence[OracleTable] = TABLES,
    schema: str = "production",
) -> dict[str, Comparison]:
    """Compare all other rows of the source, those that are not in ``[start, end)``, with production, by table."""
    return _compare_all(
        source_connection,
        target_connection,
        lambda column: sql.SQL("({}) IS NOT TRUE").format(_in_window(column, start, end)),
        tables,
        schema,
    )


def outside_digest(
    target_connection: Connection[Any],
    start: datetime,
    end: datetime,
    *,
    tables: Sequence[OracleTable] = TABLES,
    schema: str = "production",
) -> str:
    """Return a digest of all production rows that are not in ``[start, end)``: it changes when any of them does."""
    digest = hashlib.sha256()
    with target_connection.transaction():
        target_connection.execute(_SETTINGS)
        for table in tables:
            statement = sql.SQL(_OUTSIDE).format(
                table=sql.Identifier(schema, table.name.lower()),
                in_window=_in_window(_WINDOW_COLUMN.lower(), start, end),
            )
            row = target_connection.execute(statement).fetchone()
            assert row is not None
            digest.update(f"{table.name}={row[0]}\n".encode())
    return digest.hexdigest()


def _compare_all(
    source: Connection[Any], target: Connection[Any], chosen: _Chosen, tables: Sequence[OracleTable], schema: str
) -> dict[str, Comparison]:
    with source.transaction(), target.transaction():
        for connection in (source, target):
            connection.execute(_SETTINGS)
        return {table.name.lower(): _compare(source, target, table, schema, chosen) for table in tables}


def _compare(
    source: Connection[Any], target: Connection[Any], table: OracleTable, schema: str, chosen: _Chosen
) -> Comparison:
    key = [sql.Identifier(name.lower()) for name in table.primary_key]
    parts = {
        "table": sql.Identifier(schema, table.name.lower()),
        "truth": sql.Identifier(f"truth_{table.name.lower()}"),
        "key": sql.SQL(", ").join(key),
        "window": sql.Identifier(_WINDOW_COLUMN.lower()),
        "chosen": chosen(_WINDOW_COLUMN.lower()),
        "same_key": sql.SQL(" AND ").join(sql.SQL("t.{0} = s.{0}").format(name) for name in key),
        "digest": _digest(table, lower=True),
    }
    target.execute(
        sql.SQL(
            "CREATE TEMPORARY TABLE {truth} ON COMMIT DROP AS "
            "SELECT {key}, {window} AS version, ''::text AS digest FROM {table} WITH NO DATA"
        ).format(**parts)
    )
    _carry_digests(source, target, table, parts["truth"], chosen)
    target.execute(sql.SQL("CREATE INDEX ON {truth} ({key})").format(**parts))
    target.execute(sql.SQL("ANALYZE {truth}").format(**parts))
    row = target.execute(sql.SQL(_COUNT).format(**parts)).fetchone()
    target.execute(sql.SQL("DROP TABLE {truth}").format(**parts))
    assert row is not None
    return Comparison(*row)


def _carry_digests(
    source: Connection[Any],
    target: Connection[Any],
    table: OracleTable,
    truth: sql.Composable,
    chosen: _Chosen,
) -> None:
    read = sql.SQL("COPY (SELECT {key}, t.{window}, {digest} FROM {table} AS t WHERE {chosen}) TO STDOUT").format(
        key=sql.SQL(", ").join(sql.SQL("t.{}").format(sql.Identifier(name)) for name in table.primary_key),
        window=sql.Identifier(_WINDOW_COLUMN),
        digest=_digest(table, lower=False),
        table=sql.Identifier(SCHEMA, table.name),
        chosen=chosen(_WINDOW_COLUMN),
    )
    with (
        source.cursor().copy(read) as rows,
        target.cursor().copy(sql.SQL("COPY {} FROM STDIN").format(truth)) as sink,
    ):
        for block in rows:
            sink.write(block)


def _digest(table: OracleTable, *, lower: bool) -> sql.Composed:
    """Return the md5 of a row's canonical text, in which NULL differs from '' and columns stay apart."""
    columns = (column for column in table.columns if column.name in table.column_names)
    return sql.SQL("md5(ROW({})::text)").format(sql.SQL(", ").join(_text(column, lower=lower) for column in columns))


def _text(column: OracleColumn, *, lower: bool) -> sql.Composed:
    name = sql.SQL("t.{}").format(sql.Identifier(column.name.lower() if lower else column.name))
    return sql.SQL(_CANONICAL[column.pg_type.partition("(")[0]]).format(name)


def _in_window(column: str, start: datetime, end: datetime) -> sql.Composed:
    name = sql.Identifier(column)
    return sql.SQL("t.{0} >= {1} AND t.{0} < {2}").format(name, sql.Literal(start), sql.Literal(end))
