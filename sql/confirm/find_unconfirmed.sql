-- This reload, and the earlier ones of the group that overlap its window and were merged, or a part of them was, but
-- never confirmed: what they left behind is looked after too. Since when each of them has touched production, and what
-- it loaded.
-- psql: -v reload_id=1 -v group_name=sales -v window_start=2025-01-01T00:00Z -v window_end=2025-01-02T00:00Z
SELECT
    reload_id,
    opened_at,
    load_start,
    window_end,
    merge_started_xid
FROM admin.reloads
WHERE
    reload_id = :'reload_id'::bigint
    OR (
        group_name = :'group_name' AND confirm_status = 'unconfirmed'
        AND reload_id < :'reload_id'::bigint
        AND load_start < :'window_end'::timestamptz AND window_end > :'window_start'::timestamptz
    )
ORDER BY reload_id;
