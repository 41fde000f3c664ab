-- The rows of the window whose foreign key finds no parent: let in past the constraint, or before it was there. An index
-- probe a row, however many parents there are.
-- psql: -v schema=production -v table=orders -v parent_schema=production -v parent_table=customers -v same_key="p.id = c.customer_id" -v has_key="c.customer_id IS NOT NULL" -v window_column=updated_at -v key_text=c.order_id::text -v start=2025-01-01 -v end=2025-01-02
SELECT
    count(*) AS rows,
    coalesce((array_agg(:key_text ORDER BY :key_text))[1:5], '{}') AS examples
FROM :"schema".:"table" AS c
LEFT JOIN LATERAL (
    SELECT TRUE AS is_there
    FROM :"parent_schema".:"parent_table" AS p
    WHERE :same_key
    LIMIT 1
) AS parent ON TRUE
WHERE
    c.:"window_column" >= :'start'::timestamp AND c.:"window_column" < :'end'::timestamp
    AND :has_key
    AND parent.is_there IS NULL;
