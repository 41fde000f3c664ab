-- Release all corrections that were held back.
-- psql: -v keys=confirm_keys_1
UPDATE :"keys" SET verdict = substr(verdict, 6)
WHERE is_open AND verdict LIKE 'held %';
