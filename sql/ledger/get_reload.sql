-- One reload.
-- psql: -v reload_id=1
SELECT
    reload_id,
    group_name,
    window_start,
    window_end,
    load_start,
    partition_key,
    tables,
    status,
    started_by,
    run_id,
    task_identifier,
    task_arn,
    opened_at,
    error
FROM admin.reloads
WHERE reload_id = :'reload_id'::bigint;
