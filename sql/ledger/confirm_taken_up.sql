-- A confirmed reload has looked after what earlier ones of its group wrote and left unconfirmed: no later one takes it
-- up again. One whose window and tables it covers is confirmed with it; of another only a part is.
-- psql: -v reload_id=2
WITH taken AS (
    UPDATE admin.reload_tables AS t
    SET confirmed_with = r.reload_id
    FROM admin.reloads AS r, admin.reloads AS a
    WHERE
        r.reload_id = :'reload_id'::bigint AND r.confirm_status = 'confirmed'
        AND a.group_name = r.group_name AND a.reload_id < r.reload_id AND a.confirm_status = 'unconfirmed'
        AND a.load_start < r.window_end AND a.window_end > r.load_start
        AND t.reload_id = a.reload_id AND t.table_name = any(r.tables) AND t.confirmed_with IS NULL
)

UPDATE admin.reloads AS a
SET
    confirm_status = 'confirmed',
    confirm_detail = 'confirmed with reload ' || r.reload_id::text,
    confirm_ended_at = clock_timestamp()
FROM admin.reloads AS r
WHERE
    r.reload_id = :'reload_id'::bigint AND r.confirm_status = 'confirmed'
    AND a.group_name = r.group_name AND a.reload_id < r.reload_id AND a.confirm_status = 'unconfirmed'
    AND a.load_start >= r.load_start AND a.window_end <= r.window_end AND a.tables <@ r.tables;
