-- Lock the rows that will be corrected, in key order. One that is not the version that was seen has been written by
-- somebody else meanwhile and is put off. Whoever checks a foreign key waits for these locks: no row comes to refer to one
-- of them any more.
-- psql: -v keys=confirm_keys_1 -v delta_key=d.c1 -v schema=production -v table=customers -v same_key="p.id = d.c1"
WITH held AS MATERIALIZED (
    SELECT
        d.place,
        d.seen AS expected,
        found.seen
    FROM (
        SELECT
            d.*,
            d.ctid AS place
        FROM :"keys" AS d
        WHERE d.is_open AND d.verdict IN ('update', 'delete', 'soft_delete')
        ORDER BY :delta_key
    ) AS d
    LEFT JOIN LATERAL (
        SELECT p.xmin::text AS seen
        FROM :"schema".:"table" AS p
        WHERE :same_key
        LIMIT 1
        FOR UPDATE
    ) AS found ON TRUE
)

UPDATE :"keys" AS d
SET verdict = 'moved'
FROM held
WHERE d.ctid = held.place AND (held.seen = held.expected) IS NOT TRUE;
