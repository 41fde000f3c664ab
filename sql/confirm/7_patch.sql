-- Confirm, step 7 of 9: correct single columns of rows that CDC writes at every pass (the verdict patch), under their
-- locks.
-- k: a key. p: production. r: the source, as this pass read it. n: production's row as it was noted before that. u: a
-- key that is updated.
-- By hand: psql -f sql/example.psql -f sql/confirm/1_keys.sql -f sql/confirm/7_patch.sql

-- name: lock_patches
-- Lock the rows in which single columns will be corrected, and keep each as it is under its lock.
UPDATE :"keys" AS u
SET locked_row = found.locked_row
FROM (
    SELECT
        k.place,
        p.locked_row
    FROM (
        SELECT
            k.*,
            k.ctid AS place
        FROM :"keys" AS k
        WHERE k.is_open AND k.verdict = 'patch'
        ORDER BY :k_key
    ) AS k
    LEFT JOIN LATERAL (
        SELECT to_jsonb(p.*) AS locked_row
        FROM :"schema".:"table" AS p
        WHERE :p_is_k
        LIMIT 1
        FOR UPDATE
    ) AS p ON TRUE
) AS found
WHERE u.ctid = found.place;

-- name: number_patches
-- Number the locked rows in which single columns will be corrected, from 1, in key order. The others get 0.
UPDATE :"keys" AS u
SET batch = coalesce(found.batch, 0)
FROM (
    SELECT
        k.place,
        CASE WHEN k.is_patched THEN row_number() OVER (PARTITION BY k.is_patched ORDER BY :k_key) END AS batch
    FROM (
        SELECT
            k.*,
            k.ctid AS place,
            k.locked_row IS NOT NULL AND EXISTS (
                SELECT 1
                FROM :"schema".:"table" AS p
                CROSS JOIN LATERAL jsonb_populate_record(NULL:::"schema".:"table", k.noted) AS n
                INNER JOIN :"source_rows" AS r ON :r_is_k
                WHERE :p_is_k AND (:p_is_patched)
            ) AS is_patched
        FROM :"keys" AS k
        WHERE k.is_open AND k.verdict = 'patch'
    ) AS k
) AS found
WHERE u.ctid = found.place;

-- name: count_patches
-- Count the numbered rows.
SELECT count(*) FROM :"keys" AS k WHERE k.is_open AND k.verdict = 'patch' AND k.batch > 0;

-- name: patch_rows
-- Set single columns of a range of numbered rows to the source's values, if production still has the noted values.
-- Write the rows into the audit as they were. Returns how many rows have the new values under their keys.
WITH patched AS (
    UPDATE :"schema".:"table" AS p
    SET :patch_assignments
    FROM :"keys" AS k
    INNER JOIN :"source_rows" AS r ON :r_is_k
    CROSS JOIN LATERAL jsonb_populate_record(NULL:::"schema".:"table", k.noted) AS n
    WHERE
        :p_is_k AND k.is_open AND k.verdict = 'patch' AND k.batch BETWEEN :'first'::integer AND :'last'::integer
        AND (:p_is_patched)
    RETURNING
        k.ctid AS place,
        :k_key_json AS key,
        k.locked_row,
        -- Checks the row as it is now, because a trigger may have changed it.
        :p_is_k AND NOT (:p_is_patched) AS is_taken
),

audited AS (
    INSERT INTO admin.reload_changes (reload_id, table_name, step, operation, key, before)
    SELECT
        :'reload_id'::bigint,
        :'table_name'::text,
        'confirm',
        'updated',
        patched.key,
        patched.locked_row
    FROM patched
)

UPDATE :"keys" AS u
SET is_ours = TRUE, is_settled = FALSE, times_overtaken = 1
FROM patched
WHERE u.ctid = patched.place AND patched.is_taken;

-- name: find_unpatched
-- Find the key of a row in which single columns were corrected, but that is gone or still has an old value. A trigger
-- has undone the correction.
SELECT :k_key_texts AS unpatched
FROM :"keys" AS k
CROSS JOIN LATERAL jsonb_populate_record(NULL:::"schema".:"table", k.noted) AS n
WHERE
    k.is_open AND k.verdict = 'patch' AND k.batch BETWEEN :'first'::integer AND :'last'::integer
    AND NOT EXISTS (
        SELECT 1
        FROM :"schema".:"table" AS p
        WHERE :p_is_k AND NOT (:p_is_patched)
    )
LIMIT 1;

-- name: end_patches
-- Note that columns of a range of numbered rows are corrected. These rows have to be read equal once more.
UPDATE :"keys" SET noted = NULL
WHERE is_open AND verdict = 'patch' AND batch BETWEEN :'first'::integer AND :'last'::integer;

-- name: refuse_patch
-- Note that production refuses to correct single columns of a numbered row.
UPDATE :"keys" SET verdict = 'blocked', times_refused = times_refused + 1, reason = :'refusal'
WHERE is_open AND verdict = 'patch' AND batch = :'number'::integer;
