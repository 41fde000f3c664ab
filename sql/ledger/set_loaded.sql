-- The load has ended well, before an instant of the source's clock.
-- psql: -v reload_id=1 -v stop_reason=FULL_LOAD_ONLY_FINISHED -v source_read_until=2025-01-01T00:00Z
UPDATE admin.reloads
SET
    status = 'loaded',
    loaded_at = clock_timestamp(),
    stop_reason = :'stop_reason',
    source_read_until = coalesce(:'source_read_until'::timestamptz, clock_timestamp())
WHERE reload_id = :'reload_id'::bigint AND status = 'loading';
