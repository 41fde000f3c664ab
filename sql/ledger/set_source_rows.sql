-- Note how many rows of the window the source has, before the load and after it.
-- psql: -v reload_id=1 -v table_name=orders -v before=10 -v after=10
UPDATE admin.reload_tables
SET
    source_rows_before = coalesce(:'before'::bigint, source_rows_before),
    source_rows_after = coalesce(:'after'::bigint, source_rows_after)
WHERE reload_id = :'reload_id'::bigint AND table_name = :'table_name';
