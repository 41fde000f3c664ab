"""Made-up rows for the reference group: the same for the same arguments, and full of values that are hard to copy."""

from __future__ import annotations

from datetime import date
from typing import Any

from psycopg import Connection, sql
from psycopg.rows import dict_row

# noise: a number below a bound that depends on a label and an id alone (md5 is the same on every version).
# moment: row ``i`` of ``n`` of a day: the first exactly at midnight, the last in the day's last microsecond.
_HELPERS = """
CREATE OR REPLACE FUNCTION pg_temp.noise(label text, id numeric, below bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE AS $$
    SELECT ('x' || substr(md5(label || ':' || id), 1, 15))::bit(60)::bigint % below
$$;
CREATE OR REPLACE FUNCTION pg_temp.moment(day timestamp, i bigint, n bigint, noise bigint) RETURNS timestamp
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE
        WHEN i = 1 THEN day
        WHEN i = n THEN day + interval '1 day' - interval '1 microsecond'
        ELSE day + (((i - 1) * 86400000000 + noise) / n) * interval '1 microsecond'
    END
$$
"""

_CUSTOMERS = """
INSERT INTO "SALES"."CUSTOMERS" ("CUSTOMER_ID", "NAME", "EMAIL", "STATUS", "CREATED_AT", "UPDATED_AT")
SELECT
    r.id,
    (ARRAY['Ana Müller', 'Pat O''Brien', '李雷', 'Zoë "Z" Smith', E'Tab\\there', 'Back\\slash, Inc.'])[
        1 + pg_temp.noise(%(seed)s || 'name', r.id, 6)] || ' ' || r.id,
    CASE WHEN pg_temp.noise(%(seed)s || 'mail', r.id, 10) > 0 THEN 'customer' || r.id || '@example.com' END,
    (ARRAY['active', 'inactive', 'blocked'])[1 + pg_temp.noise(%(seed)s || 'status', r.id, 3)],
    m.updated_at - pg_temp.noise(%(seed)s || 'created', r.id, 2592000000000) * interval '1 microsecond',
    m.updated_at
FROM (
    SELECT %(customer_base)s + d * %(customers)s::bigint + i AS id, d, i
    FROM generate_series(0, %(days)s - 1) AS d, generate_series(1, %(customers)s::bigint) AS i
) AS r
CROSS JOIN LATERAL (
    SELECT pg_temp.moment(
        %(first)s::date + r.d, r.i, %(customers)s, pg_temp.noise(%(seed)s || 'cu', r.id, 86400000000)
    ) AS updated_at
) AS m
"""

# Half of the orders are by a customer of the same day; the others are by a regular customer, which every third customer
# of this and earlier days is. So most customers have orders of their own day only, as a reload of one day needs.
_ORDERS = """
INSERT INTO "SALES"."ORDERS" ("ORDER_ID", "CUSTOMER_ID", "AMOUNT", "ORDER_DATE", "UPDATED_AT")
SELECT
    r.id,
    %(customer_base)s + CASE
        WHEN pg_temp.noise(%(seed)s || 'own', r.id, 2) = 0
            THEN r.d * %(customers)s::bigint + 1 + pg_temp.noise(%(seed)s || 'customer', r.id, %(customers)s)
        ELSE pg_temp.noise(%(seed)s || 'day', r.id, r.d + 1) * %(customers)s::bigint
            + 1 + 3 * pg_temp.noise(%(seed)s || 'regular', r.id, (%(customers)s + 2) / 3)
    END,
    round((pg_temp.noise(%(seed)s || 'amount', r.id, 10000000) - 500000) / 100.0, 2),
    date_trunc('second', m.updated_at) - pg_temp.noise(%(seed)s || 'od', r.id, 172800) * interval '1 second',
    m.updated_at
FROM (
    SELECT %(order_base)s + d * %(orders)s::bigint + i AS id, d, i
    FROM generate_series(0, %(days)s - 1) AS d, generate_series(1, %(orders)s::bigint) AS i
) AS r
CROSS JOIN LATERAL (
    SELECT pg_temp.moment(
        %(first)s::date + r.d, r.i, %(orders)s, pg_temp.noise(%(seed)s || 'or', r.id, 86400000000)
    ) AS updated_at
) AS m
"""

