-- A row of the delta that was written and that production lacks all the same: its key. A trigger has moved it, or has
-- given it another key.
-- psql: -v delta=reload_delta_1 -v delta_key_texts="ARRAY[d.c1::text]" -v schema=production -v table=customers -v same_key="p.id = d.c1"
SELECT :delta_key_texts AS missing
FROM :"delta" AS d
WHERE
    d.outcome IN ('inserted', 'updated', 'repaired')
    AND NOT EXISTS (
        SELECT 1
        FROM :"schema".:"table" AS p
        WHERE :same_key
    )
LIMIT 1;
