-- The ledger: what each reload did, who started it, which DMS task loaded it, how it ended. All instants are UTC.
-- psql:
CREATE TABLE IF NOT EXISTS admin.reloads (
    reload_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    group_name text NOT NULL,
    window_start timestamptz NOT NULL,
    window_end timestamptz NOT NULL,
    -- Earlier than window_start by the margin for late commits.
    load_start timestamptz NOT NULL,
    partition_key text NOT NULL,
    tables text [] NOT NULL,
    status text NOT NULL DEFAULT 'open' CHECK (
        status IN ('open', 'loading', 'loaded', 'verified', 'rejected', 'merged', 'failed', 'cancelled')
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
    loaded_at timestamptz,
    merge_started_at timestamptz,
    merge_ended_at timestamptz,
    closed_at timestamptz,
    error text,
    CHECK (window_start < window_end AND load_start <= window_start)
);
COMMENT ON TABLE admin.reloads IS
'One row a reload: one window of one table group, one attempt. status: open (window frozen, staging made), '
'loading (DMS runs), loaded, verified (all checks passed), rejected (a check failed), merged, failed, cancelled.';
CREATE INDEX IF NOT EXISTS reloads_window ON admin.reloads (group_name, window_start, window_end);

CREATE TABLE IF NOT EXISTS admin.reload_tables (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    reload_id bigint NOT NULL REFERENCES admin.reloads (reload_id) ON DELETE CASCADE,
    table_name text NOT NULL,
    production_schema text NOT NULL,
    production_table text NOT NULL,
    staging_schema text NOT NULL,
    staging_table text NOT NULL,
    -- Identifies the very table that was made for this load, whatever is later made under its name.
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
    merge_started_at timestamptz,
    merge_ended_at timestamptz,
    UNIQUE (reload_id, table_name)
);
COMMENT ON TABLE admin.reload_tables IS
'One row a table of a reload. Staged row outcomes: inserted, updated (staged is newer), repaired (same version, other '
'content), identical, refused (production is newer), unversioned (differs while a version is NULL), skipped (same '
'version, other content, policy skip). Rows, not bytes.';

CREATE TABLE IF NOT EXISTS admin.reload_checks (
    reload_id bigint NOT NULL REFERENCES admin.reloads (reload_id) ON DELETE CASCADE,
    table_name text NOT NULL,
    check_name text NOT NULL,
    status text NOT NULL CHECK (status IN ('pending', 'passed', 'failed', 'could not verify')),
    -- Whether this check stands in the way of the merge until it has passed.
    blocking boolean NOT NULL,
    detail text NOT NULL DEFAULT '',
    checked_at timestamptz,
    PRIMARY KEY (reload_id, table_name, check_name)
);
COMMENT ON TABLE admin.reload_checks IS
'The verdict of a reload, check by check. The merge refuses a reload with a blocking check that has not passed.';
