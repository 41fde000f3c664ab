-- A reload's selection is a window or a list of keys. Requests ask for either, also on behalf of finders, whose findings
-- are remembered here.
-- By hand: psql -f sql/example.psql -f sql/ddl/0011_selections.sql
ALTER TABLE admin.reloads
ALTER COLUMN window_start DROP NOT NULL,
ALTER COLUMN window_end DROP NOT NULL,
ALTER COLUMN load_start DROP NOT NULL,
ADD COLUMN IF NOT EXISTS selection text
GENERATED ALWAYS AS (CASE WHEN window_start IS NULL THEN 'keys' ELSE 'window' END) STORED,
DROP CONSTRAINT IF EXISTS reloads_window_is_whole,
ADD CONSTRAINT reloads_window_is_whole CHECK (num_nulls(window_start, window_end, load_start) IN (0, 3));
COMMENT ON COLUMN admin.reloads.selection IS
'window: the rows of window_start to window_end; keys: the rows whose keys are in admin.reload_keys.';

CREATE TABLE IF NOT EXISTS admin.reload_keys (
    reload_id bigint NOT NULL REFERENCES admin.reloads (reload_id) ON DELETE CASCADE,
    table_name text NOT NULL,
    -- The values of the key's columns as canonical text, in the order of the key.
    key text [] NOT NULL,
    PRIMARY KEY (reload_id, table_name, key)
);
COMMENT ON TABLE admin.reload_keys IS
'The selected keys of the reloads that are not for a window: one row per key, its values as text in the order of the '
'key''s columns.';

ALTER TABLE admin.reload_requests
ALTER COLUMN window_start DROP NOT NULL,
ALTER COLUMN window_end DROP NOT NULL,
ADD COLUMN IF NOT EXISTS keys jsonb,
-- Reload the windows that hold the keys, because more rows than these are wrong there.
ADD COLUMN IF NOT EXISTS whole_windows boolean NOT NULL DEFAULT FALSE,
ADD COLUMN IF NOT EXISTS found_by text NOT NULL DEFAULT 'person',
ADD COLUMN IF NOT EXISTS evidence jsonb,
ADD COLUMN IF NOT EXISTS held_because text,
ADD COLUMN IF NOT EXISTS split_from bigint REFERENCES admin.reload_requests (request_id),
DROP CONSTRAINT IF EXISTS reload_requests_status_check,
ADD CONSTRAINT reload_requests_status_check CHECK (
    status IN ('pending', 'held', 'started', 'split', 'done', 'healed', 'failed', 'refused')
);
COMMENT ON TABLE admin.reload_requests IS
'Requests for reloads from outside Dagster. Insert group_name, reason, and either window_start and window_end (and '
'tables), or keys: a JSON object with a list of keys per table, such as {"orders": [1001, 1002], "order_lines": '
'[[1001, 1]]}; the values of a composite key are in the order of its columns. The sensor writes status, run_id, '
'reload_id and error. status: pending, held (a limit holds it back, see held_because; a person releases it by '
'setting pending), started, split (into a request per window, whose split_from it is), done, healed (another '
'reload did what it asks for), failed (the run failed), refused (a bad request). found_by: person, or the finder '
'that inserted it; evidence: what that finder saw.';
DROP INDEX IF EXISTS admin.reload_requests_open;
CREATE INDEX IF NOT EXISTS reload_requests_unfinished ON admin.reload_requests (request_id)
WHERE status IN ('pending', 'held', 'started', 'split');

CREATE TABLE IF NOT EXISTS admin.findings (
    finding_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    finder text NOT NULL,
    -- Names the evidence for good: a finder reports it only once.
    evidence_id text NOT NULL,
    group_name text NOT NULL,
    table_name text NOT NULL,
    -- A list of keys, each a list of texts in the order of the key's columns; NULL if only the window is known.
    keys jsonb,
    window_start timestamptz,
    window_end timestamptz,
    -- What the finder saw. It holds no values of rows other than those of keys.
    evidence jsonb NOT NULL,
    -- When it was noted where the finder reads it, by that server's clock.
    seen_at timestamptz NOT NULL,
    found_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- The request that asks for its reload: a new one, or one that was open already.
    request_id bigint REFERENCES admin.reload_requests (request_id),
    UNIQUE (finder, evidence_id),
    CHECK ((keys IS NULL) = (window_start IS NOT NULL) AND (window_start IS NULL) = (window_end IS NULL))
);
COMMENT ON TABLE admin.findings IS
'What finders have seen wrong, each once: keys of a table, or a window where the keys are not known. request_id: the '
'request that asks for its reload.';
CREATE INDEX IF NOT EXISTS findings_of_request ON admin.findings (request_id);
