-- Rows that were not inserted because somebody else has done so meanwhile are put off. Where no trigger can turn a row
-- away (absent_too), that holds for those, too, that are gone again.
-- psql: -v keys=confirm_keys_1 -v schema=production -v table=customers -v same_key="p.id = d.c1" -v is_own=false -v absent_too=true
UPDATE :"keys" AS k
SET verdict = 'moved'
FROM (
    SELECT
        d.ctid AS place,
        p.is_own
    FROM :"keys" AS d
    LEFT JOIN LATERAL (
        SELECT :is_own AS is_own
        FROM :"schema".:"table" AS p
        WHERE :same_key
        LIMIT 1
    ) AS p ON TRUE
    WHERE d.is_open AND d.verdict = 'insert'
) AS found
WHERE k.ctid = found.place AND coalesce(NOT found.is_own, :'absent_too'::boolean);
