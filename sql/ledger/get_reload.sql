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
    merge_started_at,
    error,
    source_read_until,
    cdc_task_arn,
    cdc_status,
    cdc_lag_seconds,
    cdc_remarks,
    confirm_status,
    confirm_passes,
    confirm_corrections,
    confirm_waited_seconds,
    confirm_detail
FROM admin.reloads
WHERE reload_id = :'reload_id'::bigint;
