-- A merge in chunks stopped between two of them, and why; it can be resumed.
-- psql: -v reload_id=1 -v error=why
UPDATE admin.reloads
SET error = :'error'
WHERE reload_id = :'reload_id'::bigint AND status = 'merging'
RETURNING reload_id;
