-- A staged row of the window whose value of a unique key belongs to another row: one of production that the reload
-- does not touch, or one that is staged too. Its key.
-- psql: -v numbered="s.id AS c1, s.email AS c2" -v staging_schema=staging -v staging_table=customers_r1 -v window_column=updated_at -v start=2025-01-01 -v end=2025-01-02 -v schema=production -v table=customers -v unique_columns=c2 -v no_null="d.c2 IS NOT NULL" -v same_value="p.email = d.c2" -v same_key="p.id = d.c1" -v same_staged_key="p.id = s.id" -v delta_key_texts="ARRAY[d.c1::text]"
SELECT :delta_key_texts AS key
FROM (
    SELECT
        d.*,
        count(*) OVER (PARTITION BY :unique_columns) AS sharing
    FROM (
        SELECT :numbered
        FROM :"staging_schema".:"staging_table" AS s
        WHERE s.:"window_column" >= :'start'::timestamp AND s.:"window_column" < :'end'::timestamp
    ) AS d
) AS d
WHERE
    (d.sharing > 1 AND :no_null)
    OR EXISTS (
        SELECT 1
        FROM :"schema".:"table" AS p
        WHERE
            :same_value
            AND NOT (:same_key)
            AND NOT EXISTS (
                SELECT 1
                FROM :"staging_schema".:"staging_table" AS s
                WHERE :same_staged_key
            )
    )
LIMIT 1;
