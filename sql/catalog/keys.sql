-- The catalog: unique keys and foreign keys, in both directions.
-- By hand: psql -f sql/example.psql -f sql/catalog/keys.sql

-- name: list_unique_indexes
-- List all unique indexes of one table, also those over expressions or over some rows only, and those of exclusion
-- constraints: what they index and under which condition (NULL: all rows), as SQL over the names of columns, and the
-- columns that these name. An index that only a partition has is one over the rows of that partition.
-- key_columns: the columns of the key in their order; none if it has an expression. operators: which values an
-- exclusion constraint does not allow beside each other; none for a unique index. An invalid index has no key_columns,
-- because no statement can rely on it.
WITH RECURSIVE parts AS (
    SELECT
        c.oid,
        TRUE AS is_whole
    FROM pg_class AS c
    INNER JOIN pg_namespace AS n ON c.relnamespace = n.oid
    WHERE n.nspname = :'schema' AND c.relname = :'table'
    UNION
    SELECT
        c.oid,
        FALSE AS is_whole
    FROM parts
    INNER JOIN pg_inherits AS h ON parts.oid = h.inhparent
    INNER JOIN pg_class AS c ON h.inhrelid = c.oid
    WHERE c.relispartition
),

-- The tables that a partition is a part of, whose keys decide which rows it has.
above AS (
    SELECT
        parts.oid AS part,
        h.inhparent AS parent
    FROM parts
    INNER JOIN pg_inherits AS h ON parts.oid = h.inhrelid
    WHERE NOT parts.is_whole
    UNION
    SELECT
        above.part,
        h.inhparent
    FROM above
    INNER JOIN pg_inherits AS h ON above.parent = h.inhrelid
)

SELECT
    ic.relname AS name,
    i.indisprimary AS is_primary,
    NOT i.indimmediate AS deferrable,
    i.indnullsnotdistinct AS nulls_equal,
    CASE
        WHEN i.indexprs IS NULL AND NOT i.indisexclusion AND i.indisvalid THEN
            array(
                SELECT a.attname::text
                FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, position)
                INNER JOIN pg_attribute AS a ON i.indrelid = a.attrelid AND k.attnum = a.attnum
                WHERE k.position <= i.indnkeyatts
                ORDER BY k.position
            )
        ELSE '{}'
    END AS key_columns,
    CASE
        WHEN parts.is_whole THEN pg_get_expr(i.indpred, i.indrelid)
        ELSE
            nullif(
                concat_ws(
                    ' AND ',
                    pg_get_partition_constraintdef(i.indrelid),
                    '(' || pg_get_expr(i.indpred, i.indrelid) || ')'
                ),
                ''
            )
    END AS predicate,
    array(
        SELECT
            CASE
                WHEN a.attnum IS NOT NULL THEN quote_ident(a.attname)
                -- Not for plain columns: it waits for the table's lock, and a locked table is a matter of the merge.
                ELSE pg_get_indexdef(i.indexrelid, k.position::integer, FALSE)
            END
        FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, position)
        LEFT JOIN pg_attribute AS a ON i.indrelid = a.attrelid AND k.attnum = a.attnum
        WHERE k.position <= i.indnkeyatts
        ORDER BY k.position
    ) AS expressions,
    array(
        SELECT a.attname::text
        FROM pg_attribute AS a
        LEFT JOIN unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, position) ON a.attnum = k.attnum
        WHERE
            a.attrelid = i.indrelid
            -- A column after the key is only included; the index depends on it, too.
            AND CASE
                WHEN k.position IS NOT NULL THEN k.position <= i.indnkeyatts
                ELSE EXISTS (
                    SELECT 1
                    FROM pg_depend AS d
                    WHERE
                        d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid
                        AND d.refclassid = 'pg_class'::regclass AND d.refobjid = i.indrelid
                        AND d.refobjsubid = a.attnum
                )
            END
            OR (
                a.attrelid = i.indrelid AND NOT parts.is_whole
                AND a.attname IN (
                    SELECT ka.attname
                    FROM above
                    -- PostgreSQL notes so which columns a table is partitioned by, also within expressions.
                    INNER JOIN pg_depend AS d
                        ON
                            d.classid = 'pg_class'::regclass AND above.parent = d.objid AND d.objsubid > 0
                            AND d.refclassid = 'pg_class'::regclass AND above.parent = d.refobjid
                            AND d.refobjsubid = 0 AND d.deptype = 'i'
                    INNER JOIN pg_attribute AS ka ON d.objid = ka.attrelid AND d.objsubid = ka.attnum
                    WHERE above.part = i.indrelid
                )
            )
        ORDER BY a.attnum
    ) AS columns,
    array(
        SELECT format('OPERATOR(%I.%s)', opn.nspname, op.oprname)
        FROM pg_constraint AS x
        CROSS JOIN LATERAL unnest(x.conexclop) WITH ORDINALITY AS e (operator, position)
        INNER JOIN pg_operator AS op ON e.operator = op.oid
        INNER JOIN pg_namespace AS opn ON op.oprnamespace = opn.oid
        WHERE x.conindid = i.indexrelid AND x.contype = 'x'
        ORDER BY e.position
    ) AS operators
