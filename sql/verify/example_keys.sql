-- The keys of some rows of a table for which a condition holds.
-- psql: -v schema=staging -v table=orders_r1 -v key_text=order_id::text -v condition="order_id IS NULL"
SELECT :key_text AS key_text
FROM :"schema".:"table"
WHERE :condition
LIMIT 5;
