-- A row that was written and is not there under its key, or was deleted and is there all the same: a trigger has moved
-- it, or has brought it back. Its key.
-- psql: -v keys=confirm_keys_1 -v delta_key_texts="ARRAY[d.c1::text]" -v schema=production -v table=customers -v same_key="p.id = d.c1"
SELECT :delta_key_texts AS untaken
FROM :"keys" AS d
WHERE
    d.is_open AND d.verdict LIKE 'made %'
    AND (d.verdict = 'made delete') = EXISTS (
        SELECT 1
        FROM :"schema".:"table" AS p
        WHERE :same_key
    )
LIMIT 1;
