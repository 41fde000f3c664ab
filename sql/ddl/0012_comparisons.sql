-- What comparisons of windows with the source found: one row per comparison of one table's window.
-- By hand: psql -f sql/example.psql -f sql/ddl/0012_comparisons.sql
CREATE TABLE IF NOT EXISTS admin.comparisons (
    comparison_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    group_name text NOT NULL,
    table_name text NOT NULL,
    window_start timestamptz NOT NULL,
    window_end timestamptz NOT NULL,
    -- failed: it could not be done. in part: it was stopped at finders.drift.seconds.
    status text NOT NULL CHECK (status IN ('compared', 'in part', 'failed')),
    -- NULL if nothing was found wrong, but not everything was compared.
    is_equal boolean,
    run_id text NOT NULL,
    -- By the source's clock, before anything was read.
    began_at timestamptz,
    compared_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- Of the window, as far as it was compared.
    source_rows bigint NOT NULL DEFAULT 0,
    production_rows bigint NOT NULL DEFAULT 0,
    -- What that cost: rows that went into a sum, and those that were read again.
    source_rows_read bigint NOT NULL DEFAULT 0,
    production_rows_read bigint NOT NULL DEFAULT 0,
    segments integer NOT NULL DEFAULT 0,
    segments_differing integer NOT NULL DEFAULT 0,
    missing bigint NOT NULL DEFAULT 0,
    older bigint NOT NULL DEFAULT 0,
    content bigint NOT NULL DEFAULT 0,
    unversioned bigint NOT NULL DEFAULT 0,
    later bigint NOT NULL DEFAULT 0,
    extra bigint NOT NULL DEFAULT 0,
    -- Rows that differ, and that the table's policies leave as they are.
    left_by_policy bigint NOT NULL DEFAULT 0,
    -- Rows that differed at the last reading, but that the source changed between the readings.
    changing bigint NOT NULL DEFAULT 0,
    source_seconds double precision NOT NULL DEFAULT 0,
    production_seconds double precision NOT NULL DEFAULT 0,
    waited_seconds double precision NOT NULL DEFAULT 0,
    seconds double precision NOT NULL DEFAULT 0,
    -- Why columns were not compared, by their names in the source.
    not_compared jsonb NOT NULL DEFAULT '{}'::jsonb,
    detail text NOT NULL,
    CHECK (window_end > window_start),
    CHECK (status = 'compared' OR is_equal IS NOT TRUE)
);
COMMENT ON TABLE admin.comparisons IS
'One row per comparison of one table''s window with the source. status: compared, in part (stopped at '
'finders.drift.seconds), failed. is_equal: false if rows drifted; NULL if none did, but not everything was compared. '
'missing, older, content, unversioned, later, extra: rows of production that drifted, by outcome.';
CREATE INDEX IF NOT EXISTS comparisons_of_window
ON admin.comparisons (group_name, table_name, window_start, window_end, compared_at DESC);
