-- The staged rows of the window that production has not, or has otherwise: refused ones, and those CDC wrote since.
-- psql: -v keys=confirm_keys_1 -v key_names=c1 -v delta_key=d.c1 -v numbered="s.id AS c1, s.name AS c2" -v staging_schema=staging -v staging_table=customers_r1 -v window_column=updated_at -v start=2025-01-01 -v end=2025-01-02 -v judgement="CASE WHEN p.name IS DISTINCT FROM d.c2 THEN 'repaired' ELSE 'identical' END" -v schema=production -v table=customers -v same_key="p.id = d.c1"
INSERT INTO :"keys" (:key_names)
SELECT :delta_key
FROM (
    SELECT :numbered
    FROM :"staging_schema".:"staging_table" AS s
    WHERE s.:"window_column" >= :'start'::timestamp AND s.:"window_column" < :'end'::timestamp
) AS d
LEFT JOIN LATERAL (
    SELECT :judgement AS outcome
    FROM :"schema".:"table" AS p
    WHERE :same_key
    LIMIT 1
) AS found ON TRUE
WHERE found.outcome IS DISTINCT FROM 'identical'
ON CONFLICT (:key_names) DO NOTHING;
