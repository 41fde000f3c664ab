-- How many rows that CDC has committed are not as it left them.
-- psql: -v keys={1} -v versions={2101-01-01}
SELECT count(*) AS rolled_back
FROM unnest(:'keys'::bigint [], :'versions'::timestamp []) AS w (order_id, version)
LEFT JOIN production.orders AS p ON w.order_id = p.order_id
WHERE p.updated_at IS DISTINCT FROM w.version;
