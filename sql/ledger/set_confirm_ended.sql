-- The confirm of a merged reload has ended: what it found, and how long it waited for CDC (seconds).
-- psql: -v reload_id=1 -v status=confirmed -v passes=2 -v waited_seconds=0.5 -v detail=
UPDATE admin.reloads AS r
SET
    confirm_status = :'status',
    confirm_passes = :'passes'::integer,
    confirm_waited_seconds = :'waited_seconds'::float8,
    confirm_detail = :'detail',
    confirm_ended_at = clock_timestamp(),
    confirm_corrections = (
        SELECT coalesce(sum(t.confirm_inserted + t.confirm_updated + t.confirm_deleted), 0)
        FROM admin.reload_tables AS t
        WHERE t.reload_id = r.reload_id
    )
WHERE r.reload_id = :'reload_id'::bigint AND r.status = 'merged';
