-- A staged row of the window that a check constraint of production refuses: its key. The columns bear production's
-- names, as in the condition.
-- psql: -v staging_schema=staging -v staging_table=orders_r1 -v window_column=updated_at -v start=2025-01-01 -v end=2025-01-02 -v named="s.order_id AS order_id, s.amount AS amount" -v named_key_texts="ARRAY[d.order_id::text]" -v condition="amount >= 0"
SELECT :named_key_texts AS key
FROM (
    SELECT :named
    FROM :"staging_schema".:"staging_table" AS s
    WHERE s.:"window_column" >= :'start'::timestamp AND s.:"window_column" < :'end'::timestamp
) AS d
WHERE NOT (:condition)
LIMIT 1;
