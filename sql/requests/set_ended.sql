-- A request has ended: done, failed or refused, and why. The error of its reload says more than the run's.
-- psql: -v request_id=1 -v status=failed -v error=why
UPDATE admin.reload_requests AS q
SET
    status = :'status',
    error = CASE
        WHEN :'status' <> 'done'
            THEN coalesce((SELECT r.error FROM admin.reloads AS r WHERE r.reload_id = q.reload_id), :'error')
    END,
    updated_at = clock_timestamp()
WHERE q.request_id = :'request_id'::bigint AND q.status IN ('pending', 'started');
