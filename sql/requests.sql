-- The requests table, which the request sensor reads and updates.
-- By hand: psql -f sql/example.psql -f sql/requests.sql

-- name: list_open
-- List the requests that have not ended: the pending ones first, each with the oldest first. An instant that no window
-- can have, such as infinity, is NULL.
SELECT
    request_id,
    group_name,
    CASE WHEN window_start BETWEEN '0001-01-02T00:00Z' AND '9999-12-30T00:00Z' THEN window_start END AS window_start,
    CASE WHEN window_end BETWEEN '0001-01-02T00:00Z' AND '9999-12-30T00:00Z' THEN window_end END AS window_end,
    tables,
    keys::text AS keys,
    columns::text AS columns,
    whole_windows,
    reason,
    requested_by,
    found_by,
    status,
    run_id
FROM admin.reload_requests
WHERE status IN ('pending', 'started')
-- Pending requests come first, so that the limit never hides them behind started ones.
ORDER BY status = 'started', request_id
LIMIT :'limit'::integer;

-- name: get_request
-- Get one request. An instant that no window can have is NULL.
SELECT
    request_id,
    group_name,
    CASE WHEN window_start BETWEEN '0001-01-02T00:00Z' AND '9999-12-30T00:00Z' THEN window_start END AS window_start,
    CASE WHEN window_end BETWEEN '0001-01-02T00:00Z' AND '9999-12-30T00:00Z' THEN window_end END AS window_end,
    tables,
    keys::text AS keys,
    columns::text AS columns,
    whole_windows,
    reason,
    requested_by,
    found_by,
    status,
    run_id
FROM admin.reload_requests
WHERE request_id = :'request_id'::bigint;

-- name: insert_started
-- Insert a request that a command answers itself. The lock lasts as long as the command's session, and shows the sensor
-- that somebody is at work on the request.
WITH made AS (
    INSERT INTO admin.reload_requests (
        group_name, window_start, window_end, tables, keys, columns, reason, requested_by, status, run_id, updated_at
    )
    VALUES (
        :'group_name', :'window_start'::timestamptz, :'window_end'::timestamptz, :'tables'::text [],
        :'request_keys'::jsonb, :'limited_columns'::jsonb, :'reason', :'requested_by', 'started', :'run_id',
        clock_timestamp()
    )
    RETURNING request_id
)

SELECT
    request_id,
    pg_advisory_lock_shared(hashtextextended('reload_assets:request:' || request_id, 0)) AS locked
FROM made;

-- name: is_at_terminal
-- Return whether a command is at work on a request.
SELECT
    NOT pg_try_advisory_xact_lock(hashtextextended('reload_assets:request:' || :'request_id'::bigint, 0))
    AS is_at_terminal;

-- name: set_split
-- Note that a pending request becomes several.
UPDATE admin.reload_requests
SET status = 'split', updated_at = clock_timestamp()
WHERE request_id = :'request_id'::bigint AND status = 'pending';

-- name: insert_part
-- Insert a part of a request that is split: a window of some tables, or fewer keys.
INSERT INTO admin.reload_requests (
    group_name, window_start, window_end, tables, keys, columns, reason, requested_by, found_by, evidence, split_from
)
SELECT
    group_name,
    :'window_start'::timestamptz,
    :'window_end'::timestamptz,
    :'tables'::text [],
    :'request_keys'::jsonb,
    :'limited_columns'::jsonb,
    :'reason',
    requested_by,
    found_by,
    evidence,
    request_id
FROM admin.reload_requests
WHERE request_id = :'request_id'::bigint
RETURNING request_id;

-- name: set_started
-- Note that a request has become a run. Only a pending one can, so that no request runs twice.
UPDATE admin.reload_requests
SET status = 'started', run_id = :'run_id', updated_at = clock_timestamp()
WHERE request_id = :'request_id'::bigint AND status = 'pending';

-- name: set_reload
-- Write the id of the reload that a request's run has opened.
UPDATE admin.reload_requests AS q
SET reload_id = r.reload_id, updated_at = clock_timestamp()
FROM (
    SELECT max(reload_id) AS reload_id FROM admin.reloads
    WHERE request_id = :'request_id'::bigint
) AS r
WHERE q.request_id = :'request_id'::bigint AND q.reload_id IS DISTINCT FROM r.reload_id;

-- name: set_ended
-- Note that a request has ended: done, failed or refused, and why. The reload's error is preferred, as it says more
-- than the run's.
UPDATE admin.reload_requests AS q
SET
    status = :'status',
    error = CASE
        WHEN :'status' <> 'done'
            THEN coalesce((SELECT r.error FROM admin.reloads AS r WHERE r.reload_id = q.reload_id), :'error')
    END,
    updated_at = clock_timestamp()
WHERE q.request_id = :'request_id'::bigint AND q.status IN ('pending', 'started');
