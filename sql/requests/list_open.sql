-- The requests that have not ended, the oldest first. An instant that no window can have, such as infinity,
-- is NULL.
-- psql: -v limit=100
SELECT
    request_id,
    group_name,
    CASE WHEN window_start BETWEEN '0001-01-02T00:00Z' AND '9999-12-30T00:00Z' THEN window_start END AS window_start,
    CASE WHEN window_end BETWEEN '0001-01-02T00:00Z' AND '9999-12-30T00:00Z' THEN window_end END AS window_end,
    tables,
    reason,
    requested_by,
    status,
    run_id
FROM admin.reload_requests
WHERE status IN ('pending', 'started')
-- The new ones first: however many are under way, they are seen.
ORDER BY status = 'started', request_id
LIMIT :'limit'::integer;
