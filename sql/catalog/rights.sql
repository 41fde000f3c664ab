-- The catalog: the rights that a login lacks, to tables and to what these use, which rows it does not see, and whether a
-- role exists.
-- By hand: psql -f sql/example.psql -f sql/catalog/rights.sql

-- name: list_missing_rights
-- List the objects on which a login lacks rights: what is missing, and the GRANT that gives it.
-- Each needed right is one element of the five arrays. An object that does not exist is left out. The columns, as an
-- array in JSON, are those of a table for which the right suffices; none if only one to the whole table does.
WITH needed AS (
    SELECT *
    FROM
        unnest(
            :'kinds'::text [], :'schemas'::text [], :'names'::text [], :'privileges'::text [], :'column_lists'::text []
        )
        WITH ORDINALITY AS wanted (kind, schema_name, object_name, privilege, column_list, number)
),

missing AS (
    SELECT
        w.kind,
        format('%I.%I', w.schema_name, w.object_name) AS object,
        w.privilege,
        w.number
    FROM needed AS w
    INNER JOIN pg_namespace AS n ON w.schema_name = n.nspname
    INNER JOIN pg_class AS c ON n.oid = c.relnamespace AND w.object_name = c.relname
    WHERE
        (
            w.kind = 'TABLE' AND NOT has_table_privilege(:'login', c.oid, w.privilege)
            AND (
                w.column_list = '[]'
                OR EXISTS (
                    SELECT 1
                    FROM jsonb_array_elements_text(w.column_list::jsonb) AS k (name)
                    WHERE NOT has_column_privilege(:'login', c.oid, k.name, w.privilege)
                )
            )
        )
        OR (w.kind = 'OWNER' AND NOT pg_has_role(:'login', c.relowner, w.privilege))
        OR (w.kind = 'SEQUENCE' AND NOT has_sequence_privilege(:'login', c.oid, w.privilege))
    UNION ALL
    SELECT
        w.kind,
        quote_ident(w.schema_name) AS object,
        w.privilege,
        w.number
    FROM needed AS w
    INNER JOIN pg_namespace AS n ON w.schema_name = n.nspname
    WHERE w.kind = 'SCHEMA' AND NOT has_schema_privilege(:'login', n.oid, w.privilege)
    UNION ALL
    SELECT
        w.kind,
        quote_ident(current_database()) AS object,
        w.privilege,
        w.number
    FROM needed AS w
    WHERE w.kind = 'DATABASE' AND NOT has_database_privilege(:'login', current_database(), w.privilege)
)

SELECT
    object,
    CASE kind WHEN 'OWNER' THEN 'ownership' ELSE string_agg(privilege, ', ' ORDER BY number) END AS privileges,
    CASE kind
        WHEN 'OWNER' THEN format('ALTER TABLE %s OWNER TO %I', object, :'login'::text)
        ELSE
            format(
                'GRANT %s ON %s %s TO %I',
                string_agg(privilege, ', ' ORDER BY number), kind, object, :'login'::text
            )
    END AS command
FROM missing
GROUP BY kind, object
ORDER BY min(number);

-- name: find_role
-- Find a role by its name: no row if there is none.
SELECT r.rolname
FROM pg_roles AS r
WHERE r.rolname = :'role_name';

-- name: list_missing_uses
-- List what a login may not use although the tables do: functions in defaults, constraints, indexes, partition keys,
-- generated columns and conditions of triggers; types of columns; and the schemas of what a reload has to name. Also
-- return what is missing, and the GRANT that gives it.
WITH RECURSIVE wanted AS (
    SELECT c.oid
    FROM unnest(:'schemas'::text [], :'names'::text []) AS w (schema_name, object_name)
    INNER JOIN pg_namespace AS n ON w.schema_name = n.nspname
    INNER JOIN pg_class AS c ON n.oid = c.relnamespace AND w.object_name = c.relname
),

parts AS (
    SELECT wanted.oid
    FROM wanted
    UNION
    SELECT h.inhrelid
    FROM parts
    INNER JOIN pg_inherits AS h ON parts.oid = h.inhparent
),

