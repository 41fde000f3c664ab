-- This reload, and the earlier ones of the group that overlap its window and were merged, or a part of them was, but
-- never confirmed: what they left behind in a table is looked after too, unless a confirmed reload has done so. Since when
-- each of them has touched production, and what it loaded.
-- psql: -v reload_id=1 -v group_name=sales -v window_start=2025-01-01T00:00Z -v window_end=2025-01-02T00:00Z -v table_name=customers
SELECT
    r.reload_id,
    r.opened_at,
    r.load_start,
    r.window_end,
    r.merge_started_xid,
    r.merge_started_at
FROM admin.reloads AS r
WHERE
    r.reload_id = :'reload_id'::bigint
    OR (
        r.group_name = :'group_name' AND r.confirm_status = 'unconfirmed'
        AND r.reload_id < :'reload_id'::bigint
        AND r.load_start < :'window_end'::timestamptz AND r.window_end > :'window_start'::timestamptz
        AND NOT EXISTS (
            SELECT 1
            FROM admin.reload_tables AS t
            WHERE t.reload_id = r.reload_id AND t.table_name = :'table_name' AND t.confirmed_with IS NOT NULL
        )
    )
ORDER BY r.reload_id;
