-- Confirm, step 6 of 9: make the corrections. They are held, then released together or batch by batch, then made or
-- refused (the column correction; see reload_assets/confirm/verdicts.py).
-- k: a key. p: production. r: the source, as this pass read it. a: as it is with CDC stopped. d, t: rows of the
-- corrections in the form of the merge's delta. c: a row that refers to production's. i: an inserted row. u: a key that
-- is updated.
-- By hand: psql -f sql/example.psql -f sql/confirm/1_keys.sql -f sql/confirm/6_correct.sql

-- name: put_off_changed
-- With CDC stopped: put a correction off to the next pass if the source's row is no longer the one that was read.
UPDATE :"keys" AS k
SET verdict = 'overtaken'
WHERE
    k.verdict IN (:corrected)
    AND (SELECT r::text FROM :"source_rows" AS r WHERE :r_is_k)
    IS DISTINCT FROM (SELECT a::text FROM :"again" AS a WHERE :a_is_k);

-- name: hold_back
-- Hold all corrections. They are released together, or batch by batch.
UPDATE :"keys" SET correction = 'held', batch = 0, reason = NULL
WHERE is_open AND verdict IN (:corrected);

-- name: release_all
-- Release all held corrections.
UPDATE :"keys" SET correction = 'released'
WHERE is_open AND correction = 'held';

-- name: create_delta
-- Create a table of the held and released corrections that write rows, in the form of a merge's delta, to find the
-- unique values that move between their rows.
CREATE TEMPORARY TABLE :"delta" ON COMMIT DROP AS
SELECT
    r.*,
    CASE WHEN k.verdict = 'insert' THEN 'inserted' ELSE 'updated' END AS outcome
FROM :"keys" AS k
INNER JOIN :"source_rows" AS r ON :r_is_k
WHERE k.is_open AND k.verdict IN (:written) AND k.correction = :'correction';

-- name: find_chains
-- Find pairs of rows: one takes over a unique value that the other gives up.
SELECT
    d.ctid::text AS giver,
    t.ctid::text AS taker
FROM :"delta" AS d
CROSS JOIN LATERAL (
    SELECT :p_unique_values
    FROM :"schema".:"table" AS p
    WHERE :p_is_d
    LIMIT 1
) AS p
INNER JOIN :"delta" AS t ON :t_takes_over
WHERE d.outcome = 'updated' AND (:d_gives_up);

-- name: set_batches
-- Number each chain of rows between which unique values move, because they have to be corrected together.
UPDATE :"keys" AS k
SET batch = chain.number
FROM :"delta" AS d
INNER JOIN unnest(:'places'::tid [], :'numbers'::integer []) AS chain (place, number) ON d.ctid = chain.place
WHERE :d_is_k;

-- name: release_batch
-- Release the next corrections of a batch that have one of the given verdicts, in key order.
UPDATE :"keys" AS u SET correction = 'released'
WHERE
    u.ctid = any(
        array(
            SELECT k.ctid
            FROM :"keys" AS k
            WHERE
                k.is_open AND k.correction = 'held'
                AND k.verdict = any(:'verdicts'::text []) AND k.batch = :'batch'::integer
            ORDER BY :k_key
            LIMIT :'most'::bigint
        )
    );

-- name: refuse_unfit
-- Refuse the corrections whose source row the target's types cannot hold.
UPDATE :"keys" AS k
SET correction = 'refused', reason = r.unfit
FROM :"source_rows" AS r
WHERE :r_is_k AND r.unfit IS NOT NULL AND k.is_open AND k.correction = 'released' AND k.verdict IN (:written);

-- name: lock_rows
-- Lock the rows that will be corrected, in key order. If a row is not the row version that was noted, somebody else has
-- written it meanwhile, and it is put off. A foreign key check waits for these locks, so from now on no new row can
-- refer to one of them.
WITH locked AS MATERIALIZED (
    SELECT
        k.place,
        k.production_xmin AS expected,
        found.production_xmin
    FROM (
        SELECT
            k.*,
            k.ctid AS place
        FROM :"keys" AS k
        WHERE k.is_open AND k.correction = 'released' AND k.verdict IN (:locked)
        ORDER BY :k_key
    ) AS k
    LEFT JOIN LATERAL (
        SELECT p.xmin::text AS production_xmin
        FROM :"schema".:"table" AS p
        WHERE :p_is_k
        LIMIT 1
        FOR UPDATE
    ) AS found ON TRUE
)

