-- The tables of the same schema that hold the rows of one table too: those that it is a partition or child of.
-- psql: -v schema=production -v table=orders
WITH RECURSIVE above AS (
    SELECT i.inhparent AS oid
    FROM pg_inherits AS i
    INNER JOIN pg_class AS c ON i.inhrelid = c.oid
    INNER JOIN pg_namespace AS n ON c.relnamespace = n.oid
    WHERE n.nspname = :'schema' AND c.relname = :'table'
    UNION ALL
    SELECT i.inhparent
    FROM above AS a
    INNER JOIN pg_inherits AS i ON a.oid = i.inhrelid
)

SELECT c.relname::text AS name
FROM above AS a
INNER JOIN pg_class AS c ON a.oid = c.oid
INNER JOIN pg_namespace AS n ON c.relnamespace = n.oid
WHERE n.nspname = :'schema'
ORDER BY name;
