-- The window's rows as the source has them, each with what is going to be wrong about it in production.
-- psql: -v start=2024-01-12 -v end=2025-01-01 -v newer=10 -v older=5 -v missing=5
CREATE TABLE classes AS
SELECT
    o.*,
    CASE
        WHEN o.draw < :'missing'::integer THEN 'missing'
        WHEN o.draw < :'missing'::integer + :'newer'::integer THEN 'newer'
        WHEN o.draw < :'missing'::integer + :'newer'::integer + :'older'::integer THEN 'older'
        ELSE 'identical'
    END AS class
FROM (
    SELECT
        *,
        (hashint8(order_id + 13) & 2147483647) % 100 AS draw
    FROM production.orders
    WHERE updated_at >= :'start'::timestamp AND updated_at < :'end'::timestamp
) AS o
ORDER BY o.order_id;
ALTER TABLE classes ADD PRIMARY KEY (order_id);
