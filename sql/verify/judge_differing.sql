-- Staged rows that production has otherwise, against the source as it was just read: is production as the source is?
-- source_row: what the source has, as a hash; NULL where it has no such row.
-- psql: -v schema=production -v table=orders -v rows=confirm_rows_1 -v same_row="r.c1 = d.c1" -v same_key="p.order_id = d.c1" -v same="p.order_id IS NOT DISTINCT FROM r.c1" -v alive=true
SELECT
    d.ctid::text AS place,
    d.key_text,
    d.outcome,
    p.is_there IS NOT NULL AS in_production,
    r.source_row,
    CASE
        WHEN r.source_row IS NULL THEN p.is_there IS NULL
        ELSE p.is_same IS TRUE
    END AS is_same
FROM pg_temp.staged_differing AS d
LEFT JOIN LATERAL (
    SELECT
        r.*,
        md5(r::text) AS source_row
    FROM pg_temp.:"rows" AS r
    WHERE :same_row
    LIMIT 1
) AS r ON TRUE
LEFT JOIN LATERAL (
    SELECT
        TRUE AS is_there,
        :same AS is_same
    FROM :"schema".:"table" AS p
    WHERE :same_key AND :alive
    LIMIT 1
) AS p ON TRUE;
