-- The load has ended well.
-- psql: -v reload_id=1 -v stop_reason=FULL_LOAD_ONLY_FINISHED
UPDATE admin.reloads SET status = 'loaded', loaded_at = clock_timestamp(), stop_reason = :'stop_reason'
WHERE reload_id = :'reload_id'::bigint AND status = 'loading';
