-- Note what a load left in staging: the rows of the window, and those that were trimmed beside it.
-- psql: -v reload_id=1 -v table_name=orders -v staged_rows=10 -v trimmed_rows=0
UPDATE admin.reload_tables SET staged_rows = :'staged_rows'::bigint, trimmed_rows = :'trimmed_rows'::bigint
WHERE reload_id = :'reload_id'::bigint AND table_name = :'table_name';
