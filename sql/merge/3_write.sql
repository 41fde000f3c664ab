-- Merge, step 3 of 6: write what was judged, each row in one go, if no unique value moves between rows (else step 4
-- comes first). The rows that somebody else wrote in between are late: they are locked, judged again and updated.
-- By hand: psql -f sql/example.psql -f sql/merge/2_judge.sql -f sql/merge/3_write.sql

-- name: insert_rows
-- Insert the rows that production lacks, in the order of their keys, and write them into the audit. A row that a
-- concurrent writer has inserted meanwhile is left as it is.
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
-- Update the rows of production that are still as they were judged, and write them into the audit as they were before
-- (o). A row that a concurrent writer has changed, or changes while this waits for it, is left as it is: it is another
-- row version than the one that was judged.
WITH written AS (
    UPDATE :"schema".:"table" AS p
    SET :assignments
    FROM :"delta" AS d
    CROSS JOIN LATERAL (
        -- Not to_jsonb(o), which is a column where there is one of that name.
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
-- The late rows: those of the delta that were to be written and are not in the audit, because a concurrent writer was
-- there first.
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
-- Take the late rows (t) out of the delta. In what follows they are the delta.
DELETE FROM :"delta" AS d
USING :"late" AS t
WHERE :t_is_d;

-- name: lock_rows
-- Lock the rows of production that have one of some outcomes, in the order of their keys; judge each again as it is
-- under the lock, and write those that will be changed into the audit as they are now. A row that is gone was deleted
-- by a concurrent writer, who has the last word: it counts as refused.
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
            -- Not to_jsonb(p), which is a column where there is one of that name.
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
-- Update the locked rows whose staged version is newer, or equal with other content; never a newer one. If unique
-- values have moved (step 4), a row that let go of its value may look newer by a trigger's doing: it was judged before
-- that, and has been locked since.
UPDATE :"schema".:"table" AS p
SET :assignments
FROM :"delta" AS d
WHERE
    :p_is_d
    AND d.outcome IN ('updated', 'repaired')
    AND (:'any_moved'::boolean OR :p_is_not_newer);
