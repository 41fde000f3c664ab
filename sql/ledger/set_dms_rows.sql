-- Note how many rows DMS says it has loaded into a table of a reload.
-- psql: -v reload_id=1 -v table_name=orders -v dms_rows=10
UPDATE admin.reload_tables SET dms_rows = :'dms_rows'::bigint
WHERE reload_id = :'reload_id'::bigint AND table_name = :'table_name';
