-- The CDC task runs again.
-- psql: -v reload_id=1
UPDATE admin.reloads SET cdc_resumed_at = clock_timestamp()
WHERE reload_id = :'reload_id'::bigint;
