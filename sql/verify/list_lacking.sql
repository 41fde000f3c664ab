-- The rows that the source had before a load and that are not staged, as they were noted, in the order of the window
-- column.
-- psql: -v schema=staging -v table=source_keys_1 -v staging_table=orders_r1 -v keys="s.order_id::text AS k1" -v same_key="b.k1 = s.k1"
SELECT b.*
FROM :"schema".:"table" AS b
WHERE NOT EXISTS (SELECT 1 FROM (SELECT :keys FROM :"schema".:"staging_table" AS s) AS s WHERE :same_key)
ORDER BY b.window_text;
