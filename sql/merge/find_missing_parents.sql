-- Staged rows of the window whose parent is neither in production nor staged in the same reload: how many, and one of
-- them (its key, and the parent's that it names). Where the parent table is no part of the reload, same_staged_parent
-- is false and the parent's names are those of any staging table.
-- psql: -v staging_schema=staging -v staging_table=order_items_r1 -v window_column=updated_at -v start=2025-01-01 -v end=2025-01-02 -v parent_schema=production -v parent_table=orders -v parent_staging_schema=staging -v parent_staging_table=orders_r1 -v parent_window_column=updated_at -v reference_columns="s.order_id AS f1" -v key_texts="ARRAY[s.order_id::text, s.line_no::text]" -v has_parent="s.order_id IS NOT NULL" -v same_parent="p.order_id = s.order_id" -v same_staged_parent="p.order_id = c.f1" -v reference_texts="ARRAY[c.f1::text]"
WITH childless AS (
    SELECT
        :reference_columns,
        :key_texts AS child_key
    FROM :"staging_schema".:"staging_table" AS s
    -- A probe a row: production may be large, the window is not.
    LEFT JOIN LATERAL (
        SELECT TRUE AS found
        FROM :"parent_schema".:"parent_table" AS p
        WHERE :same_parent
        LIMIT 1
    ) AS parent ON TRUE
    WHERE
        s.:"window_column" >= :'start'::timestamp AND s.:"window_column" < :'end'::timestamp
        AND :has_parent
        AND parent.found IS NULL
)

SELECT
    count(*) AS missing,
    (array_agg(c.child_key))[1:1] AS child_key,
    (array_agg(:reference_texts))[1:1] AS parent_key
FROM childless AS c
WHERE
    NOT EXISTS (
        SELECT 1
        FROM :"parent_staging_schema".:"parent_staging_table" AS p
        WHERE
            :same_staged_parent
            AND p.:"parent_window_column" >= :'start'::timestamp AND p.:"parent_window_column" < :'end'::timestamp
    );
