-- Confirm, step 8 of 9: once all keys are closed, add what a comparison finds, and read every key once more.
-- f: a key that the comparison found, as text. p: production.
-- By hand: psql -f sql/example.psql -f sql/compare.sql -f sql/confirm/1_keys.sql -f sql/confirm/8_compare.sql

-- name: collect_differences
-- Add the keys of rows that a comparison found to differ, so that the next pass judges them. Returns how many are new.
INSERT INTO :"keys" (:key_numbers, found_by_comparison)
SELECT DISTINCT
    :f_key_typed,
    TRUE
FROM pg_temp.differences AS f
WHERE :f_is_chosen
ON CONFLICT (:key_numbers) DO NOTHING;

-- name: list_differences
-- List places (ctid) and keys of the rows that a comparison found to differ, to find those that the types cannot hold.
-- The key is NULL if a column of it is: only production may have such rows, because the staged keys are verified.
SELECT
    f.ctid::text AS place,
    CASE WHEN num_nulls(:f_key) = 0 THEN concat_ws(', ', :f_key) END AS key_text
FROM pg_temp.differences AS f;

-- name: collect_rewritten
-- Add the rows of a range that somebody has written since the merge began. Each of them is read in full, because some
-- columns cannot be compared by sums. since_xid: the oldest transaction that was running when the merge began.
INSERT INTO :"keys" (:key_numbers, found_by_comparison)
SELECT
    :p_key,
    TRUE
FROM :"schema".:"table" AS p
WHERE
    p.:"range_column" >= :'range_start'::timestamp AND p.:"range_column" < :'range_end'::timestamp
    AND :p_has_key
    -- Transaction numbers wrap around, so only their ages can be compared.
    AND age(p.xmin) <= age((:'since_xid'::bigint % 4294967296)::text::xid)
ON CONFLICT (:key_numbers) DO NOTHING;

-- name: get_size
-- Return the size of a production table with its partitions, in bytes.
SELECT
    coalesce(
        (SELECT sum(pg_relation_size(relid)) FROM pg_partition_tree(place.name::regclass)),
        pg_relation_size(place.name::regclass)
    )::bigint AS bytes
FROM (SELECT format('%I.%I', :'schema'::text, :'table'::text) AS name) AS place;

-- name: collect_carried
-- Add the rows that somebody has written since the merge began and that no compared range holds. A row of this reload
-- vanished before it was read, and CDC may have moved it to one of these keys. This scans the whole table.
INSERT INTO :"keys" (:key_numbers, is_ours, found_by_comparison)
SELECT
    :p_key,
    TRUE,
    TRUE
FROM :"schema".:"table" AS p
WHERE
    (:p_is_compared) IS NOT TRUE
    AND :p_has_key
    AND age(p.xmin) <= age((:'since_xid'::bigint % 4294967296)::text::xid)
ON CONFLICT (:key_numbers) DO NOTHING;

-- name: own_found
-- Count the rows that a comparison found as this reload's own, once a row of this reload vanished before it was read.
-- The reload may have caused their state, so no policy leaves them as they are.
UPDATE :"keys" SET is_ours = TRUE
WHERE found_by_comparison AND NOT is_ours;

-- name: own_rewritten
-- Count the rows of known keys that somebody has written since the merge began as this reload's own, too: CDC may have
-- carried the content of the row that vanished to a key that another row had before.
UPDATE :"keys" AS u SET is_ours = TRUE
FROM (
    SELECT k.ctid AS place
    FROM :"keys" AS k
    CROSS JOIN LATERAL (
        SELECT p.xmin AS production_xmin
        FROM :"schema".:"table" AS p
        WHERE :p_is_k
        LIMIT 1
    ) AS p
    WHERE NOT k.is_ours AND age(p.production_xmin) <= age((:'since_xid'::bigint % 4294967296)::text::xid)
) AS found
WHERE u.ctid = found.place;

-- name: unblock_keys
-- Let refused corrections be tried again, because what stood in their way may be corrected now.
UPDATE :"keys" SET times_refused = 0
WHERE times_refused > 0;

-- name: reopen_keys
-- Open every key once more, except those that production has refused for good.
UPDATE :"keys" SET is_open = TRUE, times_overtaken = 0, noted = NULL
WHERE times_refused < :'most_refused'::integer;
