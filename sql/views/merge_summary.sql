-- One row per reload whose merge began, or that ended without one: when and how it ended, and why.
-- By hand: psql -f sql/example.psql -f sql/views/merge_summary.sql
CREATE OR REPLACE VIEW admin.merge_summary AS
SELECT
    r.reload_id AS id,
    coalesce(r.merge_started_at, r.opened_at) AS merge_start,
    coalesce(r.merge_ended_at, r.closed_at) AS merge_end,
    CASE
        WHEN r.status = 'merged' THEN 'SUCCESS'
        WHEN r.status IN ('rejected', 'failed', 'cancelled') THEN 'FAILED'
        ELSE 'RUNNING'
    END AS status,
    CASE
        WHEN r.status = 'merged' THEN format(
            'Merged %s %s: %s inserted, %s updated, %s repaired, %s identical, %s refused, %s unversioned, %s skipped',
            r.group_name, r.partition_key, t.inserted, t.updated, t.repaired, t.identical, t.refused, t.unversioned,
            t.skipped
        )
        WHEN r.status IN ('rejected', 'failed', 'cancelled') THEN concat_ws(': ', r.status, nullif(r.error, ''))
        ELSE 'The merge has been begun and has not ended'
    END AS notes,
    r.group_name,
    r.selection,
    r.window_start,
    r.window_end,
    r.status AS reload_status,
    t.inserted AS records_inserted,
    t.updated + t.repaired AS records_updated,
    r.started_by,
    r.run_id
FROM admin.reloads AS r
CROSS JOIN LATERAL (
    SELECT
        coalesce(sum(inserted), 0) AS inserted,
        coalesce(sum(updated), 0) AS updated,
        coalesce(sum(repaired), 0) AS repaired,
        coalesce(sum(identical), 0) AS identical,
        coalesce(sum(refused), 0) AS refused,
        coalesce(sum(unversioned), 0) AS unversioned,
        coalesce(sum(skipped), 0) AS skipped
    FROM admin.reload_tables
    WHERE reload_id = r.reload_id
) AS t
WHERE r.merge_started_at IS NOT NULL OR r.status IN ('merged', 'rejected', 'failed', 'cancelled');
COMMENT ON VIEW admin.merge_summary IS
'One row per reload whose merge began, or that ended without one. status: SUCCESS, FAILED (rejected by a check, '
'failed, or cancelled; notes say which and why), RUNNING (merge_end is NULL). merge_start is when the '
'reload was opened if no merge began.';
