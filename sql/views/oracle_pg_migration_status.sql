-- Count the rows in staging per table, by what became of them.
-- By hand: psql -f sql/example.psql -f sql/views/oracle_pg_migration_status.sql
CREATE OR REPLACE VIEW admin.oracle_pg_migration_status AS
SELECT
    t.table_name,
    coalesce(sum(t.staged_rows) FILTER (WHERE t.staging_dropped_at IS NULL), 0)::bigint AS total_records,
    coalesce(sum(t.staged_rows) FILTER (
        WHERE t.staging_dropped_at IS NULL AND r.status IN ('open', 'loading', 'loaded', 'verified')
    ), 0)::bigint AS pending_records,
    coalesce(sum(t.staged_rows) FILTER (
        WHERE t.staging_dropped_at IS NULL AND r.status = 'merged'
    ), 0)::bigint AS processed_records,
    coalesce(sum(t.staged_rows) FILTER (
        WHERE t.staging_dropped_at IS NULL AND r.status IN ('rejected', 'failed', 'cancelled')
    ), 0)::bigint AS error_records,
    count(*) FILTER (WHERE t.staging_dropped_at IS NULL) AS staging_tables
FROM admin.reload_tables AS t
INNER JOIN admin.reloads AS r ON t.reload_id = r.reload_id
GROUP BY t.table_name;
COMMENT ON VIEW admin.oracle_pg_migration_status IS
'Rows in staging tables that are not dropped yet, per table: pending (not merged yet), processed (merged, including '
'rows that production had already), error (the reload was rejected, failed or cancelled). Rows count once their load '
'has ended. One row per table that was ever reloaded, with 0 if nothing is staged.';
