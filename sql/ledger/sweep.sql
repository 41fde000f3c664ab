-- The ledger: reloads that did not finish, and staging tables that nobody needs any more.
-- By hand: psql -f sql/example.psql -f sql/ledger/sweep.sql

-- name: find_left
-- Find the reloads that only a live run can finish: their load has not ended, or they are merged and their confirm has
-- not ended. A verified reload, or a merge in chunks, waits for the next materialization of production instead.
SELECT
    reload_id,
    run_id
FROM admin.reloads
WHERE status IN ('open', 'loading', 'loaded') OR (status = 'merged' AND confirm_status = 'pending')
ORDER BY reload_id;

-- name: find_loading
-- Find the reloads of a run whose load has not ended.
SELECT reload_id
FROM admin.reloads
WHERE run_id = :'run_id' AND status IN ('open', 'loading')
ORDER BY reload_id;

-- name: close_reload
-- Close a reload without a merge, or with only some chunks of it: failed or cancelled, and why. A reload that has ended
-- already stays as it is. A later reload confirms the chunks that were merged.
UPDATE admin.reloads
SET
    status = :'status',
    error = :'error',
    closed_at = clock_timestamp(),
    confirm_status = CASE WHEN confirm_status = 'pending' THEN 'unconfirmed' ELSE confirm_status END
WHERE
    reload_id = :'reload_id'::bigint
    AND status IN ('open', 'loading', 'loaded', 'verified', 'merging')
RETURNING reload_id;

-- name: give_up_confirm
-- Mark a merged reload as unconfirmed, because its confirm will not finish, with the reason.
UPDATE admin.reloads
SET confirm_status = 'unconfirmed', confirm_detail = :'detail', confirm_ended_at = clock_timestamp()
WHERE reload_id = :'reload_id'::bigint AND confirm_status = 'pending';

-- name: list_expired_staging
-- List the staging tables that still exist although their reloads ended longer ago than the retention (days).
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

-- name: set_staging_dropped
-- Note that a staging table of a reload is dropped.
UPDATE admin.reload_tables SET staging_dropped_at = clock_timestamp()
WHERE reload_id = :'reload_id'::bigint AND table_name = :'table_name';
