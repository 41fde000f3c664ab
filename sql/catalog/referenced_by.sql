-- The foreign keys, of tables of any schema, that refer to one table, to a partition of it or to an heir, or to the table
-- that it is a partition of; and what they do when a referred row goes away or its value changes:
-- a = no action, r = restrict, c = cascade, n = set null, d = set default.
-- psql: -v schema=production -v table=customers
WITH RECURSIVE parts AS (
    SELECT c.oid
    FROM pg_class AS c
    INNER JOIN pg_namespace AS n ON c.relnamespace = n.oid
    WHERE n.nspname = :'schema' AND c.relname = :'table'
    UNION
    SELECT i.inhrelid
    FROM pg_inherits AS i
    INNER JOIN parts ON i.inhparent = parts.oid
),

-- From the copies of a key that each partition has up to the key itself.
keys AS (
    SELECT
        f.oid,
        f.conparentid
    FROM pg_constraint AS f
    INNER JOIN parts ON f.confrelid = parts.oid
    WHERE f.contype = 'f'
    UNION
    SELECT
        f.oid,
        f.conparentid
    FROM pg_constraint AS f
    INNER JOIN keys ON f.oid = keys.conparentid
)

SELECT
    f.conname AS name,
    f.confdeltype AS on_delete,
    f.confupdtype AS on_update,
    c.oid AS child_oid,
    n.nspname AS child_schema,
    c.relname AS child_table,
    c.relkind = 'p' AS child_is_partitioned,
    has_schema_privilege(n.oid, 'USAGE')
    AND has_table_privilege(c.oid, 'SELECT')
    AND NOT row_security_active(c.oid) AS child_readable,
    array_agg(ca.attname::text ORDER BY k.position) AS columns,
    array_agg(pa.attname::text ORDER BY k.position) AS parent_columns
FROM keys
INNER JOIN pg_constraint AS f ON keys.oid = f.oid
INNER JOIN pg_class AS c ON f.conrelid = c.oid
INNER JOIN pg_namespace AS n ON c.relnamespace = n.oid
CROSS JOIN LATERAL unnest(f.conkey, f.confkey) WITH ORDINALITY AS k (child_attnum, parent_attnum, position)
INNER JOIN pg_attribute AS ca ON f.conrelid = ca.attrelid AND k.child_attnum = ca.attnum
INNER JOIN pg_attribute AS pa ON f.confrelid = pa.attrelid AND k.parent_attnum = pa.attnum
WHERE
    keys.conparentid = 0
    -- A column of newer servers: NOT ENFORCED.
    AND coalesce((to_jsonb(f) ->> 'conenforced')::boolean, TRUE)
GROUP BY f.oid, f.conname, f.confdeltype, f.confupdtype, c.oid, n.oid, n.nspname, c.relname, c.relkind
ORDER BY f.conname, child_schema, child_table;
