-- A staged row of the window with NULL in a column: its key.
-- psql: -v numbered="s.id AS c1, s.name AS c2" -v staging_schema=staging -v staging_table=customers_r1 -v window_column=updated_at -v start=2025-01-01 -v end=2025-01-02 -v column=name -v delta_key_texts="ARRAY[d.c1::text]"
SELECT :delta_key_texts AS key
FROM (
    SELECT :numbered
    FROM :"staging_schema".:"staging_table" AS s
    WHERE
        s.:"window_column" >= :'start'::timestamp AND s.:"window_column" < :'end'::timestamp
        AND s.:"column" IS NULL
) AS d
LIMIT 1;
