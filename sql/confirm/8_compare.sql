-- Confirm, step 8 of 9: when all keys are closed, take what a comparison finds, and read every key once more.
-- f: a key that the comparison found, as text. p: production.
-- By hand: psql -f sql/example.psql -f sql/compare.sql -f sql/confirm/1_keys.sql -f sql/confirm/8_compare.sql

-- name: collect_differences
-- The keys of rows that a comparison found to differ: from now on they are judged. Returns how many are new.
INSERT INTO :"keys" (:key_numbers, found_by_comparison)
SELECT DISTINCT
    :f_key_typed,
    TRUE
FROM pg_temp.differences AS f
WHERE :f_is_chosen
ON CONFLICT (:key_numbers) DO NOTHING;

-- name: list_differences
-- The places and keys of the rows that a comparison found to differ, to find those that the types cannot hold.
SELECT
    f.ctid::text AS place,
    concat_ws(', ', :f_key) AS key_text
FROM pg_temp.differences AS f;

-- name: collect_rewritten
-- The rows of a range that somebody has written since the merge began: where some columns cannot be compared by sums,
-- each of these rows is read in full. since_xid: the oldest transaction that ran when the merge began.
INSERT INTO :"keys" (:key_numbers, found_by_comparison)
SELECT
    :p_key,
    TRUE
FROM :"schema".:"table" AS p
WHERE
    p.:"range_column" >= :'range_start'::timestamp AND p.:"range_column" < :'range_end'::timestamp
    AND :p_has_key
    -- Transaction numbers go round in a circle: their age tells which is older.
    AND age(p.xmin) <= age((:'since_xid'::bigint % 4294967296)::text::xid)
ON CONFLICT (:key_numbers) DO NOTHING;

-- name: get_size
-- How many bytes a production table has, with its partitions.
SELECT
    coalesce(
        (SELECT sum(pg_relation_size(relid)) FROM pg_partition_tree(place.name::regclass)),
        pg_relation_size(place.name::regclass)
    )::bigint AS bytes
FROM (SELECT format('%I.%I', :'schema'::text, :'table'::text) AS name) AS place;

-- name: collect_carried
-- The rows that somebody has written since the merge began and that no compared range holds: a row of this reload
-- vanished before it was read, and CDC may have carried it to one of these keys. This reads the table from end to end.
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
-- Once a row of this reload vanished before it was read, what a comparison has found may be this reload's doing: no
-- policy leaves such a row as it is.
UPDATE :"keys" SET is_ours = TRUE
WHERE found_by_comparison AND NOT is_ours;

-- name: unblock_keys
-- Try the corrections again that production has refused: what was in their way may be corrected now.
UPDATE :"keys" SET times_refused = 0
WHERE times_refused > 0;

-- name: reopen_keys
-- Open every key once more, except those that production has refused for good.
UPDATE :"keys" SET is_open = TRUE, times_overtaken = 0, noted = NULL
WHERE times_refused < :'most_refused'::integer;
