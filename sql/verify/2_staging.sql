-- Verify, step 2: check that the staging table is the one that was loaded, with all its rows and production's types.
-- By hand: psql -f sql/example.psql -f sql/verify/2_staging.sql

-- name: find_staging
-- Find the staging table that was made for a load, by its oid. Returns no row if another table has its name, or none.
SELECT c.oid
FROM pg_class AS c
INNER JOIN pg_namespace AS n ON c.relnamespace = n.oid
WHERE n.nspname = :'staging_schema' AND c.relname = :'staging_table' AND c.oid = :'staging_oid'::oid;

-- name: count_rows
-- row_count: count the rows that are staged now.
SELECT count(*) AS staged_rows
FROM :"staging_schema".:"staging_table";

-- name: list_type_differences
-- types: list where a reload's staging table differs from production as it is now.
SELECT
    coalesce(column_name, '') AS column_name,
    coalesce(target_data_type, '') AS target_data_type,
    coalesce(staging_data_type, '') AS staging_data_type,
    status
FROM admin.oracle_pg_type_verification
WHERE reload_id = :'reload_id'::bigint AND table_name = :'table_name'
ORDER BY column_name, status;
