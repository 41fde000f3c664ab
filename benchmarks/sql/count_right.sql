-- How many of the rows with some keys are in production as they were filled in.
-- psql: -v keys={1}
SELECT count(*) AS are_right
FROM production.orders
WHERE order_id = any(:'keys'::bigint []) AND note = md5(order_id::text);
