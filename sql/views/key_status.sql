-- One row per request for keys and table: how the latest reload of these keys ended.
-- By hand: psql -f sql/example.psql -f sql/views/key_status.sql
CREATE OR REPLACE VIEW admin.key_status AS
SELECT DISTINCT ON (r.group_name, r.partition_key, t.table_name)
    r.group_name,
    r.request_id,
    q.found_by,
    t.table_name,
    r.reload_id,
    (
        SELECT count(*)
        FROM admin.reload_keys AS k
        WHERE k.reload_id = r.reload_id AND k.table_name = t.table_name
    ) AS keys,
    CASE
        WHEN r.status IN ('rejected', 'failed', 'cancelled') OR c.failed > 0 THEN 'red'
        WHEN r.confirm_status = 'unconfirmed' THEN 'red'
        WHEN r.status = 'merged' AND r.confirm_status <> 'pending' THEN 'green'
        ELSE 'running'
    END AS state,
    r.status,
    t.staged_rows AS staged,
    t.inserted,
    t.updated,
    t.repaired,
    t.identical,
    t.refused,
    t.unversioned,
    t.skipped,
    c.failed AS checks_failed,
    c.failed_checks,
    r.opened_at,
    r.closed_at,
    r.error,
    r.error_code,
    r.confirm_status,
    t.confirm_inserted + t.confirm_updated + t.confirm_deleted AS confirm_corrections,
    t.orphans,
    r.confirm_detail,
    r.partition_key,
    r.columns -> t.table_name AS columns
FROM admin.reload_tables AS t
INNER JOIN admin.reloads AS r ON t.reload_id = r.reload_id
LEFT JOIN admin.reload_requests AS q ON r.request_id = q.request_id
CROSS JOIN LATERAL (
    SELECT
        count(*) FILTER (WHERE status = 'failed') AS failed,
        coalesce(
            string_agg(check_name || ' ' || status || ': ' || detail, E'\n' ORDER BY check_name)
            FILTER (WHERE status = 'failed' OR (status = 'could not verify' AND blocking)), ''
        ) AS failed_checks
    FROM admin.reload_checks
    WHERE reload_id = t.reload_id AND table_name = t.table_name
) AS c
WHERE r.selection = 'keys'
ORDER BY r.group_name ASC, r.partition_key ASC, t.table_name ASC, r.reload_id DESC;
COMMENT ON VIEW admin.key_status IS
'One row per request for keys and table: the latest reload of these keys, and how many they are. state: green (merged, '
'no check failed), red (rejected, failed, cancelled, or a check failed), running. columns: the only columns that '
'were repaired; NULL: whole rows. Reloads of windows are in admin.window_status.';
