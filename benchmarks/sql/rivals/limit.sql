-- The bare limit: an upsert of the rows that differ and of no others, which somebody has worked out beforehand. No
-- audit, and no look at the rows that are identical.
-- psql:
INSERT INTO production.orders AS p
SELECT
    order_id,
    customer_id,
    status,
    amount,
    note,
    created_at,
    updated_at
FROM limit_delta
ON CONFLICT (order_id) DO UPDATE
SET
    customer_id = excluded.customer_id,
    status = excluded.status,
    amount = excluded.amount,
    note = excluded.note,
    created_at = excluded.created_at,
    updated_at = excluded.updated_at
WHERE excluded.updated_at > p.updated_at;
