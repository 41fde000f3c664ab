-- Rows that CDC writes again and again are judged column by column. A column is settled when its noted value was the
-- source's, read afterwards, or has changed between two notes: then CDC has set it, to what the source had. A row whose
-- columns are all settled is settled. A column that stays unequal for long is to be corrected by itself (patch).
-- psql: -v keys=confirm_keys_1 -v rows=confirm_rows_1 -v same_row="r.c1 = d.c1" -v schema=production -v table=customers -v unequal="ARRAY[CASE WHEN p.name IS DISTINCT FROM r.c2 THEN 'name' END]" -v changed_since="ARRAY[CASE WHEN p.name IS DISTINCT FROM b.name THEN 'name' END]" -v alive=true -v most_moves=5
UPDATE :"keys" AS k
SET
    unequal = found.unequal,
    settled = k.settled OR found.unequal = '{}',
    verdict = CASE
        WHEN found.unequal = '{}' THEN 'same'
        WHEN k.moves >= :'most_moves'::integer THEN 'patch'
        ELSE k.verdict
    END
FROM (
    SELECT
        d.ctid AS place,
        array(
            SELECT u.name
            FROM unnest(:unequal) AS u (name)
            WHERE
                u.name IS NOT NULL
                AND (d.unequal IS NULL OR u.name = any(d.unequal))
                AND (d.noted_before IS NULL OR u.name <> all(array_remove(:changed_since, NULL)))
        ) AS unequal
    FROM :"keys" AS d
    INNER JOIN :"rows" AS r ON :same_row
    CROSS JOIN LATERAL jsonb_populate_record(NULL:::"schema".:"table", d.noted) AS p
    CROSS JOIN LATERAL jsonb_populate_record(NULL:::"schema".:"table", d.noted_before) AS b
    WHERE d.is_open AND d.verdict IN ('moved', 'update') AND d.noted IS NOT NULL AND r.unfit IS NULL AND :alive
) AS found
WHERE k.ctid = found.place;
