-- The source's rows of some ranges against production's, row by row, by canonical text: outcome, rows, some keys.
-- A row that production has outside the ranges is found by its key. newer: production holds a later version than the
-- source gave; the source was read first, and is asked again. content: the version is the same, and something else is not. extra:
-- production's ranges have a row that the source's have not.
-- psql: -v schema=production -v table=orders -v window_column=updated_at -v keys="p.order_id::text AS k1" -v version="to_char(p.updated_at, 'YYYY-MM-DD HH24:MI:SS.US')" -v content="md5(p.order_id::text)" -v same_key="s.k1 = p.k1" -v elsewhere="w.order_id = s.k1::integer" -v elsewhere_version="to_char(w.updated_at, 'YYYY-MM-DD HH24:MI:SS.US')" -v elsewhere_content="md5(w.order_id::text)" -v key_text="coalesce(s.k1, p.k1)" -v production_later="production_version > source_version" -v alive=true
WITH production_window AS (
    SELECT
        :keys,
        :version AS version,
        :content AS content,
        TRUE AS is_there
    FROM pg_temp.source_ranges AS r
    INNER JOIN :"schema".:"table" AS p ON p.:"window_column" >= r.range_start AND p.:"window_column" < r.range_end
    WHERE :alive
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
        s.content AS source_content,
        CASE WHEN p.is_there THEN p.version ELSE o.version END AS production_version,
        CASE WHEN p.is_there THEN p.content ELSE o.content END AS production_content,
        :key_text AS key_text
    FROM source_rows AS s
    FULL JOIN production_window AS p ON :same_key
    LEFT JOIN LATERAL (
        SELECT
            :elsewhere_version AS version,
            :elsewhere_content AS content,
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
            WHEN source_version IS NOT DISTINCT FROM production_version
                THEN CASE WHEN source_content = production_content THEN 'same' ELSE 'content' END
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
