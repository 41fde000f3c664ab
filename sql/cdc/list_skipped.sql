-- The statements on one table that CDC could not apply and passed over since an instant (UTC), oldest first.
-- psql: -v control_schema=public -v task_name=EXAMPLE -v schema=production -v table=orders -v since=2025-01-01T00:00Z
SELECT
    "ERROR_TIME" AT TIME ZONE 'UTC' AS skipped_at,
    "STATEMENT" AS statement,
    "ERROR" AS error
FROM :"control_schema".awsdms_apply_exceptions
WHERE
    upper("TASK_NAME") = upper(:'task_name')
    AND lower("TABLE_OWNER") = lower(:'schema') AND lower("TABLE_NAME") = lower(:'table')
    AND "ERROR_TIME" >= :'since'::timestamptz AT TIME ZONE 'UTC'
ORDER BY "ERROR_TIME";
