-- The confirm of a merged reload begins, or begins again.
-- psql: -v reload_id=1
UPDATE admin.reloads SET confirm_status = 'pending', confirm_detail = NULL
WHERE reload_id = :'reload_id'::bigint AND status = 'merged';
