-- Note that the DMS task of a reload is gone.
-- psql: -v reload_id=1
UPDATE admin.reloads SET task_removed_at = clock_timestamp()
WHERE reload_id = :'reload_id'::bigint AND task_removed_at IS NULL;
