-- Some chunks of the merge are in production, others not yet; written in the transaction of each.
-- psql: -v reload_id=1 -v confirm_status=pending
UPDATE admin.reloads
SET status = 'merging', error = NULL, confirm_status = :'confirm_status'
WHERE reload_id = :'reload_id'::bigint AND status IN ('verified', 'merging');