types AS (
    SELECT
        t.oid,
        t.typtype,
        t.typbasetype,
        t.typelem,
        t.typcategory
    FROM wanted
    INNER JOIN pg_attribute AS a ON wanted.oid = a.attrelid AND a.attnum > 0 AND NOT a.attisdropped
    INNER JOIN pg_type AS t ON a.atttypid = t.oid
    UNION
    SELECT
        t.oid,
        t.typtype,
        t.typbasetype,
        t.typelem,
        t.typcategory
    FROM types
    INNER JOIN pg_type AS t
        ON
            (types.typtype = 'd' AND types.typbasetype = t.oid)
            OR (types.typcategory = 'A' AND types.typelem = t.oid)
),

-- named: a reload prints the expression, so that it has to find what stands there by its schema.
expressions AS (
    SELECT
        f.adbin::text AS tree,
        a.attgenerated <> '' AS named
    FROM parts
    INNER JOIN pg_attrdef AS f ON parts.oid = f.adrelid
    INNER JOIN pg_attribute AS a ON f.adrelid = a.attrelid AND f.adnum = a.attnum
    UNION ALL
    SELECT
        con.conbin::text,
        FALSE AS named
    FROM pg_constraint AS con
    WHERE
        con.contype = 'c'
        AND (con.conrelid IN (SELECT parts.oid FROM parts) OR con.contypid IN (SELECT types.oid FROM types))
    UNION ALL
    SELECT
        tree,
        x.indisunique OR x.indisexclusion AS named
    FROM parts
    INNER JOIN pg_index AS x ON parts.oid = x.indrelid
    CROSS JOIN LATERAL (VALUES (x.indexprs::text), (x.indpred::text)) AS of_index (tree)
    UNION ALL
    SELECT
        k.partexprs::text,
        FALSE AS named
    FROM parts
    INNER JOIN pg_partitioned_table AS k ON parts.oid = k.partrelid
    UNION ALL
    SELECT
        g.tgqual::text,
        FALSE AS named
    FROM parts
    INNER JOIN pg_trigger AS g ON parts.oid = g.tgrelid
),

functions AS (
    SELECT
        called.parts[1]::oid AS oid,
        bool_or(e.named) AS named
    FROM expressions AS e
    CROSS JOIN LATERAL regexp_matches(e.tree, ':(?:op)?funcid (\d+)', 'g') AS called (parts)
    GROUP BY called.parts[1]
),

missing AS (
    SELECT
        'FUNCTION' AS kind,
        format('%I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)) AS object,
        'EXECUTE' AS privilege
    FROM functions AS f
    INNER JOIN pg_proc AS p ON f.oid = p.oid
    INNER JOIN pg_namespace AS n ON p.pronamespace = n.oid
    WHERE NOT has_function_privilege(:'login', p.oid, 'EXECUTE')
    UNION ALL
    SELECT
        'TYPE' AS kind,
        format('%I.%I', n.nspname, t.typname) AS object,
        'USAGE' AS privilege
    FROM types
    INNER JOIN pg_type AS t ON types.oid = t.oid
    INNER JOIN pg_namespace AS n ON t.typnamespace = n.oid
    -- An array has the rights of its elements.
    WHERE t.typcategory <> 'A' AND NOT has_type_privilege(:'login', t.oid, 'USAGE')
    UNION
    SELECT
        'SCHEMA' AS kind,
        quote_ident(n.nspname) AS object,
        'USAGE' AS privilege
    FROM pg_namespace AS n
    WHERE
        (
            n.oid IN (
                SELECT p.pronamespace
                FROM functions AS f
                INNER JOIN pg_proc AS p ON f.oid = p.oid
                WHERE f.named
            )
            OR n.oid IN (SELECT t.typnamespace FROM types INNER JOIN pg_type AS t ON types.oid = t.oid)
        )
        AND NOT has_schema_privilege(:'login', n.oid, 'USAGE')
)

SELECT
    kind,
    object,
    privilege,
    format('GRANT %s ON %s %s TO %I', privilege, kind, object, :'login'::text) AS command
FROM missing
ORDER BY kind, object;

-- name: list_hiding_tables
-- List those of some tables of which row security hides rows from this login.
SELECT DISTINCT
    n.nspname AS schema,
    c.relname AS name
FROM unnest(:'schemas'::text [], :'names'::text []) AS w (schema_name, object_name)
INNER JOIN pg_namespace AS n ON w.schema_name = n.nspname
INNER JOIN pg_class AS c ON n.oid = c.relnamespace AND w.object_name = c.relname
WHERE row_security_active(c.oid)
ORDER BY n.nspname, c.relname;
