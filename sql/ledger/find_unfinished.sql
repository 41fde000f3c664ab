-- The reloads of a group that overlap a window and have not ended. Margins for late commits do not count: rows
-- that two neighbours load are locked, and never overwritten by an older version.
-- psql: -v group_name=sales -v window_start=2025-01-01T00:00Z -v window_end=2025-01-02T00:00Z
SELECT reload_id
FROM admin.reloads
WHERE
    group_name = :'group_name'
    AND (status IN ('open', 'loading', 'loaded', 'verified', 'merging') OR confirm_status = 'pending')
    AND window_start < :'window_end'::timestamptz AND window_end > :'window_start'::timestamptz
ORDER BY reload_id;
