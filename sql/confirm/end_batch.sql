-- The corrections of a batch are made.
-- psql: -v keys=confirm_keys_1
UPDATE :"keys" SET verdict = 'done ' || substr(verdict, 6)
WHERE is_open AND verdict LIKE 'made %';
