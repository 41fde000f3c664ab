-- The catalog: the rights that a login lacks, and whether a role exists.
-- By hand: psql -f sql/example.psql -f sql/catalog/rights.sql

-- name: list_missing_rights
-- List the objects on which a login lacks rights: what is missing, and the GRANT that gives it.
-- Each needed right is one element of the four arrays. An object that does not exist is left out.
WITH needed AS (
    SELECT *
    FROM unnest(:'kinds'::text [], :'schemas'::text [], :'names'::text [], :'privileges'::text [])
    WITH ORDINALITY AS wanted (kind, schema_name, object_name, privilege, number)
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
        (w.kind = 'TABLE' AND NOT has_table_privilege(:'login', c.oid, w.privilege))
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
    string_agg(privilege, ', ' ORDER BY number) AS privileges,
    format(
        'GRANT %s ON %s %s TO %I',
        string_agg(privilege, ', ' ORDER BY number), kind, object, :'login'::text
    ) AS command
FROM missing
GROUP BY kind, object
ORDER BY min(number);

-- name: find_role
-- Find a role by its name: no row if there is none.
SELECT r.rolname
FROM pg_roles AS r
WHERE r.rolname = :'role_name';
