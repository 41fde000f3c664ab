-- The merge is done; written in its transaction.
-- psql: -v reload_id=1
UPDATE admin.reloads
SET status = 'merged', merge_ended_at = clock_timestamp(), closed_at = clock_timestamp(), error = NULL
WHERE reload_id = :'reload_id'::bigint AND status = 'verified';
