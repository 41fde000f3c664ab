-- The columns of one table, in their order, as the catalog knows them.
-- psql: -v schema=production -v table=orders
SELECT
    a.attname AS name,
    format_type(a.atttypid, a.atttypmod) AS type,
    a.attnotnull AS not_null,
    a.attgenerated <> '' AS generated,
    a.attidentity AS identity,
    a.atthasdef AS has_default,
    a.attcollation <> 0 AS collatable,
    -- json, xml, point and the like have no equality: they are compared as text.
    EXISTS (
        SELECT 1 FROM pg_operator AS o
        WHERE
            o.oprname = '='
            AND o.oprleft = coalesce(nullif(t.typbasetype, 0), t.oid)
            AND o.oprright = coalesce(nullif(t.typbasetype, 0), t.oid)
    )
    OR t.typcategory IN ('A', 'E', 'R', 'S') AS comparable,
    pg_get_serial_sequence(quote_ident(n.nspname) || '.' || quote_ident(c.relname), a.attname) AS sequence
FROM pg_attribute AS a
INNER JOIN pg_class AS c ON a.attrelid = c.oid
INNER JOIN pg_namespace AS n ON c.relnamespace = n.oid
INNER JOIN pg_type AS t ON a.atttypid = t.oid
WHERE
    n.nspname = :'schema' AND c.relname = :'table'
    AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum;
