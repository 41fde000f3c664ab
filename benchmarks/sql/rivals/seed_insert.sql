-- Update, then insert, second part: staged rows that production lacks.
-- psql:
INSERT INTO production.orders
SELECT
    s.order_id,
    s.customer_id,
    s.status,
    s.amount,
    s.note,
    s.created_at,
    s.updated_at
FROM seed_staging.orders AS s
LEFT JOIN production.orders AS p ON s.order_id = p.order_id
WHERE p.order_id IS NULL;
