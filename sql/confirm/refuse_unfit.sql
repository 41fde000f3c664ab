-- Corrections for which the target's types cannot hold the source's row.
-- psql: -v keys=confirm_keys_1 -v rows=confirm_rows_1 -v same_row="r.c1 = d.c1"
UPDATE :"keys" AS d
SET verdict = 'refused ' || d.verdict, reason = r.unfit
FROM :"rows" AS r
WHERE :same_row AND r.unfit IS NOT NULL AND d.is_open AND d.verdict IN ('insert', 'update');
