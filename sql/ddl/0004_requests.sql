-- Requests for reloads from outside Dagster: somebody inserts a row, and a sensor starts the reload once.
-- By hand: psql -f sql/example.psql -f sql/ddl/0004_requests.sql
CREATE TABLE IF NOT EXISTS admin.reload_requests (
    request_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    group_name text NOT NULL,
    window_start timestamptz NOT NULL,
    window_end timestamptz NOT NULL,
    -- NULL: all tables of the group.
    tables text [],
    reason text NOT NULL,
    requested_by text NOT NULL DEFAULT current_user,
    requested_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    status text NOT NULL DEFAULT 'pending' CHECK (
        status IN ('pending', 'started', 'done', 'failed', 'refused')
    ),
    run_id text,
    reload_id bigint,
    error text,
    updated_at timestamptz
);
COMMENT ON TABLE admin.reload_requests IS
'Requests for reloads from outside Dagster. Insert group_name, window_start, window_end, reason (and tables). The '
'sensor writes status, run_id, reload_id and error. status: pending, started, done, failed (the run failed), refused '
'(a bad request).';
CREATE INDEX IF NOT EXISTS reload_requests_open ON admin.reload_requests (request_id)
WHERE status IN ('pending', 'started');
