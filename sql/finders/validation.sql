-- The failures that DMS's validation has noted and that are not findings yet. DMS adds rows to its tables and never
-- removes one; a resync of its own changes the columns RESYNC_*.
-- By hand: psql -f sql/example.psql -f sql/finders/validation.sql

-- name: list_failure_tables
-- List which tables of validation failures there are: engines before 3.6.1 write the first, later ones the second.
SELECT c.relname AS name
FROM pg_class AS c
INNER JOIN pg_namespace AS n ON c.relnamespace = n.oid
WHERE n.nspname = :'control_schema' AND c.relname IN ('awsdms_validation_failures_v1', 'awsdms_validation_failures_v2');

-- name: list_failures_v1
-- List the failures of one task, or of all, oldest first. The first table does not number its rows, so all of a row's
-- columns but the last name it. A task stops at a number of failures, so they are counted, including known ones.
WITH failure AS (
    SELECT
        f."TASK_NAME" AS task,
        f."TABLE_OWNER" AS owner,
        f."TABLE_NAME" AS table_name,
        f."FAILURE_TIME" AT TIME ZONE 'UTC' AS failed_at,
        f."KEY_TYPE" AS key_type,
        f."KEY" AS key,
        f."FAILURE_TYPE" AS kind,
        encode(
            sha256(
                convert_to(
                    jsonb_build_array(
                        f."TASK_NAME", f."TABLE_OWNER", f."TABLE_NAME", f."FAILURE_TIME", f."KEY_TYPE", f."KEY",
                        f."FAILURE_TYPE"
                    )::text,
                    'UTF8'
                )
            ),
            'hex'
        ) AS evidence_id,
        count(*) OVER (PARTITION BY f."TASK_NAME", f."TABLE_OWNER", f."TABLE_NAME") AS of_table,
        count(*) OVER (PARTITION BY f."TASK_NAME") AS of_task
    FROM :"control_schema".awsdms_validation_failures_v1 AS f
    WHERE :'task_name'::text IS NULL OR upper(f."TASK_NAME") = upper(:'task_name'::text)
)

SELECT
    failure.task,
    failure.owner,
    failure.table_name,
    failure.failed_at,
    failure.key_type,
    failure.key,
    failure.kind,
    failure.evidence_id,
    failure.of_table,
    failure.of_task
FROM failure
WHERE NOT EXISTS (
    SELECT FROM admin.findings AS known
    WHERE known.finder = 'validation' AND known.evidence_id = failure.evidence_id
)
ORDER BY failure.failed_at, failure.evidence_id;

-- name: list_failures_v2
-- List the same of the second table, without the rows that a resync of DMS has corrected. The time is part of a row's
-- name, because the numbers begin again if somebody has DMS create the table again.
WITH failure AS (
    SELECT
        f."TASK_NAME" AS task,
        f."TABLE_OWNER" AS owner,
        f."TABLE_NAME" AS table_name,
        f."FAILURE_TIME" AT TIME ZONE 'UTC' AS failed_at,
        f."KEY_TYPE" AS key_type,
        f."KEY" AS key,
        f."FAILURE_TYPE" AS kind,
        f."RESYNC_RESULT" AS resync_result,
        concat_ws(' ', :'control_schema'::text, f."RESYNC_ID", to_jsonb(f."FAILURE_TIME") #>> '{}') AS evidence_id,
        count(*) OVER (PARTITION BY f."TASK_NAME", f."TABLE_OWNER", f."TABLE_NAME") AS of_table,
        count(*) OVER (PARTITION BY f."TASK_NAME") AS of_task
    FROM :"control_schema".awsdms_validation_failures_v2 AS f
    WHERE :'task_name'::text IS NULL OR upper(f."TASK_NAME") = upper(:'task_name'::text)
)

SELECT
    failure.task,
    failure.owner,
    failure.table_name,
    failure.failed_at,
    failure.key_type,
    failure.key,
    failure.kind,
    failure.evidence_id,
    failure.of_table,
    failure.of_task
FROM failure
WHERE
    upper(failure.resync_result) IS DISTINCT FROM 'SUCCESS'
    AND NOT EXISTS (
        SELECT FROM admin.findings AS known
        WHERE known.finder = 'validation' AND known.evidence_id = failure.evidence_id
    )
ORDER BY failure.failed_at, failure.evidence_id;
