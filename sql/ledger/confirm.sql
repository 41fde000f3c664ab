-- The ledger: the confirm of a merged reload.
-- By hand: psql -f sql/example.psql -f sql/ledger/confirm.sql

-- name: set_confirm_started
-- Note that the confirm of a merged reload begins, or begins again.
UPDATE admin.reloads SET confirm_status = 'pending', confirm_detail = NULL
WHERE reload_id = :'reload_id'::bigint AND status = 'merged';

-- name: add_corrections
-- Add the counts (rows) of corrections in a table. Runs in the transaction that makes them.
UPDATE admin.reload_tables
SET
    confirm_inserted = confirm_inserted + :'inserted'::bigint,
    confirm_updated = confirm_updated + :'updated'::bigint,
    confirm_deleted = confirm_deleted + :'deleted'::bigint
WHERE reload_id = :'reload_id'::bigint AND table_name = :'table_name';

-- name: set_confirm_keys
-- Write how many rows of a table were read again from the source, and how many orphans stay.
UPDATE admin.reload_tables SET confirm_keys = :'confirm_keys'::bigint, orphans = :'orphans'::bigint
WHERE reload_id = :'reload_id'::bigint AND table_name = :'table_name';

-- name: set_confirm_ended
-- Note that the confirm of a merged reload has ended: its result, and how long it waited for CDC (seconds).
UPDATE admin.reloads AS r
SET
    confirm_status = :'confirm_status',
    confirm_passes = :'passes'::integer,
    confirm_waited_seconds = :'waited_seconds'::float8,
    confirm_detail = :'detail',
    confirm_ended_at = clock_timestamp(),
    confirm_corrections = (
        SELECT coalesce(sum(t.confirm_inserted + t.confirm_updated + t.confirm_deleted), 0)
        FROM admin.reload_tables AS t
        WHERE t.reload_id = r.reload_id
    )
WHERE r.reload_id = :'reload_id'::bigint AND r.status = 'merged';

-- name: confirm_taken_up
-- Note that a confirmed reload has also confirmed what earlier reloads of its group wrote and left unconfirmed, so that
-- no later one takes that up again. An earlier reload counts as confirmed if this one covers its whole window and all
-- its tables; otherwise only a part of it is. A reload that is limited to columns has judged no whole row.
WITH taken AS (
    UPDATE admin.reload_tables AS t
    SET confirmed_with = r.reload_id
    FROM admin.reloads AS r, admin.reloads AS a
    WHERE
        r.reload_id = :'reload_id'::bigint AND r.confirm_status = 'confirmed' AND r.columns IS NULL
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
    r.reload_id = :'reload_id'::bigint AND r.confirm_status = 'confirmed' AND r.columns IS NULL
    AND a.group_name = r.group_name AND a.reload_id < r.reload_id AND a.confirm_status = 'unconfirmed'
    AND a.load_start >= r.load_start AND a.window_end <= r.window_end AND a.tables <@ r.tables;
