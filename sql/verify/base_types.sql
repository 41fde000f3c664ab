-- The columns of a table with the type behind each: a domain stands for the type that it restricts.
-- psql: -v schema=production -v table=orders
SELECT
    a.attname AS name,
    CASE
        WHEN t.typtype = 'd' THEN format_type(t.typbasetype, t.typtypmod)
        ELSE format_type(a.atttypid, a.atttypmod)
    END AS type
FROM pg_attribute AS a
INNER JOIN pg_class AS c ON a.attrelid = c.oid
INNER JOIN pg_namespace AS n ON c.relnamespace = n.oid
INNER JOIN pg_type AS t ON a.atttypid = t.oid
WHERE
    n.nspname = :'schema' AND c.relname = :'table'
    AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum;
