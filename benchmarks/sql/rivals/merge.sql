-- MERGE, with a guard against newer rows.
-- psql: -v staging_table=orders_r1
MERGE INTO production.orders AS p
USING staging.:"staging_table" AS s
ON p.order_id = s.order_id
WHEN MATCHED AND s.updated_at > p.updated_at THEN
    UPDATE SET
        customer_id = s.customer_id,
        status = s.status,
        amount = s.amount,
        note = s.note,
        created_at = s.created_at,
        updated_at = s.updated_at
WHEN NOT MATCHED THEN
    INSERT (order_id, customer_id, status, amount, note, created_at, updated_at)
    VALUES (s.order_id, s.customer_id, s.status, s.amount, s.note, s.created_at, s.updated_at);
