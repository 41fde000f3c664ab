-- Where the staging table of a reload differs from production as production is now.
-- psql: -v reload_id=1 -v table_name=orders
SELECT
    coalesce(column_name, '') AS column_name,
    coalesce(target_data_type, '') AS target_data_type,
    coalesce(staging_data_type, '') AS staging_data_type,
    status
FROM admin.oracle_pg_type_verification
WHERE reload_id = :'reload_id'::bigint AND table_name = :'table_name'
ORDER BY column_name, status;
