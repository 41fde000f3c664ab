-- The floor, first part: the rows that differ, found by one probe per row and by their version alone. In psql, where each
-- statement is a transaction of its own, the table is gone again right away.
-- psql: -v staging_table=orders_r1
CREATE TEMPORARY TABLE floor_delta ON COMMIT DROP AS
SELECT s.*
FROM staging.:"staging_table" AS s
LEFT JOIN production.orders AS p ON s.order_id = p.order_id
WHERE p.order_id IS NULL OR s.updated_at > p.updated_at
ORDER BY s.order_id;