# One to four lines per order: the first is as old as the order, the others are up to some minutes younger, on the same
# day.
_ORDER_ITEMS = """
INSERT INTO "SALES"."ORDER_ITEMS" ("ORDER_ID", "LINE_NO", "PRODUCT", "QUANTITY", "PRICE", "UPDATED_AT")
SELECT
    o."ORDER_ID",
    line,
    (ARRAY['Bolt', 'Nut, 5"', 'Wäscheleine', 'Cable\\6', '螺丝'])[
        1 + pg_temp.noise(%(seed)s || 'product', o."ORDER_ID" * 10 + line, 5)],
    1 + pg_temp.noise(%(seed)s || 'quantity', o."ORDER_ID" * 10 + line, 1000),
    pg_temp.noise(%(seed)s || 'price', o."ORDER_ID" * 10 + line, 100000000) / 10000.0,
    least(
        o."UPDATED_AT" + (line - 1) * pg_temp.noise(%(seed)s || 'line', o."ORDER_ID" * 10 + line, 200000000)
            * interval '1 microsecond',
        date_trunc('day', o."UPDATED_AT") + interval '1 day' - interval '1 microsecond'
    )
FROM "SALES"."ORDERS" AS o
CROSS JOIN LATERAL generate_series(1, 1 + pg_temp.noise(%(seed)s || 'lines', o."ORDER_ID", 4)) AS line
WHERE o."ORDER_ID" > %(order_base)s
"""

# TOTAL has at most ten decimals, which is what DMS carries of a bare NUMBER, and like every Oracle NUMBER no trailing
# zeros. No LOB is empty, because DMS turns an empty one into NULL.
_DOCUMENTS = """
INSERT INTO "SALES"."DOCUMENTS" (
    "DOCUMENT_ID", "CUSTOMER_ID", "TOTAL", "SERIAL_NO", "ISSUED_ON", "SIGNED_AT", "CODE", "TITLE", "DIGEST", "BODY",
    "SCAN", "UPDATED_AT"
)
SELECT
    r.id,
    CASE WHEN pg_temp.noise(%(seed)s || 'dc', r.id, 3) > 0 THEN pg_temp.noise(%(seed)s || 'dcid', r.id, 100000) END,
    CASE pg_temp.noise(%(seed)s || 'tk', r.id, 5)
        WHEN 0 THEN trim_scale(pg_temp.noise(%(seed)s || 'total', r.id, 1000000000000) / 10000000000.0)
        WHEN 1 THEN trim_scale(-0.0000000001 * pg_temp.noise(%(seed)s || 'total', r.id, 1000))
        WHEN 2 THEN pg_temp.noise(%(seed)s || 'total', r.id, 1000000) * 100000000000000000000::numeric
        WHEN 3 THEN pg_temp.noise(%(seed)s || 'total', r.id, 1000)
    END,
    CASE pg_temp.noise(%(seed)s || 'sk', r.id, 6)
        WHEN 0 THEN NULL
        WHEN 1 THEN 99999999999999999999999999999999999999
        WHEN 2 THEN -pg_temp.noise(%(seed)s || 'serial', r.id, 1000000000)
        ELSE translate(left(md5('a' || r.id) || md5('b' || r.id), 38), 'abcdef', '123456')::numeric
    END,
    CASE
        WHEN pg_temp.noise(%(seed)s || 'ik', r.id, 5) > 0
            THEN date_trunc('second', m.updated_at)
                - pg_temp.noise(%(seed)s || 'issued', r.id, 9000000) * interval '1 second'
    END,
    CASE pg_temp.noise(%(seed)s || 'gk', r.id, 8)
        WHEN 0 THEN NULL
        WHEN 1 THEN NULL
        WHEN 2 THEN timestamp '9999-12-31 23:59:59.999999'
        WHEN 3 THEN timestamp '1582-10-04 00:00:00.000001'
        ELSE m.updated_at - pg_temp.noise(%(seed)s || 'signed', r.id, 86400000000) * interval '1 microsecond'
    END,
    CASE
        WHEN pg_temp.noise(%(seed)s || 'ck', r.id, 5) > 0
            THEN 'C' || pg_temp.noise(%(seed)s || 'code', r.id, 1000000000)
    END,
    CASE
        WHEN pg_temp.noise(%(seed)s || 'ttk', r.id, 4) > 0
            THEN (ARRAY[
                'Ordinary', 'Comma, "quote" and ''apostrophe''', E'Line\\nbreak\\r\\n', 'Back\\slash \\N', 'NULL',
                U&'Caf\\00E9', U&'Cafe\\0301', '🙂 四角号码', '  blanks  ', E'Tab\\t'
            ])[1 + pg_temp.noise(%(seed)s || 'title', r.id, 10)]
    END,
    CASE WHEN pg_temp.noise(%(seed)s || 'hk', r.id, 4) > 0 THEN decode(md5(%(seed)s || r.id), 'hex') END,
    CASE
        WHEN pg_temp.noise(%(seed)s || 'bk', r.id, 3) > 0
            THEN repeat(
                'Großes Textfeld, Zeile ' || r.id || E'\\n', 1 + pg_temp.noise(%(seed)s || 'body', r.id, 60)::integer
            )
    END,
    CASE
        WHEN pg_temp.noise(%(seed)s || 'nk', r.id, 2) > 0
            THEN decode(
                repeat('00ff0a5c' || md5('s' || r.id), 1 + pg_temp.noise(%(seed)s || 'scan', r.id, 80)::integer), 'hex'
            )
    END,
    m.updated_at
FROM (
    SELECT %(document_base)s + d * %(documents)s::bigint + i AS id, d, i
    FROM generate_series(0, %(days)s - 1) AS d, generate_series(1, %(documents)s::bigint) AS i
) AS r
CROSS JOIN LATERAL (
    SELECT pg_temp.moment(
        %(first)s::date + r.d, r.i, %(documents)s, pg_temp.noise(%(seed)s || 'do', r.id, 86400000000)
    ) AS updated_at
) AS m
"""

