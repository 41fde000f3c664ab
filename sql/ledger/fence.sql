-- The ledger: a reload that keeps the CDC task stopped while it writes production.
-- By hand: psql -f sql/example.psql -f sql/ledger/fence.sql

-- name: set_cdc_stopped
-- Note that the CDC task is about to be stopped for a reload. The note comes first, so that the task is resumed even
-- after a crash.
UPDATE admin.reloads SET cdc_stopped_at = clock_timestamp(), cdc_resumed_at = NULL
WHERE reload_id = :'reload_id'::bigint;

-- name: find_fenced
-- Find the reloads that have stopped a CDC task and not resumed it, with their runs.
SELECT
    reload_id,
    run_id
FROM admin.reloads
WHERE cdc_task_arn = :'task_arn' AND cdc_stopped_at IS NOT NULL AND cdc_resumed_at IS NULL
ORDER BY reload_id;

-- name: set_cdc_resumed
-- Note that the CDC task runs again.
UPDATE admin.reloads SET cdc_resumed_at = clock_timestamp()
WHERE reload_id = :'reload_id'::bigint;
