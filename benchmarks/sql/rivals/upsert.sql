-- Rows are upserted, with a guard against newer ones: all that are staged, or a delta, which is the limit.
-- psql: -v rows_schema=public -v rows_table=limit_delta
INSERT INTO production.orders AS p
SELECT
    order_id,
    customer_id,
    status,
    amount,
    note,
    created_at,
    updated_at
FROM :"rows_schema".:"rows_table"
ON CONFLICT (order_id) DO UPDATE
SET
    customer_id = excluded.customer_id,
    status = excluded.status,
    amount = excluded.amount,
    note = excluded.note,
    created_at = excluded.created_at,
    updated_at = excluded.updated_at
WHERE excluded.updated_at > p.updated_at;
