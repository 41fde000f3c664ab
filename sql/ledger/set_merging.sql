-- Some chunks of the merge are in production, others not yet; written in the transaction of each.
-- psql: -v reload_id=1
UPDATE admin.reloads
SET status = 'merging', error = NULL, confirm_status = 'pending'
WHERE reload_id = :'reload_id'::bigint AND status IN ('verified', 'merging');
