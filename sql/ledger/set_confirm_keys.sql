-- Note how many rows of a table were read again from the source, and how many orphans were left alone.
-- psql: -v reload_id=1 -v table_name=orders -v keys=10 -v orphans=0
UPDATE admin.reload_tables SET confirm_keys = :'keys'::bigint, orphans = :'orphans'::bigint
WHERE reload_id = :'reload_id'::bigint AND table_name = :'table_name';
