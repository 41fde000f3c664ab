-- Production lacks the rows with the even ones of some keys, and has other content in the others under the same version.
-- psql: -v keys={1,2}
DELETE FROM production.orders
WHERE order_id = any(:'keys'::bigint []) AND order_id % 2 = 0;

UPDATE production.orders
SET note = 'other'
WHERE order_id = any(:'keys'::bigint []);
