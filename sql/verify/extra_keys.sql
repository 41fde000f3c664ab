-- The keys, as canonical text, of the rows that production's window has and the source's has not.
-- psql: -v schema=production -v table=orders -v window_column=updated_at -v start=2025-01-01 -v end=2025-01-02 -v keys="p.order_id::text AS k1" -v same_key="s.k1 = p.k1" -v key_list=p.k1 -v limit=1000
SELECT :key_list
FROM (
    SELECT :keys
    FROM :"schema".:"table" AS p
    WHERE p.:"window_column" >= :'start'::timestamp AND p.:"window_column" < :'end'::timestamp
) AS p
WHERE NOT EXISTS (SELECT 1 FROM pg_temp.source_window AS s WHERE :same_key)
LIMIT :'limit'::integer;
