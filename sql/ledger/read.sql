-- The ledger: read reloads, their tables and their definitions.
-- By hand: psql -f sql/example.psql -f sql/ledger/read.sql

-- name: find_by_run
-- Find the reload that a run opened.
SELECT reload_id FROM admin.reloads WHERE run_id = :'run_id' ORDER BY reload_id DESC LIMIT 1;

-- name: get_reload
-- Get one reload.
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
    confirm_detail,
    columns
FROM admin.reloads
WHERE reload_id = :'reload_id'::bigint;

-- name: get_latest_of_selection
-- Get the newest reload of a window of a group that covers a table. Without a window: of the keys of a partition. One
-- that is limited to columns counts only in its own partition, which is never the cadence's.
SELECT max(reload_id) AS reload_id
FROM admin.reloads
WHERE
    group_name = :'group_name'
    AND (
        (window_start = :'window_start'::timestamptz AND window_end = :'window_end'::timestamptz)
        OR (:'window_start'::timestamptz IS NULL AND selection = 'keys' AND partition_key = :'partition_key')
    )
    AND (columns IS NULL OR partition_key = :'partition_key')
    AND :'table_name' = any(tables);

-- name: get_latest_of_table
-- Get the newest reload of a group that covers a table, in any window.
SELECT max(reload_id) AS reload_id
FROM admin.reloads
WHERE group_name = :'group_name' AND :'table_name' = any(tables);

-- name: list_tables
-- List the tables of a reload with their counts (rows), parents first.
SELECT
    table_name,
    staging_schema,
    staging_table,
    staging_oid,
    staging_dropped_at,
    source_rows_before,
    source_rows_after,
    dms_rows,
    trimmed_rows,
    staged_rows,
    conversions,
    inserted,
    updated,
    repaired,
    identical,
    refused,
    unversioned,
    skipped,
    merged_through,
    merge_chunks,
    merge_ended_at,
    confirm_keys,
    confirm_inserted,
    confirm_updated,
    confirm_deleted,
    orphans
FROM admin.reload_tables
WHERE reload_id = :'reload_id'::bigint
ORDER BY id;

-- name: list_definitions
-- List the tables of a reload as it resolved them, parents first.
SELECT definition
FROM admin.reload_tables
WHERE reload_id = :'reload_id'::bigint
ORDER BY id;
