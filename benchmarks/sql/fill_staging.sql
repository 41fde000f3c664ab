-- Staging gets the source's rows of the window, in the source's order.
-- psql: -v staging_table=orders_r1
INSERT INTO staging.:"staging_table"
SELECT
    order_id,
    customer_id,
    status,
    amount,
    note,
    created_at,
    updated_at
FROM classes;
