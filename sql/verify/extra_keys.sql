-- The rows that production has in the ranges and the source has not: keys and version as canonical text, content.
-- psql: -v schema=production -v table=orders -v window_column=updated_at -v keys="p.order_id::text AS k1" -v version="to_char(p.updated_at, 'YYYY-MM-DD HH24:MI:SS.US')" -v content="md5(p.order_id::text)" -v same_key="s.k1 = p.k1" -v key_list=p.k1 -v limit=1000 -v alive=true
SELECT
    :key_list,
    p.version,
    p.content
FROM (
    SELECT
        :keys,
        :version AS version,
        :content AS content
    FROM pg_temp.source_ranges AS r
    INNER JOIN :"schema".:"table" AS p ON p.:"window_column" >= r.range_start AND p.:"window_column" < r.range_end
    WHERE :alive
) AS p
WHERE NOT EXISTS (SELECT 1 FROM pg_temp.source_window AS s WHERE :same_key)
LIMIT :'limit'::integer;
