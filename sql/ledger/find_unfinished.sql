-- The reloads of a group that overlap a window and have not come to an end.
-- psql: -v group_name=sales -v load_start=2025-01-01T00:00Z -v window_end=2025-01-02T00:00Z
SELECT reload_id
FROM admin.reloads
WHERE
    group_name = :'group_name'
    AND status IN ('open', 'loading', 'loaded', 'verified')
    AND load_start < :'window_end'::timestamptz AND window_end > :'load_start'::timestamptz
ORDER BY reload_id;
