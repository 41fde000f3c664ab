-- Return how long (milliseconds) another session has been waiting for a lock of the session with this process id. A
-- second session runs this while a merge or a confirm writes.
-- By hand: psql -f sql/example.psql -f sql/stall_watch.sql
SELECT coalesce(max(extract(EPOCH FROM clock_timestamp() - w.waitstart)) * 1000, 0)::float8 AS waited_ms
FROM pg_locks AS w
WHERE NOT w.granted AND :'pid'::integer = any(pg_blocking_pids(w.pid));
