-- The catalog: the columns of a table, those that lead its indexes, and those that partition it.
-- By hand: psql -f sql/example.psql -f sql/catalog/columns.sql

-- name: list_columns
-- List the columns of one table in their order.
SELECT
    a.attname AS name,
    format_type(a.atttypid, a.atttypmod) AS type,
    -- The base type of a domain, through any number of domains; 'enum' for an enum.
    CASE WHEN b.typtype = 'e' THEN 'enum' ELSE format_type(b.oid, b.modifier) END AS base_type,
    coalesce(b.is_checked, FALSE) AS checked,
    a.attnotnull AS not_null,
    a.attgenerated <> '' AS generated,
    a.attidentity AS identity,
    -- A domain may have a default of its own.
    a.atthasdef OR t.typdefault IS NOT NULL AS has_default,
    a.attcollation <> 0 AS collatable,
    -- Texts are equal only if all their bytes are. A type without a collation counts as such.
    coalesce(l.collisdeterministic, TRUE) AS exact,
    -- Values of other types are compared as text: json and xml have no "=", that of box and circle compares areas, and
    -- for an array the type of its elements decides.
    b.typcategory IN ('R', 'S')
    -- A domain over an enum has no operators of its own, nor the enum's.
    OR (b.typcategory = 'E' AND t.typtype <> 'd')
    OR EXISTS (
        SELECT 1
        FROM pg_opclass AS o
        INNER JOIN pg_am AS m ON o.opcmethod = m.oid
        WHERE o.opcdefault AND m.amname IN ('btree', 'hash') AND o.opcintype = coalesce(e.oid, b.oid)
    )
    OR coalesce(e.typcategory IN ('E', 'R', 'S'), FALSE) AS comparable,
    coalesce(
        pg_get_serial_sequence(quote_ident(n.nspname) || '.' || quote_ident(c.relname), a.attname),
        -- A sequence that no column owns, or that another one owns, if the default is its next value and nothing else.
        (
            SELECT quote_ident(qn.nspname) || '.' || quote_ident(q.relname)
            FROM pg_attrdef AS f
            CROSS JOIN LATERAL (
                SELECT
                    regexp_match(
                        pg_get_expr(f.adbin, f.adrelid),
                        '^\(*nextval\(\(*''((?:[^'']|'''')+)''::(?:text|regclass)\)*(?:::\w+)?\)*$'
                    ) AS parts
            ) AS called
            INNER JOIN pg_class AS q ON q.oid = to_regclass(replace(called.parts[1], '''''', ''''))
            INNER JOIN pg_namespace AS qn ON q.relnamespace = qn.oid
            WHERE f.adrelid = a.attrelid AND f.adnum = a.attnum AND q.relkind = 'S'
        )
    ) AS sequence
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
        r.modifier,
        (
            SELECT bool_or(d.typnotnull OR d.oid IN (SELECT con.contypid FROM pg_constraint AS con))
            FROM restricted AS each_one
            INNER JOIN pg_type AS d ON each_one.type_oid = d.oid AND d.typtype = 'd'
        ) AS is_checked
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

-- name: list_leading_columns
-- List the columns by whose ranges an index of a table finds rows: the first column of each B-tree or BRIN index over
-- all rows.
SELECT DISTINCT a.attname::text AS name
FROM pg_index AS i
INNER JOIN pg_class AS c ON i.indrelid = c.oid
INNER JOIN pg_namespace AS n ON c.relnamespace = n.oid
INNER JOIN pg_class AS ic ON i.indexrelid = ic.oid
INNER JOIN pg_am AS m ON ic.relam = m.oid
INNER JOIN pg_attribute AS a ON c.oid = a.attrelid AND i.indkey[0] = a.attnum
WHERE
    n.nspname = :'schema' AND c.relname = :'table'
    AND m.amname IN ('btree', 'brin') AND i.indisvalid AND i.indpred IS NULL
ORDER BY name;

-- name: list_partition_columns
-- List the columns that decide in which partition of a table a row lies. Returns none if the table is not partitioned,
-- or only by expressions.
SELECT a.attname::text AS name
FROM pg_partitioned_table AS p
INNER JOIN pg_class AS c ON p.partrelid = c.oid
INNER JOIN pg_namespace AS n ON c.relnamespace = n.oid
INNER JOIN pg_attribute AS a ON c.oid = a.attrelid AND a.attnum = any(p.partattrs::int2 [])
WHERE n.nspname = :'schema' AND c.relname = :'table'
ORDER BY a.attnum;
