-- The merge is done; written in its transaction, so that a death right after it leaves confirm to be done, and said so.
-- psql: -v reload_id=1 -v confirm_status=pending
UPDATE admin.reloads
SET
    status = 'merged',
    merge_ended_at = clock_timestamp(),
    closed_at = clock_timestamp(),
    error = NULL,
    confirm_status = :'confirm_status'
WHERE reload_id = :'reload_id'::bigint AND status IN ('verified', 'merging');
