-- The newest reload of a window of a group that covers a table.
-- psql: -v group_name=sales -v window_start=2025-01-01T00:00Z -v window_end=2025-01-02T00:00Z -v table_name=orders
SELECT max(reload_id) AS reload_id
FROM admin.reloads
WHERE
    group_name = :'group_name'
    AND window_start = :'window_start'::timestamptz AND window_end = :'window_end'::timestamptz
    AND :'table_name' = any(tables);
