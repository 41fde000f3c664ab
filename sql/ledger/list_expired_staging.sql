-- The staging tables of reloads that ended longer ago than the retention (days) and are still there.
-- psql: -v retention_days=7
SELECT
    t.reload_id,
    t.table_name,
    t.staging_schema,
    t.staging_table,
    t.staging_oid
FROM admin.reload_tables AS t
INNER JOIN admin.reloads AS r ON t.reload_id = r.reload_id
WHERE
    t.staging_dropped_at IS NULL
    AND r.closed_at < clock_timestamp() - make_interval(secs => :'retention_days'::float8 * 86400)
ORDER BY t.id;
