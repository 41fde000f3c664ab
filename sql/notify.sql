-- Notifications: find what happened, and send each event once to each channel.
-- By hand: psql -f sql/example.psql -f sql/notify.sql

-- name: lock_events
-- Let only one process at a time look for events. The lock lasts until the transaction ends.
SELECT pg_advisory_xact_lock(hashtextextended('reload_assets:notify', 0));

-- name: insert_events
-- Note what happened to reloads and requests, unless it is noted already. What happened before the table of
-- notifications was installed is old, and is left out.
-- A reload can fail more than once, because a failed merge is tried again.
WITH installed AS (
    SELECT min(applied_at) AS at
    FROM admin.schema_versions
    WHERE name LIKE 'ddl/%\_notifications'
),

events AS (
    SELECT
        'reload_' || r.status AS event,
        'reload ' || r.reload_id::text AS subject,
        r.closed_at::text AS occurrence,
        ARRAY[r.group_name] AS groups,
        r.partition_key,
        r.tables,
        r.reload_id,
        r.run_id,
        CASE WHEN r.status <> 'rejected' THEN r.error_code END AS error_code,
        coalesce(c.failed, '') AS detail
    FROM admin.reloads AS r
    CROSS JOIN installed AS i
    CROSS JOIN LATERAL (
        SELECT string_agg(k.table_name || '.' || k.check_name, ', ' ORDER BY k.table_name, k.check_name) AS failed
        FROM admin.reload_checks AS k
        WHERE k.reload_id = r.reload_id AND k.blocking AND k.status IN ('failed', 'could not verify')
    ) AS c
    WHERE
        r.status IN ('failed', 'cancelled', 'rejected') AND r.closed_at >= i.at
        -- The checks of other tables may still run; a run that has died finishes none.
        AND (
            r.status <> 'rejected' OR r.closed_at < clock_timestamp() - interval '1 minute'
            OR NOT EXISTS (
                SELECT 1
                FROM admin.reload_checks AS k
                WHERE k.reload_id = r.reload_id AND k.blocking AND k.status = 'pending'
            )
        )
    UNION ALL
    SELECT
        'reload_unconfirmed',
        'reload ' || r.reload_id::text,
        r.confirm_ended_at::text,
        ARRAY[r.group_name],
        r.partition_key,
        r.tables,
        r.reload_id,
        r.run_id,
        substring(r.confirm_detail FROM '.*\[([a-z0-9]+(?:-[a-z0-9]+)+)\]'),
        ''
    FROM admin.reloads AS r
    CROSS JOIN installed AS i
    WHERE r.status = 'merged' AND r.confirm_status = 'unconfirmed' AND r.confirm_ended_at >= i.at
    UNION ALL
    SELECT
        'request_' || q.status,
        'request ' || q.request_id::text,
        q.updated_at::text,
        ARRAY[q.group_name],
        q.window_start::text || ' -- ' || q.window_end::text,
        q.tables,
        NULL,
        q.run_id,
        substring(q.error FROM '.*\[([a-z0-9]+(?:-[a-z0-9]+)+)\]'),
        ''
    FROM admin.reload_requests AS q
    CROSS JOIN installed AS i
    -- If a request has become a reload, or several requests, these say what happened.
    WHERE
        q.status IN ('refused', 'failed') AND q.reload_id IS NULL AND q.updated_at >= i.at
        AND NOT EXISTS (SELECT FROM admin.reload_requests AS p WHERE p.split_from = q.request_id)
    UNION ALL
    -- Requests that are held together are one event. Its subject stays, whichever of them are released first.
    SELECT
        'request_held',
        'the finder ' || q.found_by,
        q.updated_at::text,
        array_agg(DISTINCT q.group_name ORDER BY q.group_name),
        CASE WHEN count(*) = 1 THEN min(q.window_start)::text || ' -- ' || min(q.window_end)::text END,
        NULL,
        NULL,
        NULL,
        substring(min(q.held_because) FROM '.*\[([a-z0-9]+(?:-[a-z0-9]+)+)\]'),
        'request ' || min(q.request_id)::text
        || CASE WHEN count(*) > 1 THEN ' and ' || (count(*) - 1)::text || ' more' ELSE '' END
    FROM admin.reload_requests AS q
    CROSS JOIN installed AS i
    WHERE q.status = 'held' AND q.updated_at >= i.at
    GROUP BY q.found_by, q.updated_at
)

