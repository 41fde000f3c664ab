-- Numbers for whatever scrapes PostgreSQL: one row per number, with its name and labels as in Prometheus.
-- By hand: psql -f sql/example.psql -f sql/views/metrics.sql
CREATE OR REPLACE VIEW admin.metrics AS
SELECT
    'reload_assets_windows' AS name,
    jsonb_build_object('group', group_name, 'table', table_name, 'state', state) AS labels,
    count(*)::double precision AS value
FROM admin.window_status
WHERE columns IS NULL
GROUP BY group_name, table_name, state
UNION ALL
SELECT
    'reload_assets_rows_total',
    jsonb_build_object('group', r.group_name, 'table', t.table_name, 'outcome', o.outcome),
    sum(o.rows)::double precision
FROM admin.reload_tables AS t
INNER JOIN admin.reloads AS r ON t.reload_id = r.reload_id
CROSS JOIN LATERAL (
    VALUES
    ('inserted', t.inserted),
    ('updated', t.updated),
    ('repaired', t.repaired),
    ('identical', t.identical),
    ('refused', t.refused),
    ('unversioned', t.unversioned),
    ('skipped', t.skipped),
    ('confirm', t.confirm_inserted + t.confirm_updated + t.confirm_deleted)
) AS o (outcome, rows)
GROUP BY r.group_name, t.table_name, o.outcome
UNION ALL
SELECT
    'reload_assets_reloads_total',
    jsonb_build_object('group', group_name, 'selection', selection, 'status', status, 'confirm', confirm_status),
    count(*)::double precision
FROM admin.reloads
GROUP BY group_name, selection, status, confirm_status
UNION ALL
SELECT
    'reload_assets_last_confirmed_timestamp_seconds',
    jsonb_build_object('group', group_name),
    extract(EPOCH FROM max(closed_at))::double precision
FROM admin.reloads
WHERE confirm_status = 'confirmed'
GROUP BY group_name
UNION ALL
SELECT
    'reload_assets_cdc_stopped',
    jsonb_build_object('task', cdc_task_arn),
    count(*)::double precision
FROM admin.reloads
WHERE cdc_stopped_at IS NOT NULL AND cdc_resumed_at IS NULL
GROUP BY cdc_task_arn
UNION ALL
SELECT
    'reload_assets_requests',
    jsonb_build_object('group', group_name, 'status', status),
    count(*)::double precision
FROM admin.reload_requests
GROUP BY group_name, status
UNION ALL
SELECT
    'reload_assets_comparisons_total',
    jsonb_build_object('group', group_name, 'table', table_name, 'status', status),
    count(*)::double precision
FROM admin.comparisons
GROUP BY group_name, table_name, status
UNION ALL
SELECT
    'reload_assets_drifted_rows_total',
    jsonb_build_object('group', group_name, 'table', table_name),
    sum(missing + older + content + unversioned + later + extra)::double precision
FROM admin.comparisons
GROUP BY group_name, table_name
UNION ALL
SELECT
    'reload_assets_findings_total',
    jsonb_build_object('group', group_name, 'table', table_name, 'finder', finder),
    count(*)::double precision
FROM admin.findings
GROUP BY group_name, table_name, finder;
COMMENT ON VIEW admin.metrics IS
'One number per row: name, labels, value. Windows by the state of their latest reload of whole rows; rows by outcome '
'and reloads by status since the beginning; when a reload of the group was last confirmed (Unix seconds); CDC tasks '
'that a reload keeps stopped; requests by status, held ones too; what finders have found since the beginning; '
'comparisons with the source by status, and the rows that had drifted in them.';
