-- The source's window against production's, row by row, by canonical text: outcome, rows, some keys.
-- A row that production has outside the window is found by its key. newer: production holds a later version than the
-- source gave, because the source was read first. extra: production's window has a row that the source's has not.
-- psql: -v schema=production -v table=orders -v window_column=updated_at -v start=2025-01-01 -v end=2025-01-02 -v keys="p.order_id::text AS k1" -v version="to_char(p.updated_at, 'YYYY-MM-DD HH24:MI:SS.US')" -v same_key="s.k1 = p.k1" -v elsewhere="w.order_id = s.k1::integer" -v elsewhere_version="to_char(w.updated_at, 'YYYY-MM-DD HH24:MI:SS.US')" -v key_text="coalesce(s.k1, p.k1)" -v production_later="production_version > source_version"
WITH production_window AS (
    SELECT
        :keys,
        :version AS version,
        TRUE AS is_there
    FROM :"schema".:"table" AS p
    WHERE p.:"window_column" >= :'start'::timestamp AND p.:"window_column" < :'end'::timestamp
),

source_rows AS (
    SELECT
        *,
        TRUE AS is_there
    FROM pg_temp.source_window
),

paired AS (
    SELECT
        s.is_there AS in_source,
        coalesce(p.is_there, o.is_there) AS in_production,
        s.version AS source_version,
        CASE WHEN p.is_there THEN p.version ELSE o.version END AS production_version,
        :key_text AS key_text
    FROM source_rows AS s
    FULL JOIN production_window AS p ON :same_key
    LEFT JOIN LATERAL (
        SELECT
            :elsewhere_version AS version,
            TRUE AS is_there
        FROM :"schema".:"table" AS w
        WHERE p.is_there IS NULL AND :elsewhere
        LIMIT 1
    ) AS o ON TRUE
),

judged AS (
    SELECT
        key_text,
        CASE
            WHEN in_source IS NULL THEN 'extra'
            WHEN in_production IS NULL THEN 'missing'
            WHEN source_version IS NOT DISTINCT FROM production_version THEN 'same'
            WHEN :production_later THEN 'newer'
            ELSE 'other'
        END AS outcome
    FROM paired
)

SELECT
    outcome,
    count(*) AS rows,
    (array_agg(key_text ORDER BY key_text) FILTER (WHERE outcome NOT IN ('same', 'newer')))[1:5] AS examples
FROM judged
GROUP BY outcome
ORDER BY outcome;
