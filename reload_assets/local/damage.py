"""Damages the window's rows in production as lost changes do, and returns how many of each table in which way.

- ``missing``: deleted, children first; a missing parent takes its children of the window with it.
- ``stale``: an older version, which has other content.
- ``corrupted``: the right version with other content.

Nothing outside the window is touched: parents of rows outside it stay, and stale versions lie inside it, so that
``reload_assets.local.compare.outside_digest`` is the same before the damage, after it and after the reload.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection, sql

SHARE = 0.02
"""The share of a window's rows that each kind of damage is done to; more rows go missing with their parents."""
AT_LEAST = 3
"""Rows of each kind and table; a window with too few rows for that is refused."""


@dataclass(frozen=True)
class _Table:
    """``altered`` maps each column to another value than it has; ``deletable`` holds for rows that may be deleted."""

    name: str
    key: tuple[str, ...]
    altered: dict[str, str]
    deletable: str = "true"
    # Rows that are deleted together with a missing parent.
    orphaned: str = "false"


_TABLES = (
    _Table(
        "customers",
        ("customer_id",),
        {
            "name": "left('~' || coalesce(name, ''), 100)",
            "email": "CASE WHEN email IS NULL THEN 'lost@example.com' END",
            "status": "CASE WHEN status = 'active' THEN 'blocked' ELSE 'active' END",
            "created_at": "coalesce(created_at - interval '1 microsecond', timestamp '2000-01-01')",
        },
        deletable="""NOT EXISTS (
            SELECT 1 FROM {schema}.orders AS o LEFT JOIN {schema}.order_items AS i USING (order_id)
            WHERE o.customer_id = t.customer_id
              AND (o.updated_at >= %(start)s AND o.updated_at < %(end)s
                   AND coalesce(i.updated_at >= %(start)s AND i.updated_at < %(end)s, i.order_id IS NULL)) IS NOT TRUE
        )""",
    ),
    _Table(
        "orders",
        ("order_id",),
        {
            "amount": "CASE WHEN amount > 0 THEN amount - 0.01 ELSE coalesce(amount, 0) + 0.01 END",
            "order_date": "coalesce(order_date + interval '1 second', timestamp '2000-01-01')",
        },
        deletable="""NOT EXISTS (
            SELECT 1 FROM {schema}.order_items AS i WHERE i.order_id = t.order_id
              AND (i.updated_at >= %(start)s AND i.updated_at < %(end)s) IS NOT TRUE
        )""",
        orphaned="t.customer_id IN (SELECT customer_id FROM damaged_customers WHERE kind = 'missing')",
    ),
    _Table(
        "order_items",
        ("order_id", "line_no"),
        {
            "product": "left('~' || coalesce(product, ''), 80)",
            "quantity": "coalesce(quantity, 0) + 1",
            "price": "coalesce(price, 0) + 0.0001",
        },
        orphaned="t.order_id IN (SELECT order_id FROM damaged_orders WHERE kind = 'missing')",
    ),
    _Table(
        "documents",
        ("document_id",),
        {
            "customer_id": "CASE WHEN customer_id IS NULL THEN 1 END",
            "total": "coalesce(total, 0) + 0.0000000001",
            "serial_no": "coalesce(nullif(-serial_no, 0), 7)",
            "issued_on": "coalesce(issued_on + interval '1 second', timestamp '2000-01-01')",
            "signed_at": "coalesce(signed_at - interval '1 microsecond', timestamp '2000-01-01')",
            "code": "left('~' || coalesce(code::text, ''), 10)",
            "title": "CASE WHEN title IS NULL THEN '~' END",
            "digest": "CASE WHEN digest IS NULL THEN '\\x00'::bytea END",
            "body": "coalesce(nullif(left(body, -1), ''), '~')",
            "scan": "coalesce(scan, '') || '\\x00'::bytea",
        },
    ),
)
_IN_WINDOW = "t.updated_at >= %(start)s AND t.updated_at < %(end)s"

