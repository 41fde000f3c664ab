-- The merge is done; written in its transaction, so that a death right after it leaves confirm to be done, and said so.
-- psql: -v reload_id=1
UPDATE admin.reloads
SET
    status = 'merged',
    merge_ended_at = clock_timestamp(),
    closed_at = clock_timestamp(),
    error = NULL,
    confirm_status = 'pending'
WHERE reload_id = :'reload_id'::bigint AND status IN ('verified', 'merging');