_BASES = """
SELECT
    (SELECT coalesce(max("CUSTOMER_ID"), 0) FROM "SALES"."CUSTOMERS") AS customer_base,
    (SELECT coalesce(max("ORDER_ID"), 0) FROM "SALES"."ORDERS") AS order_base,
    (SELECT coalesce(max("DOCUMENT_ID"), 0) FROM "SALES"."DOCUMENTS") AS document_base
"""

_INSERTS = {"CUSTOMERS": _CUSTOMERS, "ORDERS": _ORDERS, "ORDER_ITEMS": _ORDER_ITEMS, "DOCUMENTS": _DOCUMENTS}


def seed(
    source_connection: Connection[Any],
    *,
    first: date,
    days: int,
    customers_per_day: int,
    orders_per_day: int,
    seed: int,
) -> dict[str, int]:
    """Fill the source with ``days`` days of rows from ``first`` on; the rows made, by source table.

    UPDATED_AT (wall-clock time of the source's zone) is spread over each day: each table has a row at every midnight
    and one in every day's last microsecond. There is half a document for an order. No row refers to a later day. Rows
    that are there already stay: new ids come after them.
    """
    rows = {
        "first": first,
        "days": days,
        "customers": customers_per_day,
        "orders": orders_per_day,
        "documents": max(1, orders_per_day // 2),
        "seed": f"{seed}:",
    }
    made = {}
    with source_connection.transaction():
        source_connection.execute(_HELPERS)
        bases = source_connection.cursor(row_factory=dict_row).execute(_BASES).fetchone()
        assert bases is not None
        for table, statement in _INSERTS.items():
            made[table] = source_connection.execute(statement, {**bases, **rows}).rowcount
            source_connection.execute(sql.SQL("ANALYZE {}").format(sql.Identifier("SALES", table)))
    return made