INSERT INTO admin.notifications (
    event, subject, occurrence, groups, partition_key, tables, reload_id, run_id, error_code, detail, pending
)
SELECT
    e.*,
    :'channels'::text [] AS pending
FROM events AS e
WHERE
    NOT EXISTS (
        SELECT 1
        FROM admin.notifications AS n
        WHERE n.event = e.event AND n.subject = e.subject AND n.occurrence = e.occurrence
    )
ORDER BY e.occurrence;

-- name: list_unmerged
-- List the reloads with verified rows that are not merged, or only in part, each with its run. If that run has failed,
-- nothing else in the ledger says so.
SELECT
    r.reload_id,
    r.run_id
FROM admin.reloads AS r
WHERE
    r.status IN ('verified', 'merging')
    AND r.opened_at >= (
        SELECT min(applied_at)
        FROM admin.schema_versions
        WHERE name LIKE 'ddl/%\_notifications'
    )
    AND NOT EXISTS (
        SELECT 1
        FROM admin.notifications AS n
        WHERE
            n.event = 'reload_unmerged' AND n.subject = 'reload ' || r.reload_id::text AND n.occurrence = r.run_id
    )
ORDER BY r.reload_id;

-- name: insert_unmerged
-- Note that the run of a reload has failed before it merged the verified rows.
INSERT INTO admin.notifications (
    event, subject, occurrence, groups, partition_key, tables, reload_id, run_id, error_code, pending
)
SELECT
    'reload_unmerged' AS event,
    'reload ' || r.reload_id::text AS subject,
    r.run_id AS occurrence,
    ARRAY[r.group_name] AS groups,
    r.partition_key,
    r.tables,
    r.reload_id,
    r.run_id,
    coalesce(r.error_code, :'error_code') AS error_code,
    :'channels'::text [] AS pending
FROM admin.reloads AS r
WHERE r.reload_id = :'reload_id'::bigint AND r.run_id = :'run_id' AND r.status IN ('verified', 'merging');

-- name: get_cdc_event
-- Return what was said last about a CDC task.
SELECT event
FROM admin.notifications
WHERE subject = :'task_arn' AND event LIKE 'cdc\_%'
ORDER BY notification_id DESC
LIMIT 1;

-- name: try_fence
-- Return whether no reload at work keeps the CDC task stopped. Then none can until the transaction ends.
SELECT pg_try_advisory_xact_lock_shared(hashtextextended('reload_assets:fence:' || :'task_arn', 0)) AS free;

-- name: insert_cdc_event
-- Note that a CDC task has come into another state.
INSERT INTO admin.notifications (event, subject, occurrence, groups, detail, pending)
VALUES (
    :'event', :'task_arn', clock_timestamp()::text, :'groups'::text [], :'detail', :'channels'::text []
);

-- name: drop_other_channels
-- Forget the channels that are no longer configured.
UPDATE admin.notifications
SET pending = array(SELECT p.channel FROM unnest(pending) AS p (channel) WHERE p.channel = any(:'channels'::text []))
WHERE pending <> '{}' AND NOT pending <@ :'channels'::text [];

-- name: take_pending
-- Lock the next notification for a channel: those that failed least often come first. Another process skips it.
SELECT
    notification_id,
    event,
    subject,
    groups,
    partition_key,
    tables,
    reload_id,
    run_id,
    error_code,
    detail
FROM admin.notifications
WHERE pending <> '{}' AND :'channel' = any(pending)
ORDER BY failures, notification_id
LIMIT 1
FOR UPDATE SKIP LOCKED;

-- name: set_sent
-- Note that a channel has taken a notification.
UPDATE admin.notifications
SET
    pending = array_remove(pending, :'channel'),
    sent_at = CASE WHEN pending = ARRAY[:'channel'] THEN clock_timestamp() END,
    failure = CASE WHEN pending <> ARRAY[:'channel'] THEN failure END
WHERE notification_id = :'notification_id'::bigint;

-- name: set_failed
-- Note that a channel has not taken a notification, and why. It is tried again.
UPDATE admin.notifications
SET failures = failures + 1, failure = :'failure'
WHERE notification_id = :'notification_id'::bigint;