_CREATE = """
CREATE TEMPORARY TABLE {damaged} ON COMMIT DROP AS
SELECT {key}, ''::text AS kind, 0::bigint AS number FROM {table} WITH NO DATA
"""
_ADD_ORPHANED = """
INSERT INTO {damaged} ({key}, kind, number)
SELECT {key}, 'missing', 0 FROM {table} AS t WHERE {in_window} AND {orphaned}
"""
# The rows next to the window's bounds come first, because these are the ones that a careless reload gets wrong.
_PICK = """
INSERT INTO {damaged} ({key}, kind, number)
SELECT {key}, %(kind)s, (SELECT count(*) FROM {damaged}) + row_number() OVER () FROM (
    SELECT {key} FROM {table} AS t
    WHERE {in_window} AND {eligible} AND NOT EXISTS (SELECT 1 FROM {damaged} AS d WHERE {same_key})
    ORDER BY {first_choice} DESC, md5(concat_ws(':', {key}, %(seed)s::text))
    LIMIT greatest(%(at_least)s, (SELECT round(count(*) * %(share)s) FROM {table} AS t WHERE {in_window})::bigint)
) AS picked
"""
_ELIGIBLE = {"stale": "t.updated_at >= %(start)s::timestamp + interval '1 second'", "corrupted": "true"}
_FIRST_CHOICE = {
    "missing": "t.updated_at = %(end)s::timestamp - interval '1 microsecond'",
    "stale": "t.updated_at = %(end)s::timestamp - interval '1 microsecond'",
    "corrupted": "t.updated_at = %(start)s",
}
_DELETE = "DELETE FROM {table} AS t USING {damaged} AS d WHERE {same_key} AND d.kind = 'missing'"
# One column per row is altered, a different one each time, so that every column is altered in some row.
_UPDATE = """
UPDATE {table} AS t SET {assignments}, updated_at = CASE d.kind
    WHEN 'stale' THEN t.updated_at - (t.updated_at - %(start)s::timestamp) / 2 ELSE t.updated_at
END
FROM {damaged} AS d WHERE {same_key} AND d.kind <> 'missing'
"""


def damage(
    target: Connection[Any], start: datetime, end: datetime, *, seed: int, schema: str = "production"
) -> dict[str, dict[str, int]]:
    """Damage production's rows in ``[start, end)`` (wall-clock times). Returns the numbers of rows by table and kind.

    The same arguments damage the same rows. Raises ValueError, and changes nothing, if the window has too few rows.
    """
    values = {"start": start, "end": end, "seed": seed, "share": SHARE, "at_least": AT_LEAST}
    done = {}
    with target.transaction():
        for table in _TABLES:
            done[table.name] = _choose(target, table, schema, values)
        for table in reversed(_TABLES):
            target.execute(_compose(_DELETE, table, schema), values)
        for table in _TABLES:
            target.execute(_compose(_UPDATE, table, schema), values)
            target.execute(_compose("DROP TABLE {damaged}", table, schema))
    return done


def _choose(target: Connection[Any], table: _Table, schema: str, values: dict[str, Any]) -> dict[str, int]:
    target.execute(_compose(_CREATE, table, schema))
    target.execute(_compose(_ADD_ORPHANED, table, schema), values)
    for kind in ("missing", "stale", "corrupted"):
        statement = _PICK.replace("{eligible}", _ELIGIBLE.get(kind, table.deletable))
        statement = statement.replace("{first_choice}", _FIRST_CHOICE[kind])
        picked = target.execute(_compose(statement, table, schema), {**values, "kind": kind}).rowcount
        if picked < AT_LEAST:
            raise ValueError(
                f"{schema}.{table.name} has {picked} rows between {values['start']} and {values['end']} that can be "
                f"made {kind}, fewer than {AT_LEAST}: seed more rows a day, or damage a longer window"
            )
    rows = target.execute(_compose("SELECT kind, count(*) FROM {damaged} GROUP BY kind", table, schema)).fetchall()
    return dict(rows)


def _compose(statement: str, table: _Table, schema: str) -> sql.Composed:
    assignments = ", ".join(
        f"{column} = CASE WHEN d.number %% {len(table.altered)} = {number} THEN {altered} ELSE t.{column} END"
        for number, (column, altered) in enumerate(table.altered.items())
    )
    text = (
        statement.replace("{assignments}", assignments)
        .replace("{in_window}", _IN_WINDOW)
        .replace("{orphaned}", table.orphaned)
        .replace("{same_key}", " AND ".join(f"t.{column} = d.{column}" for column in table.key))
        .replace("{key}", ", ".join(table.key))
    )
    return sql.SQL(text).format(
        schema=sql.Identifier(schema),
        table=sql.Identifier(schema, table.name),
        damaged=sql.Identifier(f"damaged_{table.name}"),
    )
