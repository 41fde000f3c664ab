-- Verify, step 5: compare a window of production with the source's. First both sides are read as sums of segments. Then
-- the ranges of segments that differ are compared row by row. The comparison at the end of a confirm begins likewise.
-- p: a row of production. r: a row of the source; w: a row of production's ranges; both have keys as canonical text.
-- By hand: psql -f sql/example.psql -f sql/verify/5_window.sql

-- name: estimate_window
-- Ask the planner how many rows it expects in production's window: "Plan Rows" of the first node. Reads no rows.
EXPLAIN (FORMAT JSON)
SELECT FROM :"schema".:"table" AS p
WHERE p.:"range_column" >= :'start'::timestamp AND p.:"range_column" < :'end'::timestamp;

-- name: sum_segments
-- Divide production's window into segments: the first characters of the column's canonical text, the number of rows,
-- and the sum of their checksums.
SELECT
    segment,
    count(*) AS rows,
    sum(checksum)::text AS checksum
FROM (
    SELECT
        :p_segment AS segment,
        :p_checksum AS checksum
    FROM :"schema".:"table" AS p
    WHERE
        p.:"range_column" >= :'start'::timestamp AND p.:"range_column" < :'end'::timestamp
        AND :p_is_alive
) AS segments
GROUP BY segment;

-- name: create_source_window
-- Create a table for the source's rows of some ranges: keys (k1, k2 ...) and version as canonical text, content as a
-- hash.
CREATE TEMPORARY TABLE source_window ON COMMIT DROP AS
SELECT
    :no_key_texts,
    NULL::text AS version,
    NULL::text AS content
WHERE FALSE;

-- name: create_source_ranges
-- Create the table of the ranges that are compared row by row.
CREATE TEMPORARY TABLE source_ranges ON COMMIT DROP AS
SELECT
    ranges.range_start,
    ranges.range_end
FROM unnest(:'range_starts'::timestamp[], :'range_ends'::timestamp[]) AS ranges (range_start, range_end);

-- name: create_source_keys
-- For selected keys instead: create the table of the keys that are compared, as values of production's types.
CREATE TEMPORARY TABLE source_keys ON COMMIT DROP AS
SELECT :compared_keys
FROM (:selected_keys) AS x (:compared_keys);

-- name: compare_ranges
-- The source's rows against production's, row by row, by canonical text: outcome, rows, some keys. A row that production
-- has outside the ranges is found by its key. newer: production holds a later version than the source gave; the source
-- was read first, and is asked again. content: the version is the same, and something else is not. unversioned: a side has
-- no version. extra: production's ranges have a row that the source's do not have.
WITH production_window AS (
    SELECT
        :p_key_texts,
        :p_version AS version,
        :p_content AS content,
        TRUE AS is_there
    FROM pg_temp.:"source_bounds" AS bounds
    INNER JOIN :"schema".:"table" AS p ON :p_is_in_range
    WHERE :p_is_alive
),

source_rows AS (
    SELECT
        *,
        TRUE AS is_there
    FROM pg_temp.source_window
),

paired AS (
    SELECT
        r.is_there AS in_source,
        coalesce(w.is_there, o.is_there) AS in_production,
        r.version AS source_version,
        r.content AS source_content,
        CASE WHEN w.is_there THEN w.version ELSE o.version END AS production_version,
        CASE WHEN w.is_there THEN w.content ELSE o.content END AS production_content,
        concat_ws(', ', :either_key) AS key_text
    FROM source_rows AS r
    FULL JOIN production_window AS w ON :r_is_w
    LEFT JOIN LATERAL (
        SELECT
            :p_version AS version,
            :p_content AS content,
            TRUE AS is_there
        FROM :"schema".:"table" AS p
        WHERE w.is_there IS NULL AND :p_is_r AND :p_is_alive
        LIMIT 1
    ) AS o ON TRUE
),

judged AS (
    SELECT
        key_text,
        CASE
            WHEN in_source IS NULL THEN 'extra'
            WHEN in_production IS NULL THEN 'missing'
            WHEN :is_same_version AND source_content = production_content THEN 'same'
            WHEN source_version IS NULL OR production_version IS NULL THEN 'unversioned'
            WHEN source_version = production_version THEN 'content'
            WHEN :production_is_later THEN 'newer'
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

-- name: list_newer
-- List production's rows with a later version than the source's: key and version as canonical text, the hash of the
-- content, and the hash of all columns except key, version and window column.
SELECT
    :r_key,
    production_version,
    production_content,
    rest
FROM (
    SELECT
        r.*,
        r.version AS source_version,
        found.version AS production_version,
        found.content AS production_content,
        found.rest
    FROM pg_temp.source_window AS r
    CROSS JOIN LATERAL (
        SELECT
            :p_version AS version,
            :p_content AS content,
            :p_rest AS rest
        FROM :"schema".:"table" AS p
        WHERE :p_is_r AND :p_is_alive
        LIMIT 1
    ) AS found
) AS r
WHERE :production_is_later
LIMIT :'limit'::integer;

-- name: list_extra
-- List the rows that production has in the ranges and the source lacks: keys and version as canonical text, content.
SELECT w.*
FROM (
    SELECT
        :p_key_texts,
        :p_version AS version,
        :p_content AS content
    FROM pg_temp.:"source_bounds" AS bounds
    INNER JOIN :"schema".:"table" AS p ON :p_is_in_range
    WHERE :p_is_alive
) AS w
WHERE NOT EXISTS (SELECT 1 FROM pg_temp.source_window AS r WHERE :r_is_w)
LIMIT :'limit'::integer;

-- name: count_windowless
-- Count the rows that are in no window, because they have no time in the window column; no further than the limit. An
-- index on the column finds them.
SELECT count(*) AS rows
FROM (
    SELECT
    FROM :"schema".:"table" AS p
    WHERE p.:"window_column" IS NULL
    LIMIT :'limit'::integer
) AS windowless;
