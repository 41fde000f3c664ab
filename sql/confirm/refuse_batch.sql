-- Production refuses the corrections that are released.
-- psql: -v keys=confirm_keys_1 -v reason="a trigger turned it away"
UPDATE :"keys" SET verdict = 'refused ' || verdict, reason = :'reason'
WHERE is_open AND verdict IN ('insert', 'update', 'delete', 'soft_delete');
