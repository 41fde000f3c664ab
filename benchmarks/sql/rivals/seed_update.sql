-- Update, then insert, first part: staged rows that are newer.
-- psql:
UPDATE production.orders AS p
SET
    customer_id = s.customer_id,
    status = s.status,
    amount = s.amount,
    note = s.note,
    created_at = s.created_at,
    updated_at = s.updated_at
FROM seed_staging.orders AS s
WHERE p.order_id = s.order_id AND s.updated_at > p.updated_at;
