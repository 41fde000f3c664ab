-- A reload came to an end without a merge: failed or cancelled, and why. One that has ended already stays as it is.
-- psql: -v reload_id=1 -v status=failed -v error=why
UPDATE admin.reloads
SET status = :'status', error = :'error', closed_at = clock_timestamp()
WHERE reload_id = :'reload_id'::bigint AND status IN ('open', 'loading', 'loaded', 'verified')
RETURNING reload_id;
