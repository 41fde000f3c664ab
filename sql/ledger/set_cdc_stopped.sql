-- The CDC task is about to be stopped for the sake of a reload; written before it is, so that it is resumed after a crash.
-- psql: -v reload_id=1
UPDATE admin.reloads SET cdc_stopped_at = clock_timestamp(), cdc_resumed_at = NULL
WHERE reload_id = :'reload_id'::bigint;
