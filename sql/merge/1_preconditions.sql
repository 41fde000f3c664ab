-- Merge, step 1 of 6: check that the reload may be merged. Nothing is changed; locks last until the transaction ends.
-- By hand: psql -f sql/example.psql -f sql/merge/1_preconditions.sql

-- name: lock_selection
-- Allow one merge per window of a group at a time, or per list of keys, no matter which reload it belongs to.
SELECT
    pg_try_advisory_xact_lock(
        hashtextextended('reload_assets:merge:' || :'group_name' || ':' || :'selected', 0)
    ) AS locked;

-- name: lock_reload
-- Lock the reload, so that its verdict and its status stay as they are now.
SELECT
    status,
    tables,
    error
FROM admin.reloads
WHERE reload_id = :'reload_id'::bigint
FOR UPDATE;

-- name: find_staging
-- Find the table that has the staging table's name now; NULL if there is none. The next step locks it against writers.
SELECT to_regclass(quote_ident(:'staging_schema') || '.' || quote_ident(:'staging_table'))::oid AS staging_oid;

-- name: find_missing_parents
-- Count the selected staged rows whose parent is neither in production nor staged in the same reload. Also return
-- one of them: its key, and the values that refer to its parent. If the reload does not have the parent's table,
-- q_is_parent_of_m is false, and any staging table stands for the parent's.
WITH missing AS (
    SELECT
        :s_references,
        :s_key_texts AS child_key
    FROM :"staging_schema".:"staging_table" AS s
    -- One index probe per row, because production may be large while the selection is not.
    LEFT JOIN LATERAL (
        SELECT TRUE AS found
        FROM :"parent_schema".:"parent_table" AS q
        WHERE :q_is_parent_of_s
        LIMIT 1
    ) AS parent ON TRUE
    WHERE
        :s_is_selected
        AND :s_has_references
        AND parent.found IS NULL
)

SELECT
    count(*) AS missing,
    (array_agg(m.child_key))[1:1] AS child_key,
    (array_agg(:m_reference_texts))[1:1] AS parent_key
FROM missing AS m
WHERE
    NOT EXISTS (
        SELECT 1
        FROM :"parent_staging_schema".:"parent_staging_table" AS q
        WHERE :q_is_parent_of_m AND :q_is_selected
    );

-- name: find_chunk_end
-- For a merge in chunks: find the last key of the next rows of staging in the order of their keys, as texts, and the
-- key after it if there is one. Without a key after it, the chunk is the last one.
SELECT :s_key_texts AS last_key
FROM :"staging_schema".:"staging_table" AS s
WHERE :s_in_range
ORDER BY :s_key
OFFSET :'rows'::bigint - 1
LIMIT 2;

-- name: count_staged
-- Count the rows of the staging table, or of a range of its keys: all of them, and those that the reload selects.
SELECT
    count(*) AS staged,
    count(*) FILTER (WHERE :s_is_selected) AS selected,
    clock_timestamp() AS counted_at
FROM :"staging_schema".:"staging_table" AS s
WHERE :s_in_range;
