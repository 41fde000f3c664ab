-- Merge, step 3 of 6: write what was judged, without locking rows first. If unique values can move between rows, step 4
-- comes first. Rows that somebody else wrote in between are late: they are locked, judged again and updated.
-- By hand: psql -f sql/example.psql -f sql/merge/2_judge.sql -f sql/merge/3_write.sql

-- name: insert_rows
-- Insert the rows that production lacks, in the order of their keys, and write them into the audit. A row that a
-- concurrent writer has inserted meanwhile stays as it is.
WITH written AS (
    INSERT INTO :"schema".:"table" AS p (:columns)
    OVERRIDING SYSTEM VALUE
    SELECT :d_values
    FROM :"delta" AS d
    WHERE d.outcome = 'inserted'
    ORDER BY :d_key
    ON CONFLICT (:key) DO NOTHING
    RETURNING :p_key_json AS key
)

INSERT INTO admin.reload_changes (reload_id, table_name, operation, key)
SELECT
    :'reload_id'::bigint,
    :'table_name'::text,
    'inserted',
    written.key
FROM written;

-- name: update_judged_rows
-- Update the rows of production that are still the row version that was judged, and write their old content (o) into
-- the audit. A row that a concurrent writer has changed, or changes while this statement waits for it, stays as it is.
WITH written AS (
    UPDATE :"schema".:"table" AS p
    SET :assignments
    FROM :"delta" AS d
    CROSS JOIN LATERAL (
        -- Not to_jsonb(o): if the table has a column named o, that would mean the column.
        SELECT to_jsonb(o.*) AS before
        FROM :"schema".:"table" AS o
        WHERE :o_is_d AND o.ctid = d.judged_ctid AND o.xmin = d.judged_xmin AND o.tableoid = d.judged_table
        LIMIT 1
    ) AS old
    WHERE
        d.outcome IN ('updated', 'repaired')
        AND :p_is_d AND p.ctid = d.judged_ctid AND p.tableoid = d.judged_table
    RETURNING d.outcome, :d_key_json AS key, old.before
)

INSERT INTO admin.reload_changes (reload_id, table_name, operation, key, before)
SELECT
    :'reload_id'::bigint,
    :'table_name'::text,
    written.outcome,
    written.key,
    written.before
FROM written;

-- name: create_late
-- Collect the late rows: rows of the delta that were to be written and are not in the audit, because a concurrent
-- writer came first.
CREATE TEMPORARY TABLE :"late" ON COMMIT DROP AS
SELECT d.*
FROM :"delta" AS d
WHERE
    d.outcome IN ('inserted', 'updated', 'repaired')
    AND NOT EXISTS (
        SELECT 1
        FROM admin.reload_changes AS audit
        WHERE
            audit.reload_id = :'reload_id'::bigint AND audit.table_name = :'table_name'::text
            AND audit.step = 'merge' AND audit.key = :d_key_json
    )
ORDER BY :d_key;

-- name: remove_late
-- Remove the late rows (t) from the delta. In the following statements the table of late rows is the delta.
DELETE FROM :"delta" AS d
USING :"late" AS t
WHERE :t_is_d;

-- name: lock_rows
-- Lock the rows of production that have one of the given outcomes, in the order of their keys. Judge each again under
-- the lock, and write those that will be changed into the audit as they are now. If a row is gone, a concurrent writer
-- has deleted it. That is newer, so the row counts as refused.
WITH locked AS MATERIALIZED (
    SELECT
        d.place,
        d.outcome AS judged,
        coalesce(found.outcome, 'refused') AS outcome,
        :d_key_json AS key,
        found.before
    FROM (
        SELECT
            d.*,
            d.ctid AS place
        FROM :"delta" AS d
        WHERE d.outcome = any(:'judged'::text [])
        ORDER BY :d_key
    ) AS d
    LEFT JOIN LATERAL (
        SELECT
            :judgement AS outcome,
            -- Not to_jsonb(p): if the table has a column named p, that would mean the column.
            to_jsonb(p.*) AS before
        FROM :"schema".:"table" AS p
        WHERE :p_is_d
        LIMIT 1
        FOR NO KEY UPDATE
    ) AS found ON TRUE
),

audited AS (
    INSERT INTO admin.reload_changes (reload_id, table_name, operation, key, before)
    SELECT
        :'reload_id'::bigint,
        :'table_name'::text,
        locked.outcome,
        locked.key,
        locked.before
    FROM locked
    WHERE locked.outcome IN ('updated', 'repaired')
)

UPDATE :"delta" AS d
SET outcome = locked.outcome
FROM locked
WHERE d.ctid = locked.place AND locked.outcome <> locked.judged;

-- name: update_rows
-- Update the locked rows whose staged version is newer, or equal with other content, but never a newer row. If unique
-- values have moved (step 4), a trigger may have made a row look newer when it gave up its value. Such a row is updated
-- all the same: it was judged before that, and has been locked since.
UPDATE :"schema".:"table" AS p
SET :assignments
FROM :"delta" AS d
WHERE
    :p_is_d
    AND d.outcome IN ('updated', 'repaired')
    AND (:'any_moved'::boolean OR :p_is_not_newer);
