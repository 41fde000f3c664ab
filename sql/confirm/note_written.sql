-- Note the row versions that the corrections of a batch have made, and of which source row: of those rows that production
-- returned as written.
-- psql: -v keys=confirm_keys_1 -v rows=confirm_rows_1 -v same_row="r.c1 = d.c1" -v schema=production -v table=customers -v same_key="p.id = d.c1"
UPDATE :"keys" AS k
SET wrote = found.seen, wrote_row = md5(found.source_row), ours = TRUE
FROM (
    SELECT
        d.ctid AS place,
        r::text AS source_row,
        p.seen
    FROM :"keys" AS d
    INNER JOIN :"rows" AS r ON :same_row
    CROSS JOIN LATERAL (
        SELECT p.xmin::text AS seen
        FROM :"schema".:"table" AS p
        WHERE :same_key
        LIMIT 1
    ) AS p
    WHERE d.is_open AND d.verdict IN ('made insert', 'made update')
) AS found
WHERE k.ctid = found.place;
