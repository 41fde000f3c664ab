-- The foreign keys that one table has, each with its columns and its parent's.
-- psql: -v schema=production -v table=orders
SELECT
    f.conname AS name,
    pn.nspname AS parent_schema,
    p.relname AS parent_table,
    f.condeferrable AS deferrable,
    array_agg(ca.attname::text ORDER BY k.position) AS columns,
    array_agg(pa.attname::text ORDER BY k.position) AS parent_columns
FROM pg_constraint AS f
INNER JOIN pg_class AS c ON f.conrelid = c.oid
INNER JOIN pg_namespace AS n ON c.relnamespace = n.oid
INNER JOIN pg_class AS p ON f.confrelid = p.oid
INNER JOIN pg_namespace AS pn ON p.relnamespace = pn.oid
CROSS JOIN LATERAL unnest(f.conkey, f.confkey) WITH ORDINALITY AS k (child_attnum, parent_attnum, position)
INNER JOIN pg_attribute AS ca ON f.conrelid = ca.attrelid AND k.child_attnum = ca.attnum
INNER JOIN pg_attribute AS pa ON f.confrelid = pa.attrelid AND k.parent_attnum = pa.attnum
WHERE
    f.contype = 'f' AND n.nspname = :'schema' AND c.relname = :'table'
    -- The copies of a key for each partition of the parent say nothing new; what a partition has from its own parent does.
    AND NOT EXISTS (
        SELECT 1
        FROM pg_constraint AS u
        WHERE u.oid = f.conparentid AND u.conrelid = f.conrelid
    )
GROUP BY f.conname, pn.nspname, p.relname, f.condeferrable
ORDER BY f.conname;
