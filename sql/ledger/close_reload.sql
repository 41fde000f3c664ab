-- A reload came to an end without a merge, or with a part of one: failed or cancelled, and why. One that has ended
-- already stays as it is. What a part of a merge wrote is left to be confirmed by a later reload.
-- psql: -v reload_id=1 -v status=failed -v error=why
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
