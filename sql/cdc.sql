-- The control tables of a CDC task, and the lock of the one reload that keeps the task stopped.
-- By hand: psql -f sql/example.psql -f sql/cdc.sql

-- name: get_clock
-- The target's clock.
SELECT clock_timestamp() AS instant;

-- name: get_position
-- How far a CDC task is, by DMS's own status table; instants are UTC. After a move to another server the task has more
-- rows than one: the newest counts. Nothing is waiting in the task where pending_changes is 0.
SELECT
    status_time AT TIME ZONE 'UTC' AS status_time,
    coalesce(pending_changes, 0) AS pending_changes,
    source_current_timestamp AT TIME ZONE 'UTC' AS read_until,
    source_timestamp_applied AT TIME ZONE 'UTC' AS applied_until,
    source_tail_timestamp AT TIME ZONE 'UTC' AS needed_from,
    clock_timestamp() AS asked_at
FROM :"control_schema".awsdms_status
WHERE upper(task_name) = upper(:'task_name')
ORDER BY status_time DESC NULLS LAST
LIMIT 1;

-- name: list_skipped
-- The statements on tables of some names that CDC could not apply and skipped since an instant (UTC), oldest first. The
-- names may be the source's or the target's.
SELECT
    "ERROR_TIME" AT TIME ZONE 'UTC' AS skipped_at,
    "STATEMENT" AS statement,
    "ERROR" AS error,
    "TABLE_OWNER" AS owner,
    "TABLE_NAME" AS table_name
FROM :"control_schema".awsdms_apply_exceptions
WHERE
    upper("TASK_NAME") = upper(:'task_name')
    AND lower("TABLE_NAME") = any(:'tables'::text [])
    AND "ERROR_TIME" >= :'since'::timestamptz AT TIME ZONE 'UTC'
ORDER BY "ERROR_TIME";

-- name: lock_fence
-- One reload at a time keeps a CDC task stopped. Held until the end of the transaction.
SELECT pg_advisory_xact_lock(hashtextextended('reload_assets:fence:' || :'task_arn', 0));
