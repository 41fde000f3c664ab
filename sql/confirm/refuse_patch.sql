-- Production refuses to correct single columns of a numbered row.
-- psql: -v keys=confirm_keys_1 -v number=1 -v reason="a trigger turned it away"
UPDATE :"keys" SET verdict = 'blocked', blocks = blocks + 1, reason = :'reason'
WHERE is_open AND verdict = 'patch' AND batch = :'number'::integer;
