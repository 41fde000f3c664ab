-- The ledger: open a reload, in the transaction that creates its staging tables.
-- By hand: psql -f sql/example.psql -f sql/ledger/open.sql

-- name: lock_group
-- Let only one reload of a group be opened at a time, so that two cannot both find the window free. The lock lasts
-- until the commit.
SELECT pg_advisory_xact_lock(hashtextextended('reload_assets:open:' || :'group_name', 0));

-- name: find_unfinished
-- Find the reloads of a group that overlap a window and have not ended. Margins for late commits do not count: if two
-- neighbours load the same row, the merge locks it and never overwrites it with an older version. So reloads of keys
-- overlap nothing; window_start is NULL for one, and finds other attempts to reload the same request.
SELECT reload_id
FROM admin.reloads
WHERE
    group_name = :'group_name'
    AND (status IN ('open', 'loading', 'loaded', 'verified', 'merging') OR confirm_status = 'pending')
    AND (
        (window_start < :'window_end'::timestamptz AND window_end > :'window_start'::timestamptz)
        OR (:'window_start'::timestamptz IS NULL AND selection = 'keys' AND partition_key = :'partition_key')
    )
ORDER BY reload_id;

-- name: insert_reload
-- Open a reload. From here on no other reload of the group can take its window.
INSERT INTO admin.reloads (
    group_name, window_start, window_end, load_start, partition_key, tables, started_by, reason, run_id, request_id,
    columns
)
VALUES (
    :'group_name', :'window_start'::timestamptz, :'window_end'::timestamptz, :'load_start'::timestamptz,
    :'partition_key', :'tables'::text [], :'started_by', nullif(:'reason'::text, ''), :'run_id', :'request_id'::bigint,
    :'limited_columns'::jsonb
)
RETURNING reload_id;

-- name: create_audit_partition
-- Give a reload its own partition of the audit. It is created separately and then attached, so that other reloads can
-- write to the audit meanwhile.
CREATE TABLE admin.:"audit_partition" (LIKE admin.reload_changes INCLUDING ALL);
ALTER TABLE admin.reload_changes ATTACH PARTITION admin.:"audit_partition" FOR VALUES IN (:opened_reload_id);

-- name: insert_table
-- Add a table to the opened reload, with the staging table that was created for it.
INSERT INTO admin.reload_tables (
    reload_id, table_name, production_schema, production_table, staging_schema, staging_table, staging_oid, definition
)
VALUES (
    :'opened_reload_id'::bigint, :'table_name', :'production_schema', :'production_table', :'staging_schema',
    :'staging_table',
    to_regclass(quote_ident(:'staging_schema') || '.' || quote_ident(:'staging_table'))::oid,
    :'definition'::jsonb
);

-- name: insert_pending_check
-- Add a check that the opened reload must pass before its merge.
INSERT INTO admin.reload_checks (reload_id, table_name, check_name, status, blocking)
VALUES (:'opened_reload_id'::bigint, :'table_name', :'check_name', 'pending', TRUE);

-- name: set_cdc
-- Write what the gate found about the CDC task before the load, and the offsets of the clocks.
UPDATE admin.reloads
SET
    cdc_task_arn = :'task_arn',
    cdc_status = :'cdc_status',
    cdc_lag_seconds = :'lag_seconds'::float8,
    target_clock_offset_seconds = :'target_clock_offset_seconds'::float8,
    dms_clock_offset_seconds = :'dms_clock_offset_seconds'::float8,
    cdc_remarks = :'remarks'::text []
WHERE reload_id = :'reload_id'::bigint;

-- name: set_run
-- Note that a later run resumes a reload that an earlier one opened.
UPDATE admin.reloads SET run_id = :'run_id'
WHERE reload_id = :'reload_id'::bigint;
