-- The rows of production's window that were not staged: gone from the source, or moved out of the window there.
-- psql: -v keys=confirm_keys_1 -v key_names=c1 -v production_key=p.id -v schema=production -v table=customers -v production_window=updated_at -v start=2025-01-01 -v end=2025-01-02 -v has_key="p.id IS NOT NULL" -v alive=true -v staging_schema=staging -v staging_table=customers_r1 -v same_staged_key="p.id = s.id"
INSERT INTO :"keys" (:key_names)
SELECT :production_key
FROM :"schema".:"table" AS p
WHERE
    p.:"production_window" >= :'start'::timestamp AND p.:"production_window" < :'end'::timestamp
    AND :has_key AND :alive
    AND NOT EXISTS (
        SELECT 1
        FROM :"staging_schema".:"staging_table" AS s
        WHERE :same_staged_key
    )
ON CONFLICT (:key_names) DO NOTHING;
