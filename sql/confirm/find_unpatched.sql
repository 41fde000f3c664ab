-- A row of which single columns were corrected, and that is gone or has a column as it was before: a trigger has undone
-- it. Its key.
-- psql: -v keys=confirm_keys_1 -v delta_key_texts="ARRAY[d.c1::text]" -v schema=production -v table=customers -v same_key="p.id = d.c1" -v any_patch="p.name IS NOT DISTINCT FROM n.name" -v first=1 -v last=1
SELECT :delta_key_texts AS unpatched
FROM :"keys" AS d
CROSS JOIN LATERAL jsonb_populate_record(NULL:::"schema".:"table", d.noted) AS n
WHERE
    d.is_open AND d.verdict = 'patch' AND d.batch BETWEEN :'first'::integer AND :'last'::integer
    AND NOT EXISTS (
        SELECT 1
        FROM :"schema".:"table" AS p
        WHERE :same_key AND NOT (:any_patch)
    )
LIMIT 1;
