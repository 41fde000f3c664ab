-- A key that the source has still not found.
-- psql: -v delta_key_texts="ARRAY[d.c1::text]" -v control=confirm_control_1
SELECT :delta_key_texts AS key_texts
FROM :"control" AS d
WHERE NOT d.is_found
LIMIT 1;
