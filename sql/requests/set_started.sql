-- A request has become a run. Only a pending one can: a row is never run twice.
-- psql: -v request_id=1 -v run_id=r1
UPDATE admin.reload_requests
SET status = 'started', run_id = :'run_id', updated_at = clock_timestamp()
WHERE request_id = :'request_id'::bigint AND status = 'pending';
