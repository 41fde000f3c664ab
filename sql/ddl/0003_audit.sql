-- The audit: what reloads changed in production, row by row. Each reload has a separate partition, which can be dropped
-- at once.
-- By hand: psql -f sql/example.psql -f sql/ddl/0003_audit.sql
CREATE SEQUENCE IF NOT EXISTS admin.reload_change_id;
CREATE TABLE IF NOT EXISTS admin.reload_changes (
    change_id bigint NOT NULL DEFAULT nextval('admin.reload_change_id'),
    reload_id bigint NOT NULL,
    table_name text NOT NULL,
    -- merge, or confirm for the corrections after it.
    step text NOT NULL DEFAULT 'merge' CHECK (step IN ('merge', 'confirm')),
    operation text NOT NULL CHECK (operation IN ('inserted', 'updated', 'repaired', 'deleted')),
    key jsonb NOT NULL,
    before jsonb,
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CHECK ((operation = 'inserted') = (before IS NULL))
) PARTITION BY LIST (reload_id);
COMMENT ON TABLE admin.reload_changes IS
'Each change of a production row by a reload, in the order of change_id: step, operation, key, and the whole row as '
'it was before (NULL when it was inserted), written in the transaction that changed it. DETACH and DROP a '
'partition to forget one reload.';
