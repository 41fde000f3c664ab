-- The columns that decide in which partition of a table a row lies; none where it is not partitioned, or by expressions.
-- psql: -v schema=production -v table=orders
SELECT a.attname::text AS name
FROM pg_partitioned_table AS p
INNER JOIN pg_class AS c ON p.partrelid = c.oid
INNER JOIN pg_namespace AS n ON c.relnamespace = n.oid
INNER JOIN pg_attribute AS a ON c.oid = a.attrelid AND a.attnum = any(p.partattrs::int2 [])
WHERE n.nspname = :'schema' AND c.relname = :'table'
ORDER BY a.attnum;
