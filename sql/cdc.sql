-- CDC: DMS's control tables, and the lock that lets only one reload keep the task stopped.
-- By hand: psql -f sql/example.psql -f sql/cdc.sql

-- name: get_clock
-- Return the target's clock.
SELECT clock_timestamp() AS instant;

-- name: get_position
-- Return the position of a CDC task from DMS's status table. Instants are UTC. After a move to another server a task
-- has more than one row: the newest counts. If pending_changes is 0, no change is waiting in the task.
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
-- List the statements on the named tables that CDC could not apply, and so skipped, since an instant (UTC), oldest
-- first. The names may be the source's or the target's.
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

-- name: list_skipped_page
-- List the first of the same statements, and all that have the same time as the last of them.
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
ORDER BY "ERROR_TIME"
FETCH FIRST (:'most'::bigint) ROWS WITH TIES;

-- name: lock_fence
-- Let only one reload at a time keep a CDC task stopped. The lock lasts until the transaction ends.
SELECT pg_advisory_xact_lock(hashtextextended('reload_assets:fence:' || :'task_arn', 0));