UPDATE :"keys" AS u
SET verdict = 'overtaken', correction = NULL
FROM locked
WHERE u.ctid = locked.place AND (locked.production_xmin = locked.expected) IS NOT TRUE;

-- name: count_released
-- Count the released corrections by verdict.
SELECT
    verdict,
    count(*) AS keys
FROM :"keys"
WHERE is_open AND correction = 'released'
GROUP BY verdict;

-- name: refuse_followed
-- Refuse the locked rows that other rows refer to and would follow. Returns the reason, which begins with the number of
-- referring rows. r_changes_p: the correction changes a value that they refer to. c_stays: the referring row is not one
-- of those that are deleted too.
UPDATE :"keys" AS u
SET correction = 'refused', reason = found.children || :'refusal'
FROM (
    SELECT
        k.ctid AS place,
        count(*) AS children
    FROM :"keys" AS k
    INNER JOIN :"schema".:"table" AS p ON :p_is_k
    LEFT JOIN :"source_rows" AS r ON :r_is_k
    INNER JOIN :child AS c ON :c_refers_to_p
    WHERE k.is_open AND k.correction = 'released' AND k.verdict = :'verdict' AND :r_changes_p AND :c_stays
    GROUP BY k.ctid
) AS found
WHERE u.ctid = found.place
RETURNING u.reason;

-- name: audit_rows
-- Write the locked rows that will be corrected into the audit, as they are now.
INSERT INTO admin.reload_changes (reload_id, table_name, step, operation, key, before)
SELECT
    :'reload_id'::bigint,
    :'table_name'::text,
    'confirm',
    CASE WHEN k.verdict = 'delete' THEN 'deleted' ELSE 'updated' END,
    :k_key_json,
    p.before
FROM :"keys" AS k
CROSS JOIN LATERAL (
    -- Not to_jsonb(p): if the table has a column named p, that would mean the column.
    SELECT to_jsonb(p.*) AS before
    FROM :"schema".:"table" AS p
    WHERE :p_is_k
    LIMIT 1
) AS p
WHERE k.is_open AND k.correction = 'released' AND k.verdict = :'verdict'
ORDER BY :k_key;

-- name: delete_rows
-- Delete the locked rows that the source no longer has.
WITH deleted AS (
    DELETE FROM :"schema".:"table" AS p
    USING :"keys" AS k
    WHERE :p_is_k AND k.is_open AND k.correction = 'released' AND k.verdict = 'delete'
    RETURNING k.ctid AS place
)

UPDATE :"keys" AS u
SET correction = 'made'
FROM deleted
WHERE u.ctid = deleted.place;

-- name: soft_delete_rows
-- Mark the locked rows that the source no longer has as deleted.
WITH marked AS (
    UPDATE :"schema".:"table" AS p
    SET :"mark_column" = :mark
    FROM :"keys" AS k
    WHERE :p_is_k AND k.is_open AND k.correction = 'released' AND k.verdict = 'soft_delete'
    RETURNING
        k.ctid AS place,
        :p_is_k AS is_kept
)

UPDATE :"keys" AS u
SET correction = 'made'
FROM marked
WHERE u.ctid = marked.place AND marked.is_kept;

-- name: update_rows
-- Set the locked rows to the source's values.
WITH updated AS (
    UPDATE :"schema".:"table" AS p
    SET :r_assignments
    FROM :"keys" AS k, :"source_rows" AS r
    WHERE :p_is_k AND :r_is_k AND k.is_open AND k.correction = 'released' AND k.verdict = 'update'
    RETURNING
        k.ctid AS place,
        :p_is_k AS is_kept
)

UPDATE :"keys" AS u
SET correction = 'made'
FROM updated
WHERE u.ctid = updated.place AND updated.is_kept;

-- name: insert_rows
-- Insert the rows that production lacks although CDC has passed them, in key order, and write them into the audit.
-- Returns how many were inserted, and how many of these have a key that was to be inserted. A row that somebody else
-- has inserted meanwhile stays as it is.
WITH inserted AS (
    INSERT INTO :"schema".:"table" AS p (:columns)
    OVERRIDING SYSTEM VALUE
    SELECT :r_values
    FROM :"keys" AS k
    INNER JOIN :"source_rows" AS r ON :r_is_k
    WHERE k.is_open AND k.correction = 'released' AND k.verdict = 'insert'
    ORDER BY :k_key
    ON CONFLICT (:key) DO NOTHING
    RETURNING
        :p_key_json AS key,
        :p_key_numbered
),

