-- The confirm of a merged reload will not finish: why.
-- psql: -v reload_id=1 -v detail=why
UPDATE admin.reloads
SET confirm_status = 'unconfirmed', confirm_detail = :'detail', confirm_ended_at = clock_timestamp()
WHERE reload_id = :'reload_id'::bigint AND confirm_status = 'pending';
