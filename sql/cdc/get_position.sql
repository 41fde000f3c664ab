-- How far a CDC task is, by DMS's own status table; instants are UTC. After a move to another server the task has more
-- rows than one: the newest counts. Nothing is waiting in the task where pending_changes is 0.
-- psql: -v control_schema=public -v task_name=EXAMPLE
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
