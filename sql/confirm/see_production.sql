-- Note which row version production has of each open key, before the source is read.
-- psql: -v keys=confirm_keys_1 -v schema=production -v table=customers -v same_key="p.id = d.c1"
UPDATE :"keys" AS k
SET seen = found.seen, verdict = NULL
FROM (
    SELECT
        d.ctid AS place,
        p.seen
    FROM :"keys" AS d
    LEFT JOIN LATERAL (
        SELECT p.xmin::text AS seen
        FROM :"schema".:"table" AS p
        WHERE :same_key
        LIMIT 1
    ) AS p ON TRUE
    WHERE d.is_open
) AS found
WHERE k.ctid = found.place;
