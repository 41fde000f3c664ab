-- Write the reload of a request's run beside it.
-- psql: -v request_id=1
UPDATE admin.reload_requests AS q
SET reload_id = r.reload_id, updated_at = clock_timestamp()
FROM (
    SELECT max(reload_id) AS reload_id FROM admin.reloads
    WHERE request_id = :'request_id'::bigint
) AS r
WHERE q.request_id = :'request_id'::bigint AND q.reload_id IS DISTINCT FROM r.reload_id;