audited AS (
    INSERT INTO admin.reload_changes (reload_id, table_name, step, operation, key)
    SELECT
        :'reload_id'::bigint,
        :'table_name'::text,
        'confirm',
        'inserted',
        i.key
    FROM inserted AS i
),

made AS (
    UPDATE :"keys" AS k
    SET correction = 'made'
    FROM inserted AS i
    WHERE :i_is_k AND k.is_open AND k.correction = 'released' AND k.verdict = 'insert'
    RETURNING 1
)

SELECT
    (SELECT count(*) FROM inserted) AS inserted,
    (SELECT count(*) FROM made) AS made;

-- name: put_off_inserts
-- Put off the rows that were not inserted because somebody else has inserted them meanwhile. If no trigger can keep a
-- row from being inserted (absent_too), put off rows that production lacks as well: somebody has deleted them again.
UPDATE :"keys" AS u
SET verdict = 'overtaken', correction = NULL
FROM (
    SELECT
        k.ctid AS place,
        p.is_own
    FROM :"keys" AS k
    LEFT JOIN LATERAL (
        SELECT :p_is_own AS is_own
        FROM :"schema".:"table" AS p
        WHERE :p_is_k
        LIMIT 1
    ) AS p ON TRUE
    WHERE k.is_open AND k.correction = 'released' AND k.verdict = 'insert'
) AS found
WHERE u.ctid = found.place AND coalesce(NOT found.is_own, :'absent_too'::boolean);

-- name: find_untaken
-- Find the key of a row that was written but is not there, or was deleted but is still there. A trigger has moved it or
-- brought it back.
SELECT :k_key_texts AS untaken
FROM :"keys" AS k
WHERE
    k.is_open AND k.correction = 'made'
    AND (k.verdict = 'delete') = EXISTS (
        SELECT 1
        FROM :"schema".:"table" AS p
        WHERE :p_is_k
    )
LIMIT 1;

-- name: note_written
-- Note the row versions that the corrections of a batch made, and from which source row, for the rows that production
-- returned as written.
UPDATE :"keys" AS u
SET written_xmin = found.xmin_now, written_hash = md5(found.source_row), is_ours = TRUE, unequal_hash = NULL
FROM (
    SELECT
        k.ctid AS place,
        r::text AS source_row,
        p.xmin_now
    FROM :"keys" AS k
    INNER JOIN :"source_rows" AS r ON :r_is_k
    CROSS JOIN LATERAL (
        SELECT p.xmin::text AS xmin_now
        FROM :"schema".:"table" AS p
        WHERE :p_is_k
        LIMIT 1
    ) AS p
    WHERE k.is_open AND k.correction = 'made' AND k.verdict IN (:written)
) AS found
WHERE u.ctid = found.place;

-- name: end_batch
-- Note that the corrections of a batch are done.
UPDATE :"keys" SET correction = 'done'
WHERE is_open AND correction = 'made';

-- name: refuse_batch
-- Note that production refuses the released corrections.
UPDATE :"keys" SET correction = 'refused', reason = :'refusal'
WHERE is_open AND correction = 'released';

-- name: hold_again
-- Hold the refused corrections again, because another one may have stood in their way.
UPDATE :"keys" SET correction = 'held', batch = 0
WHERE is_open AND correction = 'refused';

-- name: end_corrections
-- End the corrections, which are all done or refused now. A refused one is blocked until a pass judges its key again.
UPDATE :"keys"
SET
    verdict = CASE WHEN correction = 'refused' THEN 'blocked' ELSE verdict END,
    times_refused = times_refused + CASE WHEN correction = 'refused' THEN 1 ELSE 0 END,
    correction = NULL
WHERE is_open AND correction IN ('refused', 'done');

-- name: note_corrected
-- Note that the corrected rows have to be read equal once more, except those that are gone.
UPDATE :"keys"
SET
    is_settled = verdict = 'delete',
    is_brought_back = is_brought_back OR verdict = 'insert',
    noted = NULL,
    unequal_columns = NULL
WHERE is_open AND verdict IN (:corrected);
