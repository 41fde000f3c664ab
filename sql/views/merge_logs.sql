-- One row per merged table: how many rows each merge wrote into production. Scripts rely on these columns.
-- By hand: psql -f sql/example.psql -f sql/views/merge_logs.sql
CREATE OR REPLACE VIEW admin.merge_logs AS
SELECT
    t.id,
    t.table_name,
    t.merge_ended_at AS merge_time,
    t.updated + t.repaired AS records_updated,
    t.inserted AS records_inserted,
    t.reload_id,
    r.group_name,
    r.selection,
    r.window_start,
    r.window_end,
    t.staged_rows AS staged,
    t.updated,
    t.repaired,
    t.identical,
    t.refused,
    t.unversioned,
    t.skipped,
    t.merge_started_at
FROM admin.reload_tables AS t
INNER JOIN admin.reloads AS r ON t.reload_id = r.reload_id
WHERE r.status = 'merged' AND t.merge_ended_at IS NOT NULL;
COMMENT ON VIEW admin.merge_logs IS
'One row per merged table. Counts are in rows. records_updated: updated (the staged row was newer) and repaired (same '
'version, other content); refused: production was newer; unversioned: differs, and a version is NULL; skipped: left as '
'they are by policy.';
