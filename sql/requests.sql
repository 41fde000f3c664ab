-- The requests table, which the request sensor reads and updates.
-- By hand: psql -f sql/example.psql -f sql/requests.sql

-- name: list_open
-- List the requests that have not ended, no more than a limit of either status: the pending ones first, those that have
-- waited for something go to the back; then the started ones. An instant that no window can have, such as infinity, is
-- NULL.
SELECT
    q.request_id,
    q.group_name,
    CASE
        WHEN q.window_start BETWEEN '0001-01-02T00:00Z' AND '9999-12-30T00:00Z' THEN q.window_start
    END AS window_start,
    CASE
        WHEN q.window_end BETWEEN '0001-01-02T00:00Z' AND '9999-12-30T00:00Z' THEN q.window_end
    END AS window_end,
    q.tables,
    q.keys::text AS keys,
    q.columns::text AS columns,
    q.whole_windows,
    q.reason,
    q.requested_by,
    q.requested_at::text AS requested_at,
    q.found_by,
    q.status,
    q.run_id
FROM (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY status
            ORDER BY CASE WHEN status = 'pending' THEN updated_at END ASC NULLS FIRST, request_id ASC
        ) AS place
    FROM admin.reload_requests
    WHERE status IN ('pending', 'started')
) AS q
WHERE q.place <= :'limit'::integer
ORDER BY q.status = 'started', q.place;

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
    requested_at::text AS requested_at,
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
        group_name, window_start, window_end, tables, keys, columns, whole_windows, reason, requested_by, status,
        run_id, updated_at
    )
    VALUES (
        :'group_name', :'window_start'::timestamptz, :'window_end'::timestamptz, :'tables'::text [],
        :'request_keys'::jsonb, :'limited_columns'::jsonb, :'whole_windows'::boolean, :'reason', :'requested_by',
        'started', :'run_id', clock_timestamp()
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
SET status = 'split', error = NULL, updated_at = clock_timestamp()
WHERE request_id = :'request_id'::bigint AND status = 'pending';

-- name: set_keys
-- Write the keys of a request with those of parents that production lacks.
UPDATE admin.reload_requests
SET keys = :'request_keys'::jsonb, updated_at = clock_timestamp()
WHERE request_id = :'request_id'::bigint AND status = 'pending';

-- name: set_waiting
-- Note why a pending request waits, so that others have their turn.
UPDATE admin.reload_requests
SET error = :'error', updated_at = clock_timestamp()
WHERE request_id = :'request_id'::bigint AND status = 'pending';

-- name: insert_part
-- Insert a part of a request that is split: a window of some tables, or fewer keys.
INSERT INTO admin.reload_requests (
    group_name, window_start, window_end, tables, keys, columns, whole_windows, reason, requested_by, found_by,
    evidence, split_from
)
SELECT
    group_name,
    :'window_start'::timestamptz,
    :'window_end'::timestamptz,
    :'tables'::text [],
    :'request_keys'::jsonb,
    :'limited_columns'::jsonb,
    :'whole_windows'::boolean,
    :'reason',
    requested_by,
    found_by,
    evidence,
    request_id
FROM admin.reload_requests
WHERE request_id = :'request_id'::bigint
RETURNING request_id;

-- name: find_part_before
-- Find the oldest open request for keys that was made of the same list as a request for a window. It may have parents of
-- the window's rows.
SELECT min(p.request_id) AS request_id
FROM admin.reload_requests AS q
INNER JOIN admin.reload_requests AS p ON q.split_from = p.split_from AND q.request_id > p.request_id
WHERE
    q.request_id = :'request_id'::bigint AND q.window_start IS NOT NULL
    AND p.keys IS NOT NULL AND p.status IN ('pending', 'held', 'started', 'split');

-- name: set_started
-- Note that a request has become a run. Only a pending one can, so that no request runs twice.
UPDATE admin.reload_requests
SET status = 'started', run_id = :'run_id', error = NULL, updated_at = clock_timestamp()
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

-- name: close_healed_windows
-- Close the requests for a window that another reload has reloaded since, with all of their tables. What finders added
-- to a request later is not healed by an earlier reload. A run that has opened a reload answers for its request itself.
-- NULL as tables stands for all tables of the group. A reload that is limited to columns heals no request.
WITH healed AS (
    SELECT
        q.request_id,
        max(r.reload_id) AS reload_id
    FROM admin.reload_requests AS q
    CROSS JOIN LATERAL (
        SELECT greatest(q.requested_at, max(f.seen_at)) AS asked_at
        FROM admin.findings AS f
        WHERE f.request_id = q.request_id
    ) AS since
    CROSS JOIN LATERAL (
        SELECT
            coalesce(
                q.tables,
                array(
                    SELECT t.name
                    FROM jsonb_array_elements_text(:'tables_of_groups'::jsonb -> q.group_name) AS t (name)
                )
            ) AS tables
    ) AS wanted
    INNER JOIN admin.reloads AS r
        ON
            r.group_name = q.group_name AND r.window_start <= q.window_start AND r.window_end >= q.window_end
            AND r.tables @> wanted.tables
    WHERE
        q.status IN ('pending', 'held', 'started') AND wanted.tables <> '{}'
        AND r.status = 'merged' AND r.confirm_status = 'confirmed' AND r.columns IS NULL
        AND r.opened_at > since.asked_at
        AND NOT EXISTS (SELECT FROM admin.reloads AS o WHERE o.request_id = q.request_id)
    GROUP BY q.request_id
)

UPDATE admin.reload_requests AS q
SET status = 'healed', reload_id = h.reload_id, error = NULL, updated_at = clock_timestamp()
FROM healed AS h
WHERE q.request_id = h.request_id AND q.status IN ('pending', 'held', 'started');

-- name: close_healed_keys
-- Close the requests for keys all of which other reloads have reloaded since. reload_id: the last of these. Requests may
-- be long and wait for days, so only those that a reload can have healed are looked at, and all of their keys at once.
WITH waiting AS (
    SELECT
        q.request_id,
        q.group_name,
        q.keys,
        greatest(
            q.requested_at, (SELECT max(f.seen_at) FROM admin.findings AS f WHERE f.request_id = q.request_id)
        ) AS asked_at
    FROM admin.reload_requests AS q
    WHERE
        q.status IN ('pending', 'held', 'started') AND jsonb_typeof(q.keys) = 'object' AND NOT q.whole_windows
        AND NOT EXISTS (SELECT FROM admin.reloads AS o WHERE o.request_id = q.request_id)
        AND EXISTS (
            SELECT FROM admin.reloads AS r
            WHERE
                r.group_name = q.group_name AND r.selection = 'keys' AND r.opened_at > q.requested_at
                AND r.status = 'merged' AND r.confirm_status = 'confirmed' AND r.columns IS NULL
        )
),

wanted AS (
    SELECT
        w.request_id,
        w.group_name,
        w.asked_at,
        t.key AS table_name,
        array(
            SELECT e.text
            FROM jsonb_array_elements_text(
                CASE jsonb_typeof(k.value) WHEN 'array' THEN k.value ELSE jsonb_build_array(k.value) END
            ) WITH ORDINALITY AS e (text, place)
            ORDER BY e.place
        ) AS key
    FROM waiting AS w
    CROSS JOIN LATERAL jsonb_each(w.keys) AS t
    -- What is not a list of keys is one key that nobody has reloaded.
    CROSS JOIN LATERAL jsonb_array_elements(
        CASE jsonb_typeof(t.value) WHEN 'array' THEN t.value ELSE '[null]' END
    ) AS k
),

reloaded AS (
    SELECT
        w.request_id,
        w.table_name,
        w.key,
        max(r.reload_id) AS reload_id
    FROM wanted AS w
    INNER JOIN admin.reload_keys AS x ON w.table_name = x.table_name AND w.key = x.key
    INNER JOIN admin.reloads AS r ON x.reload_id = r.reload_id
    WHERE
        r.group_name = w.group_name AND r.status = 'merged' AND r.confirm_status = 'confirmed'
        AND r.columns IS NULL AND r.opened_at > w.asked_at
    GROUP BY w.request_id, w.table_name, w.key
),

healed AS (
    SELECT
        w.request_id,
        max(h.reload_id) AS reload_id
    FROM wanted AS w
    LEFT JOIN reloaded AS h ON w.request_id = h.request_id AND w.table_name = h.table_name AND w.key = h.key
    GROUP BY w.request_id
    HAVING bool_and(h.reload_id IS NOT NULL)
)

UPDATE admin.reload_requests AS q
SET status = 'healed', reload_id = h.reload_id, error = NULL, updated_at = clock_timestamp()
FROM healed AS h
WHERE q.request_id = h.request_id AND q.status IN ('pending', 'held', 'started');

-- name: close_split
-- Close the requests that were split, once all of their parts have ended: done, or failed if a part did not succeed.
WITH parts AS (
    SELECT
        p.split_from AS request_id,
        string_agg(p.request_id::text, ', ' ORDER BY p.request_id) FILTER (
            WHERE p.status IN ('failed', 'refused')
        ) AS failed
    FROM admin.reload_requests AS p
    WHERE p.split_from IS NOT NULL
    GROUP BY p.split_from
    HAVING bool_and(p.status IN ('done', 'healed', 'failed', 'refused'))
)

UPDATE admin.reload_requests AS q
SET
    status = CASE WHEN p.failed IS NULL THEN 'done' ELSE 'failed' END,
    error = 'Of the requests into which it was split, these failed: ' || p.failed || '; see their errors.',
    updated_at = clock_timestamp()
FROM parts AS p
WHERE q.request_id = p.request_id AND q.status = 'split';

-- name: list_unfinished
-- List the requests that have not ended, for people: the newest last. age_seconds: since when they wait. An instant that
-- no window can have is NULL.
SELECT
    q.request_id,
    q.status,
    q.group_name,
    CASE
        WHEN q.window_start BETWEEN '0001-01-02T00:00Z' AND '9999-12-30T00:00Z' THEN q.window_start
    END AS window_start,
    CASE
        WHEN q.window_end BETWEEN '0001-01-02T00:00Z' AND '9999-12-30T00:00Z' THEN q.window_end
    END AS window_end,
    q.tables,
    q.keys,
    q.columns,
    q.whole_windows,
    q.found_by,
    q.requested_by,
    q.reason,
    extract(EPOCH FROM clock_timestamp() - q.requested_at)::double precision AS age_seconds,
    CASE WHEN q.status = 'held' THEN q.held_because END AS held_because,
    CASE WHEN q.status = 'pending' THEN q.error END AS waits_because,
    q.split_from
FROM admin.reload_requests AS q
WHERE q.status IN ('pending', 'held', 'started', 'split')
ORDER BY q.request_id;

-- name: lock_requests
-- Lock some requests, so that their status stays as it is until the transaction ends.
SELECT
    request_id,
    status
FROM admin.reload_requests
WHERE request_id = any(:'request_ids'::bigint [])
ORDER BY request_id
FOR UPDATE;

-- name: release_requests
-- Let held requests go ahead. held_because stays, so that a limit does not hold them once more.
UPDATE admin.reload_requests
SET status = 'pending', updated_at = clock_timestamp()
WHERE request_id = any(:'request_ids'::bigint []) AND status = 'held';

-- name: refuse_requests
-- Refuse requests that have not begun, and say why.
UPDATE admin.reload_requests
SET status = 'refused', error = :'error', updated_at = clock_timestamp()
WHERE request_id = any(:'request_ids'::bigint []) AND status IN ('pending', 'held');

-- name: hold_request
-- Hold a request back, and say why. Those that are held in one transaction have the same updated_at, and are one event.
UPDATE admin.reload_requests
SET status = 'held', held_because = :'held_because', updated_at = now()
WHERE request_id = :'request_id'::bigint AND status = 'pending';

-- name: hold_again
-- Hold a finder's request once more if its run could not begin because of CDC. By the new requested_at, its next run differs
-- from that one.
UPDATE admin.reload_requests
SET
    status = 'held',
    held_because = :'held_because',
    run_id = NULL,
    requested_at = clock_timestamp(),
    updated_at = clock_timestamp()
WHERE request_id = :'request_id'::bigint AND status IN ('pending', 'started') AND found_by <> 'person';

-- name: list_waiting_for_cdc
-- List the requests that are held only until CDC carries their tables again.
SELECT
    q.request_id,
    q.group_name,
    coalesce(
        q.tables,
        CASE
            WHEN jsonb_typeof(q.keys) = 'object' THEN array(SELECT t.key FROM jsonb_each(q.keys) AS t ORDER BY t.key)
        END,
        '{}'
    ) AS tables
FROM admin.reload_requests AS q
WHERE q.status = 'held' AND q.held_because LIKE '%[held-for-cdc]'
ORDER BY q.request_id;

-- name: list_parts_beyond
-- List the pending parts of requests with which finders would have more windows reloaded within 24 hours than the
-- limit. What a person has released is not held once more, nor are its parts.
SELECT
    w.request_id,
    w.place
FROM (
    SELECT
        q.request_id,
        q.status,
        q.split_from,
        q.held_because,
        row_number() OVER (ORDER BY q.request_id) AS place
    FROM admin.reload_requests AS q
    WHERE
        q.found_by <> 'person' AND q.window_start IS NOT NULL
        AND q.requested_at > clock_timestamp() - interval '24 hours'
        AND q.status <> 'refused' AND NOT (q.status = 'held' AND q.held_because LIKE '%[held-by-limit]')
) AS w
WHERE
    w.split_from IS NOT NULL AND w.status = 'pending' AND w.held_because IS NULL
    AND w.place > :'most_windows'::integer
    AND NOT EXISTS (
        SELECT FROM admin.reload_requests AS s
        WHERE s.request_id = w.split_from AND s.held_because LIKE '%[held-by-limit]'
    )
ORDER BY w.request_id;
