-- The requests that have not come to an end, the oldest first.
-- psql: -v limit=100
SELECT
    request_id,
    group_name,
    window_start,
    window_end,
    tables,
    reason,
    requested_by,
    status,
    run_id
FROM admin.reload_requests
WHERE status IN ('pending', 'started')
ORDER BY request_id
LIMIT :'limit'::integer;
