-- Whether a key is among those that are looked at.
-- psql: -v keys=confirm_keys_1 -v is_key="d.c1 = '7'"
SELECT 1 AS found
FROM :"keys" AS d
WHERE :is_key;
