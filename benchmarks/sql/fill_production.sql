-- Orders in the order of their making, one a second; a fifth of them was changed at some later time, most of those soon
-- after. A window of the last days then has mostly rows that lie together, and some that lie anywhere.
-- psql: -v rows=1000000 -v customers=100000
INSERT INTO production.customers
SELECT
    c,
    'customer ' || c,
    timestamp '2024-01-01'
FROM generate_series(1, :'customers'::integer) AS c;

INSERT INTO production.orders
SELECT
    o.id,
    1 + (hashint8(o.id) & 2147483647) % :'customers'::integer,
    (ARRAY['new', 'paid', 'shipped', 'done'])[1 + o.id % 4],
    (o.id % 100000) / 7.0,
    md5(o.id::text),
    o.created_at,
    -- A fraction of its own: no two rows have the same instant.
    CASE
        WHEN o.draw % 5 = 0
            THEN
                o.created_at
                + (timestamp '2024-01-01' + :'rows'::bigint * interval '1 second' - o.created_at)
                * power((o.draw / 5) % 100000 / 100000.0::float8, 3)
        ELSE o.created_at
    END + (o.id % 1000000) * interval '1 microsecond'
FROM (
    SELECT
        id,
        timestamp '2024-01-01' + id * interval '1 second' AS created_at,
        hashint8(id + 7) & 2147483647 AS draw
    FROM generate_series(1, :'rows'::bigint) AS id
) AS o;
