-- The statements on tables of some names that CDC could not apply and skipped since an instant (UTC), oldest first. The
-- names may be the source's or the target's.
-- psql: -v control_schema=public -v task_name=EXAMPLE -v tables={orders} -v since=2025-01-01T00:00Z
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
