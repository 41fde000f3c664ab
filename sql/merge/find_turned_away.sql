-- Rows of the delta that production did not take as they were written, by a trigger's doing: production has them from
-- this very transaction, but what it returned did not say so (elsewhere), or it lacks those that were to be inserted
-- (missing; a concurrent writer who inserted and deleted them looks the same). A key of each.
-- psql: -v delta=reload_delta_1 -v delta_key_texts="ARRAY[d.c1::text]" -v schema=production -v table=customers -v same_key="p.id = d.c1" -v is_own=false -v every_row=true
SELECT
    min(:delta_key_texts) FILTER (WHERE p.is_own) AS elsewhere,
    min(:delta_key_texts) FILTER (WHERE p.is_own IS NULL) AS missing
FROM :"delta" AS d
LEFT JOIN LATERAL (
    SELECT :is_own AS is_own
    FROM :"schema".:"table" AS p
    WHERE :same_key
    LIMIT 1
) AS p ON TRUE
WHERE
    (d.seen IS NULL AND d.outcome <> 'inserted' AND (p.is_own IS NULL OR p.is_own))
    OR (:'every_row'::boolean AND p.is_own);
