-- Confirm, step 3 of 9: the control of what the source is said to have lost. Staged keys, which the load itself saw,
-- have to be found by their key.
-- k: a key, of the confirm or of the control. a: the source, as it is read again. s: a staged row. p: production.
-- By hand: psql -f sql/example.psql -f sql/confirm/1_keys.sql -f sql/confirm/3_gone.sql

-- name: list_gone_shapes
-- The shapes of the keys that the source is said to have lost.
SELECT DISTINCT :k_shape AS shape
FROM :"keys" AS k
WHERE k.is_open AND k.verdict IN (:gone);

-- name: create_control
-- Some staged keys of these shapes: a few for each shape, drawn by a hash. The load saw them, so the source finds them
-- by their key, unless it has lost them since or cannot.
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

-- name: mark_found
-- Mark the keys that the source has found.
UPDATE :"control" AS k
SET is_found = TRUE
WHERE EXISTS (SELECT 1 FROM :"again" AS a WHERE :a_is_k);

-- name: count_found
-- By shape: how many keys were looked up in the source, and how many it has found.
SELECT
    shape,
    count(*) AS keys,
    count(*) FILTER (WHERE is_found) AS found
FROM :"control"
GROUP BY shape;

-- name: add_gone
-- Where too few were found, the source's rows of the window decide: all keys that it is said to have lost are looked
-- for among them.
INSERT INTO :"control" (:key_numbers, shape, is_found)
SELECT
    :k_key,
    :k_shape,
    FALSE
FROM :"keys" AS k
WHERE (k.is_open AND k.verdict IN (:gone)) AND :k_shape = any(:'shapes'::text []);

-- name: find_other_key
-- A key that the source is said to have lost, though its window lists one that differs only in its spelling and that
-- production does not have: perhaps the same row. Returns both keys.
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
-- Keep only the keys that the source's window has just listed, though the source did not find them by the key.
DELETE FROM :"control" AS k
WHERE k.is_found OR NOT EXISTS (SELECT 1 FROM :"again" AS a WHERE :a_is_k);

-- name: find_unfound
-- A key that the source has still not found.
SELECT :k_key_texts AS key_texts
FROM :"control" AS k
WHERE NOT k.is_found
LIMIT 1;
