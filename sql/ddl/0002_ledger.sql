-- The ledger records of each reload what it did, who started it, which DMS task loaded it, and how it ended. All
-- instants are UTC.
-- By hand: psql -f sql/example.psql -f sql/ddl/0002_ledger.sql
CREATE TABLE IF NOT EXISTS admin.reloads (
    reload_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    group_name text NOT NULL,
    window_start timestamptz NOT NULL,
    window_end timestamptz NOT NULL,
    -- window_start minus the margin for late commits.
    load_start timestamptz NOT NULL,
    partition_key text NOT NULL,
    tables text [] NOT NULL,
    status text NOT NULL DEFAULT 'open' CHECK (
        status IN ('open', 'loading', 'loaded', 'verified', 'rejected', 'merging', 'merged', 'failed', 'cancelled')
    ),
    started_by text NOT NULL,
    reason text,
    run_id text NOT NULL,
    request_id bigint,
    task_identifier text,
    task_arn text,
    task_removed_at timestamptz,
    stop_reason text,
    opened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- The oldest transaction that was running when the reload was opened. Rows with a later number were written since.
    opened_xid bigint NOT NULL DEFAULT pg_snapshot_xmin(pg_current_snapshot())::text::bigint,
    loaded_at timestamptz,
    merge_started_at timestamptz,
    merge_started_xid bigint,
    merge_ended_at timestamptz,
    closed_at timestamptz,
    error text,
    -- What the gate found before the load.
    cdc_task_arn text,
    cdc_status text,
    cdc_lag_seconds double precision,
    -- By how much the target's clock, and the one of DMS's newest status, were ahead of the source's.
    target_clock_offset_seconds double precision,
    dms_clock_offset_seconds double precision,
    -- Warnings about how the CDC task carries the tables, one sentence each.
    cdc_remarks text [] NOT NULL DEFAULT '{}',
    -- By the source's clock. The load has nothing that was committed later.
    source_read_until timestamptz,
    cdc_stopped_at timestamptz,
    cdc_resumed_at timestamptz,
    confirm_status text NOT NULL DEFAULT 'none' CHECK (
        confirm_status IN ('none', 'pending', 'confirmed', 'unconfirmed')
    ),
    confirm_passes integer NOT NULL DEFAULT 0,
    confirm_corrections bigint NOT NULL DEFAULT 0,
    confirm_waited_seconds double precision NOT NULL DEFAULT 0,
    confirm_ended_at timestamptz,
    confirm_detail text,
    CHECK (window_start < window_end AND load_start <= window_start)
);
COMMENT ON TABLE admin.reloads IS
'One row per reload: one window of one table group, one attempt. status: open (window frozen, staging made), '
'loading (DMS runs), loaded, verified (all checks passed), rejected (a check failed), merging (some chunks are in '
'production), merged, failed, cancelled. '
'confirm_status, after the merge: pending, confirmed (production was found equal to the source), unconfirmed (see '
'confirm_detail). cdc_stopped_at without cdc_resumed_at: the CDC task may still be stopped.';
CREATE INDEX IF NOT EXISTS reloads_window ON admin.reloads (group_name, window_start, window_end);

CREATE TABLE IF NOT EXISTS admin.reload_tables (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    reload_id bigint NOT NULL REFERENCES admin.reloads (reload_id) ON DELETE CASCADE,
    table_name text NOT NULL,
    production_schema text NOT NULL,
    production_table text NOT NULL,
    staging_schema text NOT NULL,
    staging_table text NOT NULL,
    -- Identifies the very table that was made for this load, as another one may later get its name.
    staging_oid oid NOT NULL,
    staging_dropped_at timestamptz,
    source_rows_before bigint,
    source_rows_after bigint,
    dms_rows bigint,
    trimmed_rows bigint NOT NULL DEFAULT 0,
    staged_rows bigint NOT NULL DEFAULT 0,
    inserted bigint NOT NULL DEFAULT 0,
    updated bigint NOT NULL DEFAULT 0,
    repaired bigint NOT NULL DEFAULT 0,
    identical bigint NOT NULL DEFAULT 0,
    refused bigint NOT NULL DEFAULT 0,
    unversioned bigint NOT NULL DEFAULT 0,
    skipped bigint NOT NULL DEFAULT 0,
    confirm_keys bigint NOT NULL DEFAULT 0,
    confirm_inserted bigint NOT NULL DEFAULT 0,
    confirm_updated bigint NOT NULL DEFAULT 0,
    confirm_deleted bigint NOT NULL DEFAULT 0,
    orphans bigint NOT NULL DEFAULT 0,
    merge_started_at timestamptz,
    merge_ended_at timestamptz,
    -- In a merge in chunks: the last merged key, as texts. NULL before the first chunk and after the last.
    merged_through text [],
    merge_chunks integer NOT NULL DEFAULT 0,
    UNIQUE (reload_id, table_name)
);
COMMENT ON TABLE admin.reload_tables IS
'One row per table of a reload. Outcomes of staged rows: inserted, updated (the staged row is newer), repaired (same '
'version, other content), identical, refused (production is newer), unversioned (differs, and a version is NULL), '
'skipped (same version, other content, policy skip). confirm_keys: rows that confirm read again from the source; '
'confirm_inserted, confirm_updated, confirm_deleted: rows that it corrected; orphans: rows that the source no longer '
'has and that stay by policy. merge_chunks: the number of transactions that merged the table. Counts are in rows.';

CREATE TABLE IF NOT EXISTS admin.reload_checks (
    reload_id bigint NOT NULL REFERENCES admin.reloads (reload_id) ON DELETE CASCADE,
    table_name text NOT NULL,
    check_name text NOT NULL,
    status text NOT NULL CHECK (status IN ('pending', 'passed', 'failed', 'could not verify')),
    -- Whether the merge must wait until this check has passed.
    blocking boolean NOT NULL,
    detail text NOT NULL DEFAULT '',
    checked_at timestamptz,
    PRIMARY KEY (reload_id, table_name, check_name)
);
COMMENT ON TABLE admin.reload_checks IS
'The verdict of a reload, check by check. The merge refuses a reload with a blocking check that has not passed.';
