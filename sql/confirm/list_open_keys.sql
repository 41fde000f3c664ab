-- The open keys, or those with one of some verdicts, as canonical text.
-- psql: -v key_texts="d.c1::text" -v keys=confirm_keys_1 -v chosen=d.is_open
SELECT :key_texts
FROM :"keys" AS d
WHERE :chosen;
