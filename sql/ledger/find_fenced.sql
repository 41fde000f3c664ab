-- The reloads that have stopped a CDC task and not resumed it, with their runs.
-- psql: -v task_arn=arn
SELECT
    reload_id,
    run_id
FROM admin.reloads
WHERE cdc_task_arn = :'task_arn' AND cdc_stopped_at IS NOT NULL AND cdc_resumed_at IS NULL
ORDER BY reload_id;