FROM parts
INNER JOIN pg_index AS i ON parts.oid = i.indrelid
INNER JOIN pg_class AS ic ON i.indexrelid = ic.oid
WHERE
    (i.indisunique OR i.indisexclusion)
    -- One that CREATE INDEX CONCURRENTLY left invalid refuses rows all the same.
    AND (i.indisvalid OR (i.indisready AND ic.relkind = 'i'))
    AND (
        parts.is_whole
        -- A part of an index of a larger table adds nothing.
        OR NOT EXISTS (
            SELECT 1
            FROM pg_inherits AS h
            INNER JOIN pg_index AS larger ON h.inhparent = larger.indexrelid
            WHERE h.inhrelid = i.indexrelid AND larger.indisvalid
        )
    )
ORDER BY i.indisprimary DESC, ic.relname;

-- name: list_foreign_keys
-- List the foreign keys of one table, and those that only a partition of it has (of_part), each with its columns and its
-- parent's. parent_above: the tables that the parent is a partition or an heir of.
WITH RECURSIVE parts AS (
    SELECT
        c.oid,
        TRUE AS is_whole
    FROM pg_class AS c
    INNER JOIN pg_namespace AS n ON c.relnamespace = n.oid
    WHERE n.nspname = :'schema' AND c.relname = :'table'
    UNION
    SELECT
        c.oid,
        FALSE AS is_whole
    FROM parts
    INNER JOIN pg_inherits AS h ON parts.oid = h.inhparent
    INNER JOIN pg_class AS c ON h.inhrelid = c.oid
    WHERE c.relispartition
)

SELECT
    f.conname AS name,
    pn.nspname AS parent_schema,
    p.relname AS parent_table,
    f.condeferrable AS deferrable,
    array_agg(ca.attname::text ORDER BY k.position) AS columns,
    array_agg(pa.attname::text ORDER BY k.position) AS parent_columns,
    array(
        WITH RECURSIVE above AS (
            SELECT h.inhparent
            FROM pg_inherits AS h
            WHERE h.inhrelid = p.oid
            UNION
            SELECT h.inhparent
            FROM above
            INNER JOIN pg_inherits AS h ON above.inhparent = h.inhrelid
        )

        SELECT an.nspname || '.' || a.relname
        FROM above
        INNER JOIN pg_class AS a ON above.inhparent = a.oid
        INNER JOIN pg_namespace AS an ON a.relnamespace = an.oid
        ORDER BY an.nspname || '.' || a.relname
    ) AS parent_above,
    NOT parts.is_whole AS of_part
FROM parts
INNER JOIN pg_constraint AS f ON parts.oid = f.conrelid
INNER JOIN pg_class AS p ON f.confrelid = p.oid
INNER JOIN pg_namespace AS pn ON p.relnamespace = pn.oid
CROSS JOIN LATERAL unnest(f.conkey, f.confkey) WITH ORDINALITY AS k (child_attnum, parent_attnum, position)
INNER JOIN pg_attribute AS ca ON f.conrelid = ca.attrelid AND k.child_attnum = ca.attnum
INNER JOIN pg_attribute AS pa ON f.confrelid = pa.attrelid AND k.parent_attnum = pa.attnum
WHERE
    f.contype = 'f'
    -- Only newer servers have these columns, for NOT ENFORCED and for keys over PERIOD, which only PostgreSQL can check.
    AND coalesce((to_jsonb(f) ->> 'conenforced')::boolean, TRUE)
    AND NOT coalesce((to_jsonb(f) ->> 'conperiod')::boolean, FALSE)
    -- Leave out the copies of a key for each partition of the parent, and of the table, which add nothing. A key that a
    -- partition inherits from its own parent counts.
    AND NOT EXISTS (
        SELECT 1
        FROM pg_constraint AS u
        INNER JOIN parts AS q ON u.conrelid = q.oid
        WHERE u.oid = f.conparentid
    )
GROUP BY f.oid, f.conname, pn.nspname, p.oid, p.relname, f.condeferrable, parts.is_whole
ORDER BY f.conname, f.oid;

-- name: list_references
-- List the foreign keys, of tables in any schema, that refer to one table, to a partition or an heir of it, or to the
-- table that it is a partition of. Also return what they do when a referred row is deleted or its value changes:
-- a = no action, r = restrict, c = cascade, n = set null, d = set default.
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

-- Each partition has a copy of a key: go up from the copy to the key itself.
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
    -- Nothing else of the child is read.
    AND bool_and(has_column_privilege(c.oid, ca.attnum, 'SELECT'))
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
    -- Only newer servers have this column, for NOT ENFORCED.
    AND coalesce((to_jsonb(f) ->> 'conenforced')::boolean, TRUE)
GROUP BY f.oid, f.conname, f.confdeltype, f.confupdtype, c.oid, n.oid, n.nspname, c.relname, c.relkind
ORDER BY f.conname, child_schema, child_table;

-- name: list_related_tables
-- List the tables that refer to one table by a foreign key, or that it refers to, with their primary keys (NULL if a
-- table has none).
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
