-- The columns of one table, in their order, as the catalog knows them.
-- psql: -v schema=production -v table=orders
SELECT
    a.attname AS name,
    format_type(a.atttypid, a.atttypmod) AS type,
    -- What a domain restricts, however many domains lie between; an enum says that it is one.
    CASE WHEN b.typtype = 'e' THEN 'enum' ELSE format_type(b.oid, b.modifier) END AS base_type,
    a.attnotnull AS not_null,
    a.attgenerated <> '' AS generated,
    a.attidentity AS identity,
    a.atthasdef AS has_default,
    a.attcollation <> 0 AS collatable,
    -- Equal only where every byte is; the collation of a type without one is its default.
    coalesce(l.collisdeterministic, TRUE) AS exact,
    -- What has no equality of the whole value is compared as text: json and xml have no "=", box and circle have one
    -- that compares areas, and an array is as good as its elements.
    b.typcategory IN ('E', 'R', 'S')
    OR EXISTS (
        SELECT 1
        FROM pg_opclass AS o
        INNER JOIN pg_am AS m ON o.opcmethod = m.oid
        WHERE o.opcdefault AND m.amname IN ('btree', 'hash') AND o.opcintype = coalesce(e.oid, b.oid)
    )
    OR coalesce(e.typcategory IN ('E', 'R', 'S'), FALSE) AS comparable,
    pg_get_serial_sequence(quote_ident(n.nspname) || '.' || quote_ident(c.relname), a.attname) AS sequence
FROM pg_attribute AS a
INNER JOIN pg_class AS c ON a.attrelid = c.oid
INNER JOIN pg_namespace AS n ON c.relnamespace = n.oid
INNER JOIN pg_type AS t ON a.atttypid = t.oid
CROSS JOIN LATERAL (
    WITH RECURSIVE restricted AS (
        SELECT
            t.oid AS type_oid,
            a.atttypmod AS modifier
        UNION ALL
        SELECT
            d.typbasetype,
            d.typtypmod
        FROM restricted AS r
        INNER JOIN pg_type AS d ON r.type_oid = d.oid
        WHERE d.typtype = 'd'
    )

    SELECT
        y.*,
        r.modifier
    FROM restricted AS r
    INNER JOIN pg_type AS y ON r.type_oid = y.oid
    WHERE y.typtype <> 'd'
) AS b
LEFT JOIN pg_collation AS l ON a.attcollation = l.oid
LEFT JOIN pg_type AS e ON b.typelem = e.oid AND b.typcategory = 'A'
WHERE
    n.nspname = :'schema' AND c.relname = :'table'
    AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum;
