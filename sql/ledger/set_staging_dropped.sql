-- Note that the staging table of a reload is gone.
-- psql: -v reload_id=1 -v table_name=orders
UPDATE admin.reload_tables SET staging_dropped_at = clock_timestamp()
WHERE reload_id = :'reload_id'::bigint AND table_name = :'table_name';
