-- One row per window and table: how the latest reload ended. Reloads that are limited to columns have rows of their own,
-- as they do not cover the window. Dagster's UI shows only the latest run of a check, in any
-- window. So this view is where to see a red window among green ones.
-- By hand: psql -f sql/example.psql -f sql/views/window_status.sql
CREATE OR REPLACE VIEW admin.window_status AS
SELECT DISTINCT ON (r.group_name, r.window_start, r.window_end, t.table_name, r.columns -> t.table_name)
    r.group_name,
    r.window_start,
    r.window_end,
    t.table_name,
    r.reload_id,
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
    c.passed AS checks_passed,
    c.failed AS checks_failed,
    c.unverified AS checks_unverified,
    c.failed_checks,
    merged.reload_id AS merged_reload_id,
    merged.merge_ended_at AS merged_at,
    r.opened_at,
    r.closed_at,
    r.error,
    r.error_code,
    r.confirm_status,
    r.confirm_passes,
    t.confirm_inserted + t.confirm_updated + t.confirm_deleted AS confirm_corrections,
    t.orphans,
    r.confirm_waited_seconds,
    r.confirm_detail,
    r.partition_key,
    last_whole.compared_at AS last_compared_at,
    last_whole.is_equal AS was_equal,
    r.columns -> t.table_name AS columns
FROM admin.reload_tables AS t
INNER JOIN admin.reloads AS r ON t.reload_id = r.reload_id
CROSS JOIN LATERAL (
    SELECT
        count(*) FILTER (WHERE status = 'passed') AS passed,
        count(*) FILTER (WHERE status = 'failed') AS failed,
        count(*) FILTER (WHERE status = 'could not verify') AS unverified,
        coalesce(
            string_agg(check_name || ' ' || status || ': ' || detail, E'\n' ORDER BY check_name)
            FILTER (WHERE status = 'failed' OR (status = 'could not verify' AND blocking)), ''
        ) AS failed_checks
    FROM admin.reload_checks
    WHERE reload_id = t.reload_id AND table_name = t.table_name
) AS c
LEFT JOIN LATERAL (
    SELECT
        o.reload_id,
        o.merge_ended_at
    FROM admin.reloads AS o
    INNER JOIN admin.reload_tables AS p ON o.reload_id = p.reload_id
    WHERE
        o.group_name = r.group_name AND o.window_start = r.window_start AND o.window_end = r.window_end
        AND o.status = 'merged' AND p.table_name = t.table_name
        AND o.columns -> t.table_name IS NOT DISTINCT FROM r.columns -> t.table_name
    ORDER BY o.reload_id DESC
    LIMIT 1
) AS merged ON TRUE
LEFT JOIN LATERAL (
    SELECT
        o.compared_at,
        o.is_equal
    FROM admin.comparisons AS o
    WHERE
        o.group_name = r.group_name AND o.table_name = t.table_name
        AND o.window_start = r.window_start AND o.window_end = r.window_end AND o.status = 'compared'
    ORDER BY o.compared_at DESC
    LIMIT 1
) AS last_whole ON TRUE
WHERE r.selection = 'window'
ORDER BY
    r.group_name ASC, r.window_start ASC, r.window_end ASC, t.table_name ASC, r.columns -> t.table_name ASC,
    r.reload_id DESC;
COMMENT ON VIEW admin.window_status IS
'One row per window and table: the latest reload of it. state: green (merged, no check failed), red (rejected, failed, '
'cancelled, or a check failed), running. failed_checks: the checks that failed, and blocking ones that could not be '
'verified, one line each. merged_reload_id: the latest reload of the window that was merged, if any, which may be an '
'earlier one. error_code: see docs/troubleshooting.md. columns: the only columns that were repaired; NULL: whole rows. '
'The latest reload of whole rows, and the latest of each list of columns, have a row each. last_compared_at, '
'was_equal: when the finder drift compared the window last, and whether production was as the source then.';
