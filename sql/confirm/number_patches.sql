-- Number the locked rows of which single columns will be corrected, from 1 on, in key order; the others get 0.
-- psql: -v keys=confirm_keys_1 -v rows=confirm_rows_1 -v same_row="r.c1 = d.c1" -v schema=production -v table=customers -v same_key="p.id = d.c1" -v any_patch="p.name IS NOT DISTINCT FROM n.name" -v delta_key=d.c1
UPDATE :"keys" AS k
SET batch = coalesce(found.batch, 0)
FROM (
    SELECT
        d.place,
        CASE WHEN d.is_patched THEN row_number() OVER (PARTITION BY d.is_patched ORDER BY :delta_key) END AS batch
    FROM (
        SELECT
            d.*,
            d.ctid AS place,
            d.held IS NOT NULL AND EXISTS (
                SELECT 1
                FROM :"schema".:"table" AS p
                CROSS JOIN LATERAL jsonb_populate_record(NULL:::"schema".:"table", d.noted) AS n
                INNER JOIN :"rows" AS r ON :same_row
                WHERE :same_key AND (:any_patch)
            ) AS is_patched
        FROM :"keys" AS d
        WHERE d.is_open AND d.verdict = 'patch'
    ) AS d
) AS found
WHERE k.ctid = found.place;
