-- With CDC stopped: corrections whose source row is no longer the one that was read are put off to the next pass.
-- psql: -v keys=confirm_keys_1 -v rows=confirm_rows_1 -v again=confirm_rows_1 -v same_row="r.c1 = d.c1" -v same_again="a.c1 = d.c1"
UPDATE :"keys" AS d
SET verdict = 'moved'
WHERE
    d.verdict IN ('insert', 'update', 'delete', 'soft_delete')
    AND (SELECT r::text FROM :"rows" AS r WHERE :same_row)
    IS DISTINCT FROM (SELECT a::text FROM :"again" AS a WHERE :same_again);
