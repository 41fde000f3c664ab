-- List where a staging table does not match production: declared types in full, nullability, columns, tables.
-- By hand: psql -f sql/example.psql -f sql/views/oracle_pg_type_verification.sql
CREATE OR REPLACE VIEW admin.oracle_pg_type_verification AS
WITH staged AS (
    SELECT
        t.reload_id,
        t.table_name,
        t.staging_table,
        -- The reload declares columns NOT NULL only once the load has ended.
        r.loaded_at IS NOT NULL AS is_loaded,
        p.oid AS production_oid,
        s.oid AS staging_oid
    FROM admin.reload_tables AS t
    INNER JOIN admin.reloads AS r ON t.reload_id = r.reload_id
    -- By its oid: the very table that was loaded, as another one may have its name by now.
    LEFT JOIN pg_class AS s ON t.staging_oid = s.oid AND s.relkind IN ('r', 'p')
    LEFT JOIN pg_namespace AS n ON t.production_schema = n.nspname
    LEFT JOIN pg_class AS p ON n.oid = p.relnamespace AND t.production_table = p.relname AND p.relkind IN ('r', 'p')
    WHERE t.staging_dropped_at IS NULL
),

staged_columns AS (
    SELECT
        s.*,
        a.attname,
        a.atttypid,
        a.atttypmod,
        a.attnotnull
    FROM staged AS s
    INNER JOIN pg_attribute AS a ON s.staging_oid = a.attrelid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE s.production_oid IS NOT NULL
),

compared AS (
    SELECT
        s.reload_id,
        s.table_name,
        s.staging_table,
        coalesce(p.attname, s.attname)::text AS column_name,
        format_type(p.atttypid, p.atttypmod) || CASE
            WHEN (p.atttypid, p.atttypmod) = (s.atttypid, s.atttypmod) THEN ' not null' ELSE ''
        END AS target_data_type,
        format_type(s.atttypid, s.atttypmod) AS staging_data_type,
        CASE
            WHEN p.attname IS NULL THEN 'EXTRA COLUMN'
            WHEN p.atttypid <> s.atttypid THEN 'DATA TYPE MISMATCH'
            WHEN p.atttypmod <> s.atttypmod THEN
                CASE
                    WHEN p.sized_type IN ('character varying'::regtype, 'character'::regtype)
                        OR p.sized_type IN ('bit'::regtype, 'bit varying'::regtype) THEN 'LENGTH MISMATCH'
                    -- numeric keeps its precision in the upper half of the modifier. -1, for no precision, stays -1.
                    WHEN p.sized_type = 'numeric'::regtype
                        AND ((p.atttypmod - 4) >> 16) = ((s.atttypmod - 4) >> 16) THEN 'SCALE MISMATCH'
                    ELSE 'PRECISION MISMATCH'
                END
            WHEN s.is_loaded AND p.attnotnull AND NOT s.attnotnull THEN 'NULLABILITY MISMATCH'
        END AS status
    FROM staged_columns AS s
    LEFT JOIN LATERAL (
        SELECT
            a.attname,
            a.atttypid,
            a.atttypmod,
            a.attnotnull,
            CASE WHEN y.typcategory = 'A' THEN y.typelem ELSE y.oid END AS sized_type
        FROM pg_attribute AS a
        INNER JOIN pg_type AS y ON a.atttypid = y.oid
        WHERE
            a.attrelid = s.production_oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
            AND lower(a.attname) = s.attname
        -- DMS writes names in lower case. If two columns differ only in case, it means the one in lower case.
        ORDER BY a.attname = s.attname DESC, a.attnum ASC
        LIMIT 1
    ) AS p ON TRUE
)

SELECT
    table_name,
    column_name,
    target_data_type,
    staging_data_type,
    status,
    reload_id,
    staging_table
FROM compared
WHERE status IS NOT NULL
UNION ALL
SELECT
    s.table_name,
    a.attname::text AS column_name,
    format_type(a.atttypid, a.atttypmod) || ' not null' AS target_data_type,
    NULL AS staging_data_type,
    'MISSING COLUMN' AS status,
    s.reload_id,
    s.staging_table
FROM staged AS s
INNER JOIN pg_attribute AS a ON s.production_oid = a.attrelid AND a.attnum > 0 AND NOT a.attisdropped
WHERE
    s.staging_oid IS NOT NULL
    AND a.attnotnull AND NOT a.atthasdef AND a.attidentity = '' AND a.attgenerated = ''
    AND NOT EXISTS (
        SELECT 1 FROM staged_columns AS c
        WHERE c.staging_oid = s.staging_oid AND c.attname = lower(a.attname)
    )
UNION ALL
SELECT
    table_name,
    NULL AS column_name,
    CASE WHEN production_oid IS NOT NULL THEN 'table' END AS target_data_type,
    CASE WHEN staging_oid IS NOT NULL THEN 'table' END AS staging_data_type,
    'MISSING TABLE' AS status,
    reload_id,
    staging_table
FROM staged
WHERE production_oid IS NULL OR staging_oid IS NULL;
COMMENT ON VIEW admin.oracle_pg_type_verification IS
'Where a staging table that is not dropped yet differs from production as it is now. No row: no difference. '
'Types are compared in full: numeric and numeric(10,2), varchar and varchar(100), timestamp precision. EXTRA COLUMN: '
'production has no such column, or generates it. MISSING COLUMN: only production has it, and it is NOT NULL without a '
'default, so no row can be inserted. NULLABILITY MISMATCH: production is NOT NULL and staging is not, because its rows '
'hold NULLs or production was changed since; only once the load has ended. MISSING TABLE: the side without "table". '
'Not a difference: columns that only production has and that are nullable, generated, or have a default or an '
'identity; collations; the order of the columns.';
