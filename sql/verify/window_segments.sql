-- Production's window in segments: the beginning of the window column's canonical text, rows, sum of their checksums.
-- psql: -v schema=production -v table=orders -v window_column=updated_at -v start=2025-01-01 -v end=2025-01-02 -v segment="substr(to_char(p.updated_at, 'YYYY-MM-DD HH24:MI:SS.US'), 1, 16)" -v checksum="('x' || substr(md5(p.order_id::text), 1, 15))::bit(60)::bigint" -v alive=true
SELECT
    segment,
    count(*) AS rows,
    sum(checksum)::text AS checksum
FROM (
    SELECT
        :segment AS segment,
        :checksum AS checksum
    FROM :"schema".:"table" AS p
    WHERE p.:"window_column" >= :'start'::timestamp AND p.:"window_column" < :'end'::timestamp
        AND :alive
) AS w
GROUP BY segment;
