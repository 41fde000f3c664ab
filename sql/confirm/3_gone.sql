-- Confirm, step 3 of 9: prove that the source would have found the rows that count as gone. Staged keys, which the load
-- itself read, must be found by their key.
-- k: a key, of the confirm or of the control. a: the source, as it is read again. s: a staged row. p: production.
-- By hand: psql -f sql/example.psql -f sql/confirm/1_keys.sql -f sql/confirm/3_gone.sql

-- name: list_gone_shapes
-- List the shapes of the keys whose rows count as gone from the source.
SELECT DISTINCT :k_shape AS shape
FROM :"keys" AS k
WHERE k.is_open AND k.verdict IN (:gone);

-- name: create_control
-- Collect a few staged keys of each shape, chosen by a hash. The load read them. So the source finds them by their key,
-- unless it has deleted them since, or cannot find such keys.
CREATE TEMPORARY TABLE :"control" AS
WITH drawn AS (
    SELECT min(s.ctid) AS place
    FROM :"staging_schema".:"staging_table" AS s
    WHERE
        :s_shape = any(:'shapes'::text [])
        AND NOT EXISTS (SELECT 1 FROM :"keys" AS k WHERE (k.is_open AND k.verdict IN (:gone)) AND :k_is_s)
    GROUP BY :s_shape, abs(hashtext(:s_key_text) % :'each'::integer)
)

SELECT
    :s_key_numbered,
    :s_shape AS shape,
    FALSE AS is_found
FROM drawn
INNER JOIN :"staging_schema".:"staging_table" AS s ON drawn.place = s.ctid;

-- name: add_neighbours
-- If the reload selects keys, few or no rows are staged. Add rows of production whose keys are next to those that count
-- as gone, and that have the same shape: an index finds them. CDC brought them from the source.
INSERT INTO :"control" (:key_numbers, shape, is_found)
SELECT DISTINCT
    :p_key,
    :p_shape,
    FALSE
FROM (
    SELECT *
    FROM :"keys" AS k
    WHERE (k.is_open AND k.verdict IN (:gone)) AND :k_shape = any(:'shapes'::text [])
    LIMIT :'each'::integer
) AS k
CROSS JOIN LATERAL (
    (
        SELECT *
        FROM :"schema".:"table" AS p
        WHERE (:p_key) > (:k_key) AND :p_is_alive
        ORDER BY :p_key
        LIMIT :'each'::integer
    )
    UNION ALL
    (
        SELECT *
        FROM :"schema".:"table" AS p
        WHERE (:p_key) < (:k_key) AND :p_is_alive
        ORDER BY :p_key_descending
        LIMIT :'each'::integer
    )
) AS p
WHERE
    :p_shape = any(:'shapes'::text [])
    AND NOT EXISTS (SELECT 1 FROM :"keys" AS o WHERE :p_is_o);

-- name: mark_found
-- Mark the keys that the source has found.
UPDATE :"control" AS k
SET is_found = TRUE
WHERE EXISTS (SELECT 1 FROM :"again" AS a WHERE :a_is_k);

-- name: count_found
-- Count, by shape, the keys that were looked up in the source and those that it found.
SELECT
    shape,
    count(*) AS keys,
    count(*) FILTER (WHERE is_found) AS found
FROM :"control"
GROUP BY shape;

-- name: list_moments
-- If the reload selects keys and too few were found: list when the rows lie, in production, whose keys count as gone.
SELECT DISTINCT date_trunc('minute', p.:"production_window_column") AS moment
FROM :"keys" AS k
INNER JOIN :"schema".:"table" AS p ON :p_is_k
WHERE
    (k.is_open AND k.verdict IN (:gone)) AND :k_shape = any(:'shapes'::text [])
    AND p.:"production_window_column" IS NOT NULL
ORDER BY moment;

-- name: add_gone
-- If too few were found, the source's rows of the window decide, or those of the same minutes as the rows that count as
-- gone. Add all keys whose rows count as gone, to look for them among those rows.
INSERT INTO :"control" (:key_numbers, shape, is_found)
SELECT
    :k_key,
    :k_shape,
    FALSE
FROM :"keys" AS k
WHERE (k.is_open AND k.verdict IN (:gone)) AND :k_shape = any(:'shapes'::text []);

-- name: find_other_key
-- Find a key whose row counts as gone although the source's window lists a key that differs only in its spelling, and
-- that production lacks. It may be the same row. Returns both keys.
SELECT
    :k_key_texts AS key_texts,
    :a_key_texts AS other_key_texts
FROM :"keys" AS k
INNER JOIN :"again" AS a ON :k_is_like_a
WHERE
    (k.is_open AND k.verdict IN (:gone)) AND :k_shape = any(:'shapes'::text [])
    AND NOT (:a_is_k)
    AND NOT EXISTS (SELECT 1 FROM :"schema".:"table" AS p WHERE :p_is_a)
LIMIT 1;

-- name: keep_listed
-- Keep only the keys that the source's window has just listed although the source did not find them by key.
DELETE FROM :"control" AS k
WHERE k.is_found OR NOT EXISTS (SELECT 1 FROM :"again" AS a WHERE :a_is_k);

-- name: find_unfound
-- Return a key that the source has still not found.
SELECT :k_key_texts AS key_texts
FROM :"control" AS k
WHERE NOT k.is_found
LIMIT 1;
