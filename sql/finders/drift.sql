-- Find drift: rows that differ from the source at two readings, between which the source did not change them. Statements
-- of verify/5_window sum both sides before, and create the tables of the ranges and of the source's rows.
-- p: production. r: a row of the source; w: a row of production's ranges; n, b: a row that differs at this reading, and
-- at the one before. All except p have keys as canonical text (k1, k2 ...).
-- By hand: psql -f sql/example.psql -f sql/finders/drift.sql

-- name: create_reading
-- Keep the rows that differ at one reading, with the versions and contents of both sides. CDC has passed the reading of
-- the source. older, newer: production's version is older, or newer, than the source's. content: the version is the
-- same, and something else is not. unversioned: a side has no version. extra: production's ranges have a row that the
-- source's do not have.
CREATE TEMPORARY TABLE :"reading" ON COMMIT DROP AS
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
        :either_key_named,
        r.is_there IS TRUE AS in_source,
        coalesce(w.is_there, o.is_there) IS TRUE AS in_production,
        r.version AS source_version,
        r.content AS source_content,
        CASE WHEN w.is_there THEN w.version ELSE o.version END AS production_version,
        CASE WHEN w.is_there THEN w.content ELSE o.content END AS production_content
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
        *,
        CASE
            WHEN NOT in_source THEN 'extra'
            WHEN NOT in_production THEN 'missing'
            WHEN source_version IS NOT DISTINCT FROM production_version AND source_content = production_content THEN 'same'
            WHEN source_version IS NULL OR production_version IS NULL THEN 'unversioned'
            WHEN source_version = production_version THEN 'content'
            WHEN :production_is_later THEN 'newer'
            ELSE 'older'
        END AS outcome
    FROM paired
)

SELECT *
FROM judged
WHERE outcome <> 'same';
ANALYZE :"reading";

-- name: count_reading
-- Count the rows that differ at a reading.
SELECT count(*) AS rows FROM :"reading";

-- name: count_steady
-- Count the rows that differ at this reading by outcome, and by whether the source gave the same at the reading before.
SELECT
    n.outcome,
    b.k1 IS NOT NULL AS is_steady,
    count(*) AS rows
FROM :"reading" AS n
LEFT JOIN :"reading_before" AS b ON :n_is_b AND (
    (n.in_source, n.source_version, n.source_content)
    IS NOT DISTINCT FROM (b.in_source, b.source_version, b.source_content)
)
GROUP BY n.outcome, b.k1 IS NOT NULL;

-- name: list_steady
-- List the keys of rows that differ in the same way at both readings.
SELECT :n_key
FROM :"reading" AS n
INNER JOIN :"reading_before" AS b ON :n_is_b AND (
    (n.in_source, n.source_version, n.source_content)
    IS NOT DISTINCT FROM (b.in_source, b.source_version, b.source_content)
)
WHERE n.outcome = :'outcome'
ORDER BY :n_key
LIMIT :'limit'::integer;

-- name: list_by_key
-- List production's rows with some keys: the keys as canonical text, and some values of each row.
SELECT
    :r_key,
    found.*
FROM jsonb_to_recordset(:'wanted_keys'::jsonb) AS r (:key_columns)
CROSS JOIN LATERAL (
    SELECT :p_values
    FROM :"schema".:"table" AS p
    WHERE :p_is_r AND :p_is_alive
    LIMIT 1
) AS found;
