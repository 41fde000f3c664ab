-- The tables that refer to one table by a foreign key, or that it refers to, with their primary keys (NULL where there is
-- none).
-- psql: -v schema=production -v table=orders
SELECT
    n.nspname AS related_schema,
    c.relname AS related_table,
    (
        SELECT array_agg(a.attname::text ORDER BY k.position)
        FROM pg_constraint AS p
        CROSS JOIN LATERAL unnest(p.conkey) WITH ORDINALITY AS k (attnum, position)
        INNER JOIN pg_attribute AS a ON p.conrelid = a.attrelid AND k.attnum = a.attnum
        WHERE p.conrelid = c.oid AND p.contype = 'p'
    ) AS primary_key
FROM (
    SELECT f.confrelid AS oid
    FROM pg_constraint AS f
    WHERE
        f.contype = 'f'
        AND f.conrelid = to_regclass(quote_ident(:'schema') || '.' || quote_ident(:'table'))
    UNION
    SELECT f.conrelid AS oid
    FROM pg_constraint AS f
    WHERE
        f.contype = 'f' AND f.conparentid = 0
        AND f.confrelid = to_regclass(quote_ident(:'schema') || '.' || quote_ident(:'table'))
) AS r
INNER JOIN pg_class AS c ON r.oid = c.oid
INNER JOIN pg_namespace AS n ON c.relnamespace = n.oid
ORDER BY n.nspname, c.relname;
